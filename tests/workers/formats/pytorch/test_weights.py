"""model.safetensors: what the library reads back, and how much memory writing takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
import safetensors
import safetensors.numpy

from workers.formats.pytorch.write.types import TYPES
from workers.formats.pytorch.write.weights import BLOCK, Weight, computed, save, weight_of
from workers.hub.graph import GraphBuilder

NUMPY = [np.float32, np.float64, np.float16, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32,
         np.uint64, np.bool_]  # fmt: skip


def initialiser(array: np.ndarray, dtype: ir.DataType | None = None) -> ir.Value:
    tensor = ir.Tensor(array, dtype=dtype or ir.DataType.from_numpy(array.dtype))
    return ir.Value("w", shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)


@pytest.mark.parametrize("dtype", NUMPY)
def test_the_library_reads_back_what_was_written(dtype: type, tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    save({"a.b": weight_of(initialiser(array)), "scalar": weight_of(initialiser(array[0, 0, 1]))}, tmp_path / "w")
    read = safetensors.numpy.load_file(tmp_path / "w")
    assert read["a.b"].dtype == array.dtype
    np.testing.assert_array_equal(read["a.b"], array)
    np.testing.assert_array_equal(read["scalar"], array[0, 0, 1])


@pytest.mark.parametrize(
    "dtype",
    [ir.DataType.BFLOAT16, ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E5M2, ir.DataType.INT4, ir.DataType.UINT4],
)
def test_types_that_numpy_has_not_keep_their_bits(dtype: ir.DataType, tmp_path: Path) -> None:
    array = np.array([0, 1, 2, 3, -4, 5], np.float32).clip(0 if dtype is ir.DataType.UINT4 else -8, 7)
    value = initialiser(array.astype(dtype.numpy()))
    save({"w": weight_of(value)}, tmp_path / "w")
    with safetensors.safe_open(tmp_path / "w", framework="numpy") as file:
        assert file.get_slice("w").get_dtype() == TYPES[dtype].stored
    raw = (tmp_path / "w").read_bytes()[-weight_of(value).nbytes :]
    held = {ir.DataType.INT4: np.int8, ir.DataType.UINT4: np.uint8}.get(dtype)
    want = array.astype(held) if held else array.astype(dtype.numpy())
    assert raw == want.tobytes()


def test_every_tensor_is_aligned_to_its_elements(tmp_path: Path) -> None:
    weights = {f"w{i}": weight_of(initialiser(np.zeros(3, t))) for i, t in enumerate(NUMPY)}
    save(weights, tmp_path / "w")
    with safetensors.safe_open(tmp_path / "w", framework="numpy") as file:
        assert sorted(file.keys()) == sorted(weights)
    size = int.from_bytes((tmp_path / "w").read_bytes()[:8], "little")
    assert size % 8 == 0


def test_a_large_rearranged_weight_is_written_in_blocks(tmp_path: Path) -> None:
    array = np.arange(1300 * 2100, dtype=np.float32).reshape(1300, 2100)
    assert array.nbytes > BLOCK
    save({"w": weight_of(initialiser(array), view=lambda a: a.T, note="T")}, tmp_path / "w")
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "w")["w"], array.T)


def test_big_endian_arrays_are_turned_around(tmp_path: Path) -> None:
    array = np.arange(5, dtype=">f4")
    save({"w": Weight(ir.DataType.FLOAT, array.shape, lambda: array, ())}, tmp_path / "w")
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "w")["w"], array.astype("<f4"))


def test_equal_weights_have_equal_keys() -> None:
    assert computed(np.ones(2, np.float32)).key == computed(np.ones(2, np.float32)).key
    value = initialiser(np.ones((2, 3), np.float32))
    assert weight_of(value).key == weight_of(value).key != weight_of(value, view=lambda a: a.T, note="T").key


PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np
from workers.formats.contract import WriteRequest
from workers.formats.pytorch.write import write
from workers.hub.graph import GraphBuilder

def net(width):
    g = GraphBuilder()
    x = g.input("x", ["batch", width])
    for index in range(8):
        file = Path(sys.argv[1]) / f"w{index}"
        with file.open("wb") as f:
            for _ in range(width):
                f.write(np.full(width, index, np.float32).tobytes())
        x = g.MatMul(x, g.weight(f"w{index}", np.memmap(file, np.float32, "r", shape=(width, width))))
    g.output(x, "y")
    return g.model()

folder = Path(sys.argv[1]) / "out"
folder.mkdir()
write(WriteRequest(net(16), folder))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write(WriteRequest(net(3000), folder))
anonymous = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
print(before, anonymous, (folder / "model.safetensors").stat().st_size)
"""


def test_memory_does_not_grow_with_the_weights(tmp_path: Path) -> None:
    """288 MB of mapped, transposed weights: what is not the mapped files themselves stays far below."""
    run = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    result = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4])
    before, anonymous, size = (int(word) for word in result.stdout.split())
    assert size > 280e6
    assert anonymous * 1024 < before * 1024 + 48e6


def test_the_builder_keeps_a_view_as_it_is() -> None:
    array = np.ones((3, 3), np.float32)
    value = GraphBuilder().weight("w", array)
    assert np.shares_memory(weight_of(value).array(), array)


def test_half_precision_constants_are_exact_in_the_text() -> None:
    from workers.formats.pytorch.write.text import number

    assert float(number(np.float16(0.1))) == float(np.float16(0.1))
    assert float(number(ml_dtypes.bfloat16(0.1))) == float(ml_dtypes.bfloat16(0.1))
    assert number(np.float32(0.1)) == "0.1"
    assert np.float32(float(number(np.finfo(np.float32).max))) == np.finfo(np.float32).max
    assert number(np.float32("-inf")) == 'float("-inf")'
