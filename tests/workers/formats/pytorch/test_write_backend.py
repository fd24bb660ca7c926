"""A fixed sample of ONNX's own backend test cases; benchmarks/onnx_backend.py runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.onnx_backend import Case, Verdict, difference, node_cases, score

NAMES = (Path(__file__).parent / "backend_sample.txt").read_text().split()
REFUSED = ("test_equal_string", "test_image_decoder_decode_png_rgb", "test_string_concat", "test_adam")
pytestmark = pytest.mark.xdist_group("torch-backend")


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """The sample, written and run in one torch process."""
    wanted = {*NAMES, *REFUSED}
    chosen: list[Case] = [case for case in node_cases() if case.name in wanted]
    return {verdict.name: verdict for verdict in score(chosen, "pytorch")}


@pytest.mark.parametrize("name", NAMES)
def test_torch_computes_what_onnx_recorded(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].kind == "passed", verdicts[name].reason


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_lacks_is_refused(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].kind == "refused" and verdicts[name].reason


def test_the_judge_tells_values_shapes_types_and_absence_apart() -> None:
    assert difference([1.0], [1.0], 1e-3, 1e-7) is None
    assert difference([1.0], [1.1], 1e-3, 1e-7) is not None
    assert difference(1.0, [1.0], 1e-3, 1e-7) is not None
    assert difference(1, 1.0, 1e-3, 1e-7) is not None
    assert difference(None, 1.0, 1e-3, 1e-7) is not None
    assert difference(None, None, 1e-3, 1e-7) is None
