"""A fixed sample of ONNX's own backend test cases, written as ONNX; benchmarks/onnx_backend.py runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.onnx_backend import Case, Verdict, node_cases, score_onnx

NAMES = (Path(__file__).parent / "backend_sample.txt").read_text().split()
OLDER = (17, 13, 11)
pytestmark = pytest.mark.xdist_group("onnx-backend")


@pytest.fixture(scope="module")
def sample() -> list[Case]:
    return [case for case in node_cases() if case.name in NAMES]


@pytest.fixture(scope="module")
def verdicts(sample: list[Case]) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in score_onnx(sample)}


@pytest.mark.parametrize("name", NAMES)
def test_the_normal_form_computes_the_same(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].kind == "passed", verdicts[name].reason


@pytest.mark.parametrize("opset", OLDER)
def test_an_older_opset_says_the_same_or_is_refused_by_name(opset: int, sample: list[Case]) -> None:
    scored = score_onnx(sample, opset)
    assert {verdict.kind for verdict in scored} <= {"passed", "refused", "not judged"}
    assert all(verdict.reason for verdict in scored if verdict.kind == "refused")
    assert sum(verdict.kind == "passed" for verdict in scored) >= 100
