"""FlexBuffers: maps of scalars, as the options of custom operators are written."""

from __future__ import annotations

import random

import pytest

from workers.errors import ConversionError, MalformedModel
from workers.inspect.flexbuffer import flex_map

# flexbuffers.Dumps({"count": 300, "flag": True, "name": "ab", "scale": 2.5, "small": -3}) of the flatbuffers package.
WRITTEN = bytes.fromhex(
    "636f756e7400666c6167006e616d6500026162007363616c6500736d616c6c0005211c18100b00000700000001000000"
    "050000002c010000010000002b00000000002040fdffffff066a140e06192601"
)
VALUES = {"count": 300, "flag": True, "name": "ab", "scale": 2.5, "small": -3}


def test_a_map_is_read_by_key() -> None:
    assert flex_map(WRITTEN, "op") == VALUES


@pytest.mark.parametrize("size", range(len(WRITTEN)))
def test_a_truncated_map_is_refused_or_read_elsewhere_but_never_fails(size: int) -> None:
    try:
        assert isinstance(flex_map(WRITTEN[:size], "op"), dict)
    except MalformedModel as error:
        assert "'op'" in error.detail or "op" in error.detail


def test_damaged_maps_end_in_a_map_or_a_refusal() -> None:
    rng = random.Random(2)
    for _ in range(5000):
        data = bytearray(WRITTEN)
        for _ in range(rng.choice((1, 2, 6))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            flex_map(bytes(data), "op")
        except ConversionError as error:
            assert error.detail
