"""Operations and functions that ONNX cannot say are refused by their layer's name, with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from workers.errors import UnsupportedOperators
from workers.formats.contract import ReadRequest
from workers.formats.keras.read import read
from workers.inspect.upload import Upload


def model(path: Path, name: str, function: dict[str, Any], version: str) -> Path:
    """A functional model of one input and one layer, as HDF5 files of Keras 2 and 3 have it."""
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    call: Any = [{"args": [tensor], "kwargs": {}}] if version[0] == "3" else [["x", 0, 0, {}]]
    entry = {"class_name": name, "config": {"name": "odd", **function}, "name": "odd", "inbound_nodes": call}
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3, 3]}, "name": "x"}
    config = {"name": "net", "layers": [{**first, "inbound_nodes": []}, entry], "input_layers": [["x", 0, 0]],
              "output_layers": [["odd", 0, 0]]}  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        file.attrs["keras_version"] = version
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"x", b"odd"]
        for layer in ("x", "odd"):
            group.create_group(layer).attrs["weight_names"] = []
    return path


@pytest.mark.parametrize(
    ("name", "function", "version", "reason"),
    [
        ("Inv", {}, "3.15.1", "no linear algebra"),
        ("Cond", {}, "3.15.1", "never run"),
        ("AffineTransform", {}, "3.15.1", "GridSample"),
        ("SSIM", {}, "3.15.1", "keras.ops' SSIM"),
        ("TFOpLambda", {"function": "einsum"}, "2.12.0", "the others are lost"),
        ("TFOpLambda", {"function": "signal.stft"}, "2.12.0", "complex numbers"),
    ],
)
def test_what_onnx_cannot_say_is_refused_by_name(
    tmp_path: Path, name: str, function: dict[str, Any], version: str, reason: str
) -> None:
    path = model(tmp_path / "model.h5", name, function, version)
    with pytest.raises(UnsupportedOperators, match=reason) as refused:
        read(ReadRequest(Upload.of(path)))
    assert [item.layer for item in refused.value.items] == ["odd"]
