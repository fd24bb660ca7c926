"""The networks that the benchmarks generate are files that their frameworks run, and give what they give in ONNX."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.toolchains.asking import answer, needs
from workers.formats import all_formats
from workers.formats.contract import ReadRequest
from workers.inspect.sniff import sniff
from workers.inspect.upload import Upload
from workers.options import Options

Array = npt.NDArray[Any]
SHALLOW = (1, 1, 1, 1)


def compared(name: str, action: str, image: Array, work: Path, step: float = 0.0) -> None:
    """``step``: by how much outputs that are quantised may differ."""
    network = import_module(f"benchmarks.networks.{name}").generate(work, SHALLOW)
    upload = Upload.of(*network.files)
    format, _ = sniff(upload, all_formats(), None)
    assert format.name == name.partition("_")[0] and format.read is not None
    model = format.read(ReadRequest(upload, Options(**network.options))).model
    outputs = [value.name or "" for value in model.graph.outputs]
    answered = answer(action, network.files, {"image": image}, outputs, work)
    want = {output: answered.outputs[output] for output in outputs}
    assert all(array.std() > 0 for array in want.values())
    assert_same(want, run(model, {"image": image}), step=step)


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@needs("tensorflow", "run:tflite")
def test_tensorflow_lite_runs_its_network(tmp_path: Path) -> None:
    compared("tflite", "run:tflite", noise(1, 224, 224, 3), tmp_path)


@needs("tensorflow", "run:tflite")
def test_tensorflow_lite_runs_its_network_of_integers(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(-128, 128, (1, 224, 224, 3), np.int8)
    compared("tflite_int8", "run:tflite", image, tmp_path, step=1)


@needs("paddle", "run:paddle")
@pytest.mark.parametrize("batch", [1, 2])
def test_paddle_runs_its_network(batch: int, tmp_path: Path) -> None:
    compared("paddle", "run:paddle", noise(batch, 3, 224, 224), tmp_path)
