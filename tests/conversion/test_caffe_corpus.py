"""The whole way, for every recorded Caffe model: to the hub, to PyTorch, back to Caffe, and to ONNX of another opset.

The references are the outputs that real Caffe computed, for a batch of one and of three; PyTorch's files are run by
torch, Caffe's by OpenCV. What OpenCV cannot judge stands in the table with the reason that a user reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import Case, cases
from workers.inspect.upload import Upload
from workers.pipeline import Conversion, convert

# What keeps OpenCV from judging the Caffe files that we wrote: words of the reason that the report gives.
OPENCV_CANNOT = {
    "conv3d_nd": "Deconvolution",
    "fcn_seg": "ArgMax",
    "lstm_embed": "Embed",
    "opzoo_elementwise": "Threshold",
    "opzoo_shape": "Reduction",
}

# torch.export cannot follow a number of detections that depends on the data; model.py can.
NOT_EXPORTED = ("ssd_detect",)


@pytest.mark.parametrize("case", cases("caffe"), ids=lambda case: case.name)
def test_every_target_computes_what_caffe_recorded(case: Case, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    recorded_files = tuple(sorted(case.folder.glob("io_*.npz")))
    report = convert(
        Conversion(
            files=Upload.of(*case.files).files,
            targets=("pytorch", "onnx", "caffe"),
            out=out,
            work=work,
            options=case.options.model_copy(update={"opset": 17}),
            samples=recorded_files,
        )
    )
    (recorded,) = (comparison for comparison in report.comparisons if comparison.against == "user samples")
    assert recorded.verdict == "verified", recorded.reason
    assert len(recorded.samples) == len(recorded_files)
    targets = {target.format: target for target in report.targets}
    assert targets["pytorch"].verdict == "verified"
    assert targets["onnx"].verdict == "verified"
    if case.name in NOT_EXPORTED:
        assert [note.code for note in targets["pytorch"].notes] == ["export-failed"]
    else:
        assert (out / "pytorch" / "model.pt2").exists()
    (judged,) = targets["caffe"].comparisons
    if case.name in OPENCV_CANNOT:
        assert judged.verdict == "unverified"
        assert OPENCV_CANNOT[case.name] in judged.reason
    else:
        assert judged.verdict == "verified", judged.reason
