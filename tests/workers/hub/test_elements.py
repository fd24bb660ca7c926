"""Weights that lie in another order than ONNX's are written as numpy would put them in order, without being held."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest

from workers.hub.elements import Reordered, blocks, elements, runs
from workers.hub.graph import GraphBuilder
from workers.hub.normalise.duplicates import merge_equal
from workers.hub.save import save
from workers.inspect.upload import Mapping
from workers.options import DEFAULTS

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)


def floats(*shape: int) -> Array:
    return RNG.standard_normal(shape, np.float32)


# Several blocks each, but for the smallest; the names say how they lie.
LAYOUTS: dict[str, Array] = {
    "in order": floats(40, 50, 3),
    "channels last to first": floats(3, 3, 120, 150).transpose(3, 2, 0, 1),
    "filters first, channels last": floats(130, 3, 3, 170).transpose(0, 3, 1, 2),
    "depthwise": floats(3, 3, 200, 1).transpose(2, 3, 0, 1),
    "tall rows side by side": floats(40_000, 40).T,
    "wide rows": floats(40, 40_000).T,
    "after flatten": floats(7, 7, 60, 1000).transpose(2, 0, 1, 3),
    "five axes": floats(2, 3, 4, 30, 50).transpose(4, 3, 0, 1, 2),
    "turned round": np.flip(floats(30, 40, 9, 9), (2, 3)),
    "turned round and exchanged": np.flip(floats(9, 9, 40, 30), (0, 1)).transpose(3, 2, 0, 1),
    "backwards": floats(300_000)[::-1],
    "every other": floats(500, 600)[::2, ::3],
    "broadcast": np.broadcast_to(floats(1, 700, 1), (30, 700, 20)),
    "the other way round": floats(400, 500).astype(">f4"),
    "the other way round, exchanged": floats(400, 500).astype(">f4").T,
    "halves": floats(300, 400, 7).astype(np.float16).transpose(2, 1, 0),
    "bfloat16": floats(300, 400, 7).astype(ml_dtypes.bfloat16).transpose(1, 2, 0),
    "bytes": RNG.integers(-128, 128, (900, 3, 3, 70)).astype(np.int8).transpose(3, 0, 1, 2),
    "booleans": (RNG.random((900, 1000)) > 0.5).T,
    "complex": floats(200, 300, 2).view(np.complex64)[..., 0].T,
    "one element": floats(1, 1, 1),
    "none": floats(3, 0, 2).transpose(2, 0, 1),
}  # fmt: skip


def in_order(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_are_the_elements_row_by_row(layout: str) -> None:
    array = LAYOUTS[layout]
    assert b"".join(bytes(block) for block in blocks(array)) == in_order(array)


def mapped(folder: Path, array: Array) -> Array:
    """The same array, lying in a file behind a few bytes of something else."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    path = folder / "weights"
    path.write_bytes(b"head" + base.tobytes())
    file = np.frombuffer(Mapping.of(path), base.dtype, offset=4)
    ahead = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return np.ndarray(array.shape, array.dtype, file, ahead, array.strides)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("bfloat16", "complex", "none")])
def test_weights_in_a_file_are_saved_row_by_row(layout: str, tmp_path: Path) -> None:
    array = mapped(tmp_path, LAYOUTS[layout])
    g = GraphBuilder()
    dtype = ir.DataType.from_numpy(array.dtype.newbyteorder("="))
    g.output(g.weight("w", Reordered(lambda: array, dtype, [array.size])), "y")
    save(g.model(), tmp_path / "m.onnx", external=True)
    data = tmp_path / "m.onnx.data"
    assert array.nbytes < 1024 or data.read_bytes() == in_order(LAYOUTS[layout])


def test_long_stretches_are_told_from_short_ones() -> None:
    rows = floats(4, 3, 3000)
    assert runs(rows) == ([0], 144_000)
    assert runs(rows[:, :2]) == ([0, 36_000, 72_000, 108_000], 24_000)
    assert runs(rows[:2, ::2].transpose(1, 0, 2)) == ([0, 36_000, 24_000, 60_000], 12_000)
    for short in (rows[::-1], rows.astype(">f4"), rows[:, :, :2000], rows.T):
        assert runs(short) is None


def test_a_reordered_tensor_is_an_ordinary_one_to_everybody_else() -> None:
    source = floats(5, 6, 7)
    tensor = Reordered(lambda: source.transpose(2, 0, 1), ir.DataType.FLOAT, [35, 6], "w")
    want = source.transpose(2, 0, 1).reshape(35, 6)
    np.testing.assert_array_equal(tensor.numpy(), want)
    assert tensor.tobytes() == want.tobytes() and list(tensor.shape) == [35, 6] and tensor.name == "w"
    assert elements(tensor).shape == (7, 5, 6)


def test_a_tensor_of_another_size_than_its_shape_is_never_written(tmp_path: Path) -> None:
    g = GraphBuilder()
    g.output(g.weight("w", Reordered(lambda: floats(30, 40), ir.DataType.FLOAT, [40, 31])), "y")
    with pytest.raises(ValueError, match=r"of shape .* is made of 1,200 elements"):
        save(g.model(), tmp_path / "m.onnx")


def test_equal_weights_that_lie_differently_are_stored_once() -> None:
    array = floats(30, 40, 50)
    other = array.copy()
    other[7, 8, 9] += 1
    g = GraphBuilder()
    views = [array, np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0), np.asfortranarray(array), other]
    total = g.weight("w", views[0])
    for view in views[1:]:
        total = g.Add(total, g.weight("w", view))
    g.output(total, "y")
    model = g.model()
    merge_equal(model, DEFAULTS)
    assert len(model.graph.initializers) == 2


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from workers.hub.graph import GraphBuilder
from workers.hub.save import save
from workers.inspect.upload import Mapping
peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) << 10
kernel, dense = int(sys.argv[3]), int(sys.argv[4])
array = np.frombuffer(Mapping.of(Path(sys.argv[2])), np.float32)
g = GraphBuilder()
filters = g.weight("w", array[: 9 * kernel * kernel].reshape(3, 3, kernel, kernel).transpose(3, 2, 0, 1))
turned = g.weight("v", array[: 49 * 64 * dense].reshape(7, 7, 64, dense).transpose(2, 0, 1, 3))
g.output(g.Add(filters, 1.0), "y")
g.output(g.Add(turned, 1.0), "z")
before = peak()
save(g.model(), Path(sys.argv[2] + ".onnx"))
print(peak() - before)
"""


def test_weights_of_another_order_are_written_without_being_held(tmp_path: Path) -> None:
    """Filters of 38 MB and a dense layer behind a flattened picture of 103 MB, both channels last."""
    path = tmp_path / "weights"
    path.write_bytes(RNG.bytes(104 << 20))
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[3]), str(path), "1024", "8192"]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 60 << 20
