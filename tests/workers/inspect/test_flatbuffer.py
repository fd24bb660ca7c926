"""Flatbuffers are read in place, and nothing outside of the file is."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from workers.errors import ConversionError, LimitExceeded, MalformedModel
from workers.inspect.flatbuffer import FlatBuffer, Limits, Table

# Root offset, identifier, then a vtable of six fields (two of them left out) and its table.
VTABLE = struct.pack("<8H", 16, 24, 4, 8, 12, 0, 16, 20)
TABLE = struct.pack("<i i f", 16, -7, 1.5)
DATA = (
    struct.pack("<I4s", 24, b"TEST")
    + VTABLE
    + TABLE
    + struct.pack("<3I", 12, 16, 20)
    + struct.pack("<I4s", 3, b"abc\0")
    + struct.pack("<I2h", 2, -1, 5)
    + struct.pack("<2I", 1, 8)
    + struct.pack("<2H", 4, 4)
    + struct.pack("<i", 4)
)


def root() -> Table:
    return FlatBuffer(DATA, file="model.bin").root()


def test_scalars_stand_where_the_vtable_says_and_have_defaults_where_it_says_nothing() -> None:
    table = root()
    assert table.scalar(0, "i32") == -7 and table.scalar(1, "f32") == 1.5
    assert table.scalar(3, "i32", 9) == 9 and table.scalar(40, "bool", True) is True


def test_the_identifier_is_the_four_letters_behind_the_root() -> None:
    assert FlatBuffer(DATA).identifier == b"TEST"
    assert FlatBuffer(b"\0\0").identifier == b""


def test_strings_vectors_and_tables_are_found_by_their_offsets() -> None:
    table = root()
    assert table.string(2) == "abc" and table.string(3, "none") == "none"
    numbers = table.vector(4, "i16")
    assert numbers is not None and numbers.tolist() == [-1, 5]
    tables = table.tables(5)
    assert len(tables) == 1 and tables[0].scalar(0, "i32", 3) == 3
    assert len(table.tables(3)) == 0 and table.vector(3, "i16") is None and table.table(3) is None
    with pytest.raises(IndexError):
        tables[1]


def test_vectors_are_views_on_the_buffer() -> None:
    data = bytearray(DATA)
    table = FlatBuffer(memoryview(data)).root()
    numbers = table.vector(4, "i16")
    at = data.index(struct.pack("<2h", -1, 5))
    data[at : at + 2] = struct.pack("<h", 77)
    assert numbers is not None and numbers[0] == 77
    assert np.shares_memory(numbers, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("size", range(len(DATA)))
def test_a_truncated_file_is_told_with_its_name(size: int) -> None:
    with pytest.raises(MalformedModel) as refused:
        table = FlatBuffer(DATA[:size], file="model.bin").root()
        table.string(2), table.vector(4, "i16"), table.tables(5)[0].scalar(0, "i32")
    assert "model.bin" in refused.value.detail


def test_a_vector_longer_than_the_file_is_refused_before_it_is_made() -> None:
    data = bytearray(DATA)
    at = data.index(struct.pack("<I2h", 2, -1, 5))
    data[at : at + 4] = struct.pack("<I", 0x7FFFFFFF)
    with pytest.raises(MalformedModel, match="does not fit"):
        FlatBuffer(bytes(data)).root().vector(4, "i16")


def test_tables_are_counted_and_nesting_is_capped() -> None:
    with pytest.raises(LimitExceeded):
        table = FlatBuffer(DATA, limits=Limits(tables=3)).root()
        for _ in range(9):
            table.tables(5)[0]
    with pytest.raises(LimitExceeded):
        FlatBuffer(DATA, limits=Limits(depth=0)).root().tables(5)[0]


def test_a_name_of_a_megabyte_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        FlatBuffer(DATA, limits=Limits(string=2)).root().string(2)


def test_damaged_bytes_never_end_in_anything_but_a_refusal() -> None:
    rng = random.Random(1)
    for _ in range(5000):
        data = bytearray(DATA)
        for _ in range(rng.choice((1, 2, 5))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            table = FlatBuffer(bytes(data)).root()
            for slot in range(7):
                table.scalar(slot, "i64")
                table.strings(slot), table.string(slot), table.vector(slot, "f32"), table.table(slot)
                for inner in table.tables(slot):
                    inner.scalar(0, "u8")
        except ConversionError as error:
            assert error.detail
