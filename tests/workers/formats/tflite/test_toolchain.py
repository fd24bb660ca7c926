"""TensorFlow Lite's own interpreter as the reference: what it does not say by itself."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import MODELS
from tests.workers.toolchains.asking import answer, needs
from workers.errors import ConversionError

pytestmark = needs("tensorflow", "run:tflite")


def model(name: str, folder: Path) -> Path:
    path = folder / f"{name}.tflite"
    with zipfile.ZipFile(MODELS / "tflite" / "operators.zip") as archive:
        path.write_bytes(archive.read(f"{name}.model.tflite"))
    return path


def test_a_batch_that_the_interpreter_cuts_is_refused(tmp_path: Path) -> None:
    path, x = model("cut_batch", tmp_path), np.arange(15, dtype=np.float32).reshape(3, 5)
    found = answer("run:tflite", [path], {"x": x[:1]}, [], tmp_path)
    np.testing.assert_array_equal(next(iter(found.outputs.values())), x[:1, :4] * 2)
    with pytest.raises(ConversionError, match=r"its sizes are fixed: with another batch an output stays \(1, 4\)"):
        answer("run:tflite", [path], {"x": x}, [], tmp_path)


def test_words_come_as_text(tmp_path: Path) -> None:
    found = answer("run:tflite", [model("words", tmp_path)], {"x": np.asarray([3, 4, 1])}, [], tmp_path)
    assert next(iter(found.outputs.values())).tolist() == ["high", "none", "low"]
