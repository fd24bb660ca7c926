"""Every rule computes what the operator computed: onnxruntime before and after, over the attributes that change it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.hub.legalise.cases import Case, built, drawn, run
from tests.workers.hub.legalise.table import CASES
from workers.formats.rules import Writes
from workers.hub.legalise import RULES, legalise
from workers.hub.legalise.functions import FUNCTION_BODY
from workers.hub.legalise.search import Search
from workers.hub.node import Node


class Everything(Writes):
    """Accepts every operator, but for the nodes that it is told to refuse."""

    def __init__(self, refused: list[ir.Node]) -> None:
        super().__init__("test")
        self.nodes = refused

    def why_not(self, node: Node) -> str | None:
        return "refused by the test" if any(node.raw is refused for refused in self.nodes) else None


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}{'-' + case.label if case.label else ''}" for case in CASES])
def test_a_rule_keeps_the_numbers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    model = built(case.shapes, case.build)
    op = case.op or next(op for op, rules in RULES.items() if any(rule.name == case.rule for rule in rules))
    chosen = [rule for rule in (*RULES.get(op, ()), FUNCTION_BODY) if rule.name == case.rule]
    monkeypatch.setitem(RULES, op, chosen)
    feeds = drawn(model, low=case.low, high=case.high)
    before = run(model, feeds)
    refused = [node for node in model.graph if node.op_type == op]
    assert refused, f"the model has no {op}"

    notes = legalise(model, Everything(refused), system="test")

    assert {note.code for note in notes} == {case.rule}
    assert all(note.where == "layer1" for note in notes)
    assert [value.name for value in model.graph.outputs] == [f"y{index}" for index in range(len(before))]
    after = run(model, feeds)
    for want, got in zip(before, after, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=case.tolerance, atol=case.tolerance)


def test_every_rule_has_a_case() -> None:
    tested = {case.rule for case in CASES}
    assert {rule.name for rules in RULES.values() for rule in rules} - tested == set()


def test_every_rule_says_what_it_does_in_one_sentence() -> None:
    for rules in RULES.values():
        for rule in rules:
            assert rule.description.endswith("."), rule.name
            assert rule.name == rule.name.lower(), rule.name


def test_the_search_is_bounded() -> None:
    """Rules that lead in a circle (Tanh by Sigmoid by Tanh) end in a refusal with the graph as it was."""
    model = built([("batch", 3)], lambda g, x: g.Tanh(x))

    class Neither(Writes):
        def why_not(self, node: Node) -> str | None:
            return "no" if node.op in ("Tanh", "Sigmoid") else None

    search = Search(model.graph, Neither("test"))
    assert not search.replace(next(iter(model.graph)))
    assert [node.op_type for node in model.graph] == ["Tanh"]
    assert not model.graph.initializers
