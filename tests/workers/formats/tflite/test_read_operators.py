"""Single operators, recorded by ``record_operators.py`` with TensorFlow Lite itself, give what its kernels gave."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.workers.formats.cases import MODELS, assert_same, run
from workers.formats.contract import Reading, ReadRequest
from workers.formats.tflite.file import load
from workers.formats.tflite.read import read
from workers.inspect.upload import Upload, UploadedFile
from workers.options import Options

Array = npt.NDArray[Any]
ARCHIVE = MODELS / "tflite" / "operators.zip"
# Cases whose results may differ by more than rounding, in units of the output, and why.
LOOSE = {
    "dynamic_conv": (0.15, "the interpreter quantises the layer's input on the fly"),
    "dynamic_dense": (0.3, "the interpreter quantises the layer's input on the fly"),
}
# Quantised cases that give the interpreter's very integers: their kernels' own rounding is imitated.
EXACT = (
    "int8_mean_rows", "int8_mean_plane", "int8_mean_channels", "int8_average_pool_valid_4", "int8_average_pool_same_4",
    "int8_average_pool_valid_128", "int8_average_pool_same_128", "uint8_average_pool_valid_7",
    "uint8_average_pool_same_7", "int16_average_pool_valid_0", "int16_average_pool_same_0",
)  # fmt: skip


def names() -> list[str]:
    with zipfile.ZipFile(ARCHIVE) as archive:
        return sorted(name.removesuffix(".npz") for name in archive.namelist() if name.endswith(".npz"))


def request(name: str, folder: Path, **options: Any) -> ReadRequest:
    path = folder / f"{name}.tflite"
    with zipfile.ZipFile(ARCHIVE) as archive:
        path.write_bytes(archive.read(path.name))
    return ReadRequest(Upload.of(path), Options(**options))


def recorded(name: str, sample: int) -> tuple[list[Array], list[Array]]:
    with zipfile.ZipFile(ARCHIVE) as archive, np.load(io.BytesIO(archive.read(f"{name}.npz"))) as arrays:
        sides: tuple[list[Array], list[Array]] = ([], [])
        for side, found in zip(("input", "output"), sides, strict=True):
            while f"{side}_{sample}_{len(found)}" in arrays:
                found.append(arrays[f"{side}_{sample}_{len(found)}"])
    return sides[0], sides[1]


def check(name: str, reading: Reading, sample: int, step: float) -> None:
    inputs, want = recorded(name, sample)
    feed = {str(value.name): array for value, array in zip(reading.model.graph.inputs, inputs, strict=True)}
    got = run(reading.model, feed)
    assert_same(dict(zip(got, want, strict=True)), got, step=step)


@pytest.mark.parametrize("name", names())
def test_a_recorded_operator_gives_what_the_interpreter_gave(name: str, tmp_path: Path) -> None:
    reading = read(request(name, tmp_path))
    quantised = any(array.dtype in (np.int8, np.uint8, np.int16) for array in recorded(name, 0)[1])
    one = quantised and name.startswith(("int", "uint")) and name not in EXACT
    step = LOOSE.get(name, (float(one), ""))[0]
    for sample in (0, 1):
        check(name, reading, sample, step)


@pytest.mark.parametrize("name", [name for name in names() if name.startswith(("int8_", "uint8_", "int16_"))])
def test_a_quantised_operator_computes_in_floats_where_asked(name: str, tmp_path: Path) -> None:
    asked = request(name, tmp_path, dequantize=True)
    model, reading = load(UploadedFile(name, asked.upload.files[0].path, asked.upload.files[0].size)), read(asked)
    graph = model.subgraphs[0]
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in reading.model.graph}
    inputs, want = recorded(name, 0)
    feed = {}
    for value, index, array in zip(reading.model.graph.inputs, graph.inputs, inputs, strict=True):
        feed[str(value.name)] = real(graph.tensors[index].quantization, array)
    for index, a, b in zip(graph.outputs, want, run(reading.model, feed).values(), strict=True):
        quantization = graph.tensors[index].quantization
        step = 0.0 if quantization is None else float(quantization.scale[0])
        assert np.abs(real(quantization, a) - b).max() <= 2.5 * step


def real(quantization: Any, array: Array) -> Array:
    if quantization is None:
        return array
    numbers: Array = (array.astype(np.float32) - np.float32(quantization.zero_point[0])) * quantization.scale[0]
    return numbers
