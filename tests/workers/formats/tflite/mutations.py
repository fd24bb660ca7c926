"""Damage for the fuzzer: numbers anywhere in the flatbuffer, most of them where graphs and shapes are described."""

from __future__ import annotations

import random
import struct

from tests.fuzzing import mutate_bytes

NUMBERS = (-1, 0, 1, 2, 3, 4, 5, 7, 127, 255, 256, 32767, 65535, 2**31 - 1, -(2**31))


def mutate(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """One file with a few words changed: small ones are likely sizes, indices, codes or offsets of fields."""
    name = next(iter(files))
    if rng.random() < 0.25:
        return {name: mutate_bytes(files[name], rng)}
    data = bytearray(files[name])
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = _word(data, rng)
        old = struct.unpack_from("<i", data, at)[0]
        new = rng.choice((*NUMBERS, old + 1, old - 1, old * 2, old ^ 1 << rng.randrange(31)))
        struct.pack_into("<i", data, at, (new + 2**31) % 2**32 - 2**31)
    return {name: bytes(data)}


def _word(data: bytearray, rng: random.Random) -> int:
    """A word that holds a small number, for these are rarely weights."""
    for _ in range(200):
        at = rng.randrange(0, len(data) - 4) & ~3
        if abs(struct.unpack_from("<i", data, at)[0]) < 4096:
            return at
    return rng.randrange(0, len(data) - 4) & ~3
