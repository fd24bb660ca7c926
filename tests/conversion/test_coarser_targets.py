"""Half precision, int8 weights and other layouts reach every target, and are proven there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from workers.hub.graph import GraphBuilder
from workers.hub.save import save
from workers.inspect.upload import Upload
from workers.options import Options
from workers.pipeline import Conversion, convert

pytestmark = pytest.mark.xdist_group("torch-coarser")
RNG = np.random.default_rng(4)


def w(*shape: int) -> Any:
    return (RNG.standard_normal(shape) * 0.2).astype(np.float32)


def images() -> ir.Model:
    g = GraphBuilder("images")
    y = g.Conv(g.input("x", ["batch", 3, 12, 10]), w(16, 3, 3, 3), w(16), pads=[1, 1, 1, 1])
    y = g.BatchNormalization(y, w(16) + 1, w(16), w(16), np.abs(w(16)) + 0.5)
    y = g.PRelu(y, w(16, 1, 1))
    y = g.GroupNormalization(y, w(16), w(16), num_groups=4)
    y = g.ConvTranspose(y, w(16, 8, 3, 3), w(8), strides=[2, 2])
    y = g.InstanceNormalization(y, w(8), w(8))
    g.output(g.Gemm(g.Flatten(g.GlobalAveragePool(y)), w(130, 8), w(130), transB=1), "y")
    return g.model()


def sequences() -> ir.Model:
    g = GraphBuilder("sequences")
    words = g.Gather(w(50, 32), g.input("x", ["batch", 6], ir.DataType.INT64), axis=0)
    y = g.LayerNormalization(words, w(32), w(32), axis=-1)
    y = g.Transpose(y, perm=[1, 0, 2])
    y = g.ops("LSTM", y, w(1, 64, 32), w(1, 64, 16), w(1, 128), outputs=1, hidden_size=16)[0]
    g.output(g.MatMul(g.Squeeze(y, [1]), w(16, 70)), "y")
    return g.model()


CASES = {
    "half": {"precision": "float16"},
    "int8": {"weights": "int8"},
    "half-int8-opset-17": {"precision": "float16", "weights": "int8", "opset": 17},
    "nhwc": {"io_layout": {"x": "NHWC"}},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("build", [images, sequences])
def test_targets_agree_with_the_hub(name: str, build: Any, tmp_path: Path) -> None:
    if build is sequences and name == "nhwc":
        options = Options(io_layout={"y": "WCN"})
    else:
        options = Options.model_validate(CASES[name])
    save(build(), tmp_path / "model.onnx")
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    files = Upload.of(tmp_path / "model.onnx").files
    report = convert(Conversion(files, ("pytorch", "onnx"), out, work, options=options))
    verdicts = {target.format: target.verdict for target in report.targets}
    reasons = [comparison.reason for target in report.targets for comparison in target.comparisons]
    assert verdicts == {"pytorch": "verified", "onnx": "verified"}, reasons
