"""Symbol files of every generation, and JSON that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workers.formats.mxnet.graphs import node, symbol
from workers.errors import LimitExceeded, MalformedModel
from workers.formats.mxnet.symbol import Symbol, read_symbol, write_symbol
from workers.formats.mxnet.upgrade import generation, upgrade


def parse(text: str | dict[str, Any]) -> Symbol:
    return read_symbol(memoryview((text if isinstance(text, str) else json.dumps(text)).encode()), "net-symbol.json")


def graph(**changes: Any) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"op": "null", "name": "x", "inputs": []},
        {"op": "Activation", "name": "y", "attrs": {"act_type": "relu"}, "inputs": [[0, 0, 0]]},
    ]
    nodes[1].update(changes)
    return {"nodes": nodes, "arg_nodes": [0], "heads": [[1, 0, 0]], "attrs": {"mxnet_version": ["int", 10600]}}


def test_attributes_under_the_names_of_all_generations() -> None:
    old = graph(attrs=None, param={"act_type": "tanh"}, attr={"ctx_group": "a"}, backward_source_id=-1)
    assert parse(old).nodes[1].attrs == {"act_type": "tanh", "ctx_group": "a"}
    assert parse(graph(attrs=None, attr={"act_type": "tanh"})).nodes[1].attrs == {"act_type": "tanh"}
    assert parse(graph()).nodes[1].attrs == {"act_type": "relu"}


def test_inputs_and_heads_as_pairs_and_triples() -> None:
    both = graph(inputs=[[0, 0], [0, 0, 3]])
    both["heads"] = [[1, 0]]
    assert parse(both).nodes[1].inputs == ((0, 0), (0, 0)) and parse(both).heads == ((1, 0),)


def test_versions_and_numpy_shapes() -> None:
    assert generation(parse(graph())) == "MXNet 1.6.0" and not parse(graph()).np_shape
    bare = graph()
    del bare["attrs"], bare["arg_nodes"]
    assert parse(bare).version == 800 and generation(parse(bare)) == "MXNet before 0.9"
    bare["attrs"] = {"mxnet_version": ["int", 10901], "is_np_shape": ["int", 1]}
    assert parse(bare).np_shape


def test_sub_graphs_have_their_parents_version() -> None:
    inner = {key: value for key, value in graph().items() if key != "attrs"}
    assert parse(graph(subgraphs=[inner])).nodes[1].subgraphs[0].version == 10600


def test_what_is_written_is_read() -> None:
    made = symbol(node("Activation", "y", "x", act_type="relu"), node("_foreach", "z", "y", subgraphs=[parse(graph())]),
                  heads=["z", "y"], version=10600)  # fmt: skip
    assert parse(write_symbol(made)) == made


def test_batch_norms_before_0_9_get_their_auxiliary_inputs() -> None:
    old = symbol(node("BatchNorm", "bn", "x", "bn_gamma", "bn_beta"), version=800)
    new = upgrade(old)
    assert [new.nodes[index].name for index, _ in new.nodes[3].inputs[3:]] == ["bn_moving_mean", "bn_moving_var"]
    later = symbol(node("BatchNorm", "bn", "x", "bn_gamma", "bn_beta"), version=900)
    assert upgrade(later) == later


@pytest.mark.parametrize(("version", "axis"), [(904, None), (905, "-1")])
def test_minus_one_was_no_axis_until_0_9_4(version: int, axis: str | None) -> None:
    old = symbol(node("argmax", "y", "x", axis=-1), version=version)
    assert upgrade(old).nodes[1].attrs.get("axis") == axis


def test_sparse_spellings_are_the_same_operators() -> None:
    assert upgrade(symbol(node("_sparse_dot", "y", "a", "b"))).nodes[2].op == "dot"
    assert upgrade(symbol(node("_sparse_retain", "y", "a", "b"))).nodes[2].op == "_sparse_retain"


BROKEN: dict[str, tuple[str | dict[str, Any], str]] = {
    "no JSON": ("{nodes", "not valid JSON"),
    "a number": ("7", "no list of nodes"),
    "no nodes": ({"heads": [[0, 0, 0]]}, "no list of nodes"),
    "no heads": ({"nodes": []}, "no heads"),
    "empty heads": ({"nodes": [], "heads": []}, "no heads"),
    "NaN": ('{"nodes": [NaN], "heads": [[0, 0, 0]]}', "NaN, which is no JSON"),
    "the same key twice": ('{"nodes": [], "nodes": [], "heads": [[0, 0, 0]]}', "same key twice"),
    "a node beyond the end": (graph(inputs=[[2, 0, 0]]), "names node 2, output 0; there are 2 nodes"),
    "a negative node": (graph(inputs=[[-1, 0, 0]]), "names node -1"),
    "a large output": (graph(inputs=[[0, 2**40, 0]]), "output 1099511627776"),
    "a fraction": (graph(inputs=[[0.5, 0, 0]]), r"not \[node, output, version\]"),
    "a number that python cannot read": ('{"nodes": [], "heads": [[' + "9" * 5000 + ", 0, 0]]}", "not valid JSON"),
    "a number as attribute": (graph(attrs={"act_type": 1}), "'act_type' of node 'y' is not a string"),
    "attributes as a list": (graph(attrs=["a"]), "attrs of node 'y' is no JSON object"),
    "no name": (graph(name=None), "node 1 has no operator or no name"),
    "inputs that are no list": (graph(inputs="x"), "the inputs of node 1"),
    "a broken sub-graph": (graph(subgraphs=[7]), "no list of nodes"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_broken_symbols_say_where(what: str) -> None:
    text, words = BROKEN[what]
    with pytest.raises(MalformedModel, match=words) as caught:
        parse(text)
    assert caught.value.file == "net-symbol.json"


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(MalformedModel, match="not UTF-8"):
        read_symbol(memoryview(b'{"nodes": "\xff"}'), "net-symbol.json")


def test_nesting_without_end() -> None:
    with pytest.raises(LimitExceeded, match="nested too deeply"):
        parse("[" * 100_000)
    deep = graph()
    for _ in range(70):
        deep = graph(subgraphs=[deep])
    with pytest.raises(LimitExceeded, match=r"sub-graphs .* nested too deeply"):
        parse(deep)


def test_more_nodes_than_any_network_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.formats.mxnet.symbol.NODES", 3)
    with pytest.raises(LimitExceeded, match="has 4 nodes"):
        parse(graph(subgraphs=[graph()]))
    monkeypatch.setattr("workers.formats.mxnet.symbol.SIZE", 10)
    with pytest.raises(LimitExceeded, match="bytes of JSON"):
        parse(graph())
