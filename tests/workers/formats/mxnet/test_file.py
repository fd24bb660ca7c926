"""Parameter files of every generation, byte by byte, and damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.workers.formats.mxnet.graphs import Array, normal
from workers.errors import ConversionError, LimitExceeded, MalformedModel, UnsupportedVersion
from workers.formats.mxnet.file import StoredArray, read_params, write_params
from workers.inspect.upload import UploadedFile

X = normal(2, 3)


def q(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def i(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *(number % 2**32 for number in numbers))


def listed(*blocks: bytes, names: tuple[str, ...] = ("arg:x",)) -> bytes:
    named = b"".join(q(len(name.encode())) + name.encode() for name in names)
    return q(0x112, 0, len(blocks)) + b"".join(blocks) + q(len(names)) + named


def read(data: bytes) -> list[StoredArray]:
    return read_params(memoryview(data), "net.params")


DEVICE_AND_FLOAT = i(2, 1, 0)  # saved from the second GPU
BLOCKS = {
    "legacy": i(2, 2, 3) + DEVICE_AND_FLOAT + X.tobytes(),
    "V1": i(0xF993FAC8, 2) + q(2, 3) + DEVICE_AND_FLOAT + X.tobytes(),
    "V2": i(0xF993FAC9, 0, 2) + q(2, 3) + DEVICE_AND_FLOAT + X.tobytes(),
    "V3": i(0xF993FACA, 0, 2) + q(2, 3) + DEVICE_AND_FLOAT + X.tobytes(),
}


@pytest.mark.parametrize("generation", BLOCKS)
def test_arrays_of_every_generation(generation: str) -> None:
    (array,) = read(listed(BLOCKS[generation]))
    assert (array.name, array.generation, array.sparse) == ("arg:x", generation, "")
    assert array.data is not None
    np.testing.assert_array_equal(array.data, X)


def test_generations_may_be_mixed_and_names_may_be_absent() -> None:
    arrays = read(listed(*BLOCKS.values(), names=()))
    assert [array.generation for array in arrays] == list(BLOCKS) and {array.name for array in arrays} == {""}


@pytest.mark.parametrize(
    "dtype", ["<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?", "<i2", "<u4", ml_dtypes.bfloat16], ids=str
)
def test_what_is_written_is_read_in_every_element_type(dtype: str) -> None:
    array = (X * 10).astype(dtype)
    (found,) = read(b"".join(write_params([("aux:y", array)])))
    assert found.data is not None and found.name == "aux:y" and found.data.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.data, array)


def test_arrays_without_a_shape_and_numbers_without_axes() -> None:
    nothing = (i(0), i(0xF993FAC8, 0), i(0xF993FAC9, 0, 0), i(0xF993FACA, 0, -1))
    assert [array.data for array in read(listed(*nothing, names=tuple("abcd")))] == [None] * 4
    (number,) = read(listed(i(0xF993FACA, 0, 0) + DEVICE_AND_FLOAT + struct.pack("<f", 2.5)))
    assert number.data is not None and number.data.shape == () and number.data == 2.5
    (empty,) = read(listed(i(0xF993FACA, 0, 2) + q(3, 0) + DEVICE_AND_FLOAT))
    assert empty.data is not None and empty.data.shape == (3, 0)


def test_sparse_arrays_are_passed_over_and_named() -> None:
    rows = i(0xF993FAC9, 1, 2) + q(1, 3) + i(2) + q(5, 3) + DEVICE_AND_FLOAT + i(6, 1) + q(1) + bytes(12) + q(4)
    csr = (
        i(0xF993FAC9, 2, 1) + q(2) + i(2) + q(5, 3) + DEVICE_AND_FLOAT + i(6, 1) + q(6) + i(6, 1) + q(2)
        + bytes(8) + bytes(48) + bytes(16)
    )  # fmt: skip
    found = read(listed(rows, csr, BLOCKS["V2"], names=("arg:r", "arg:c", "arg:x")))
    assert [(array.sparse, array.shape) for array in found[:2]] == [("row_sparse", (5, 3)), ("csr", (5, 3))]
    assert found[2].data is not None and found[0].data is None


def test_arrays_are_views_on_the_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "net.params"
    path.write_bytes(listed(BLOCKS["V2"]))
    view = UploadedFile("net.params", path, path.stat().st_size).map()
    (array,) = read_params(view, "net.params")
    assert array.data is not None
    assert np.shares_memory(array.data, np.frombuffer(view, np.uint8)) and not array.data.flags.writeable


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "its magic number at byte 0 needs 8 bytes, 0 are left"),
    "another magic": (lambda: q(0x113, 0, 0, 0), "does not begin with the number 0x112"),
    "cut in the values": (lambda: listed(BLOCKS["V2"])[:70], r"array 0 of 1, float32 \[2, 3\], at byte"),
    "more arrays than bytes": (lambda: q(0x112, 0, 2**60), "promises 1152921504606846976 arrays in 0 bytes"),
    "more values than bytes": (
        lambda: listed(i(0xF993FAC9, 0, 2) + q(2**30, 2**30) + DEVICE_AND_FLOAT), "needs 4611686018427387904 bytes"
    ),
    "an empty array of absurd shape": (
        lambda: listed(i(0xF993FAC9, 0, 3) + q(0, 2**40, 2**40) + DEVICE_AND_FLOAT), "has the shape"
    ),
    "negative size": (lambda: listed(i(0xF993FAC9, 0, 1) + q(2**64 - 3) + DEVICE_AND_FLOAT), r"has the shape \(-3,\)"),
    "absurd rank": (lambda: listed(i(0xF993FAC8, 77) + bytes(800)), "has 77 axes"),
    "unknown element type": (lambda: listed(i(0xF993FAC9, 0, 1) + q(1) + i(1, 0, 99) + bytes(4)), "element type 99"),
    "unknown storage": (lambda: listed(i(0xF993FAC9, 9, 1)), "storage type 9"),
    "another number of names": (lambda: listed(BLOCKS["V2"], names=("a", "b")), "1 arrays and 2 names"),
    "a name of absurd length": (lambda: listed(BLOCKS["V2"], names=())[:-8] + q(1, 2**50), "name 0 has"),
    "a name that is no text": (lambda: listed(BLOCKS["V2"], names=())[:-8] + q(1, 2) + b"\xff\xfe", "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_files_say_where(what: str) -> None:
    make, words = DAMAGED[what]
    with pytest.raises(MalformedModel, match=words) as caught:
        read(make())
    assert caught.value.file == "net.params"


def test_every_cut_ends_in_an_error_of_its_own() -> None:
    data = listed(*BLOCKS.values(), names=("a", "b", "c", "d"))
    for size in range(len(data)):
        with pytest.raises(ConversionError):
            read(data[:size])


def test_a_million_empty_arrays_are_too_many() -> None:
    with pytest.raises(LimitExceeded, match="holds 1000001 arrays"):
        read(q(0x112, 0, 1_000_001) + bytes(8 * 1_000_001))


def test_archives_of_mxnet_2_are_told_apart() -> None:
    with pytest.raises(UnsupportedVersion, match="as MXNet 2 saves"):
        read(b"PK\x03\x04" + bytes(60))


def test_the_written_bytes_are_those_of_mxnet() -> None:
    """The dense example of the format's description."""
    data = b"".join(write_params([("x", np.ones(2, np.float32))]))
    block = bytes.fromhex(
        "c9fa93f9 00000000 01000000 0200000000000000 01000000 00000000 00000000 0000803f 0000803f".replace(" ", "")
    )
    assert data == q(0x112, 0, 1) + block + q(1, 1) + b"x"


def test_transposed_arrays_are_written_in_c_order() -> None:
    array: Array = X.T
    (found,) = read(b"".join(write_params([("x", array)])))
    assert found.data is not None
    np.testing.assert_array_equal(found.data, array)
