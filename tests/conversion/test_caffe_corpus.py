"""The whole way, for every recorded Caffe model: to the hub, to PyTorch, back to Caffe, and to ONNX of another opset.

The references are the outputs that real Caffe computed, for a batch of one and of three; PyTorch's files are run by
torch, Caffe's by OpenCV. What OpenCV cannot judge stands in the table with the reason that a user reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import Case, cases
from workers.errors import ConversionError
from workers.inspect.upload import Upload
from workers.options import Options
from workers.pipeline import Conversion, convert
from workers.report.schema import Report

# What keeps OpenCV from judging the Caffe files we wrote, as a part of the reason given in the report.
OPENCV_CANNOT: dict[str, str] = {}
# What Caffe's own format cannot say of a model that came from Caffe.
CAFFE_CANNOT: dict[str, str] = {}


def _convert(case: Case, folder: Path, targets: tuple[str, ...]) -> Report:
    out, work = folder / "out", folder / "work"
    out.mkdir(), work.mkdir()
    job = Conversion(
        files=Upload.of(*case.files).files,
        targets=targets,
        out=out,
        work=work,
        options=Options.model_validate(case.options),
        samples=tuple(case.samples),
    )
    return convert(job)


@pytest.mark.parametrize("case", cases("caffe"), ids=lambda case: case.name)
def test_hub_and_pytorch_compute_what_caffe_recorded(case: Case, tmp_path: Path) -> None:
    report = _convert(case, tmp_path, ("pytorch", "onnx"))
    recorded = [c for c in report.comparisons if c.against == "user samples"]
    assert [c.verdict for c in recorded] == ["verified"]
    assert len(recorded[0].samples) == len(case.samples)
    assert {target.format: target.verdict for target in report.targets} == {"pytorch": "verified", "onnx": "verified"}


@pytest.mark.parametrize("case", cases("caffe"), ids=lambda case: case.name)
def test_caffe_files_written_back_compute_the_same_in_opencv(case: Case, tmp_path: Path) -> None:
    if case.name in CAFFE_CANNOT:
        with pytest.raises(ConversionError, match=CAFFE_CANNOT[case.name]):
            _convert(case, tmp_path, ("caffe",))
        return
    (target,) = _convert(case, tmp_path, ("caffe",)).targets
    (comparison,) = target.comparisons
    if case.name in OPENCV_CANNOT:
        assert comparison.verdict != "mismatched"
        assert OPENCV_CANNOT[case.name] in comparison.reason
    else:
        assert comparison.verdict == "verified", comparison.reason
