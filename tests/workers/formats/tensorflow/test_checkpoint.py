"""The table of a checkpoint, its compression and the keys of partitioned variables."""

from __future__ import annotations

import pytest

from tests.workers.formats.cases import cases
from workers.errors import LimitExceeded, MalformedModel
from workers.formats.tensorflow.bundle import ordered_number, ordered_signed, ordered_string
from workers.formats.tensorflow.snappy import decompress
from workers.formats.tensorflow.table import entries

(CASE,) = cases("tensorflow", "tf1_convnet_checkpoint")
INDEX = next(path for path in CASE.files if path.name.endswith(".index")).read_bytes()


def test_a_table_yields_its_keys_in_order() -> None:
    keys = [key for key, _ in entries(memoryview(INDEX), "x.index")]
    assert keys[0] == b"" and keys == sorted(keys) and b"bn1/beta" in keys


@pytest.mark.parametrize("cut", [0, 10, 48, 200])
def test_a_cut_table_is_told(cut: int) -> None:
    with pytest.raises(MalformedModel, match=r"'x\.index'"):
        list(entries(memoryview(INDEX[cut:][: len(INDEX) // 2]), "x.index"))


def test_a_table_of_a_huge_block_is_told() -> None:
    footer = bytes([0xFF, 0xFF, 0xFF, 0x7F, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0x7F]) + bytes(30) + INDEX[-8:]
    with pytest.raises(MalformedModel, match="runs over the end of the file"):
        list(entries(memoryview(bytes(100) + footer), "x.index"))


# Compressed by hand after the format's description: literals, and copies with offsets of one, two and four bytes.
@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x05\x10hello", b"hello"),
        (b"\x0a\x04ab\x09\x02\x04cd", b"ababababcd"),
        (b"\x08\x0cabcd\x0e\x04\x00", b"abcdabcd"),
        (b"\x08\x0cabcd\x0f\x04\x00\x00\x00", b"abcdabcd"),
        (b"\x46\xf0\x45" + b"x" * 70, b"x" * 70),
    ],
)
def test_snappy_blocks_are_inflated(packed: bytes, plain: bytes) -> None:
    assert decompress(memoryview(packed), "f", 1000) == plain


@pytest.mark.parametrize(
    "packed", [b"", b"\xff", b"\x05\x10hel", b"\x05\x11\x01", b"\x05\x0cabcd\x0e\x09\x00", b"\x02\x10hello"]
)
def test_damaged_snappy_blocks_are_told(packed: bytes) -> None:
    with pytest.raises(MalformedModel, match="a compressed block of 'f' is damaged"):
        decompress(memoryview(packed), "f", 1000)


def test_a_block_that_inflates_too_far_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="inflates to"):
        decompress(memoryview(b"\xff\xff\xff\x7f"), "f", 1000)


def test_ordered_codes_sort_as_their_numbers() -> None:
    """Values from the description of OrderedCode, and its promise: codes sort as what they stand for."""
    assert ordered_signed(0) == b"\x80" and ordered_signed(-1) == b"\x7f" and ordered_signed(63) == b"\xbf"
    assert ordered_signed(64) == b"\xc0\x40" and ordered_number(0) == b"\0" and ordered_number(300) == b"\x02\x01\x2c"
    numbers = sorted([0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8193, 2**31, -(2**40), 2**62])
    assert [ordered_signed(number) for number in numbers] == sorted(map(ordered_signed, numbers))
    assert ordered_string(b"a\0b\xff") == b"a\0\xffb\xff\0\0\1"
