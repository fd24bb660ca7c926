"""Damage for the fuzzer: numbers anywhere in the flatbuffer, most of them where graphs and shapes are described."""

from __future__ import annotations

import random
import struct
import zipfile

from tests.fuzzing import Seed, mutate_bytes
from tests.workers.formats.cases import MODELS

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


def seeds() -> list[Seed]:
    """The recorded models and every recorded operator; each as it is and to be read without quantisation."""
    found: list[Seed] = [
        ({"model.tflite": path.read_bytes()}, {}) for path in sorted((MODELS / "tflite").glob("*/model.tflite"))
    ]
    with zipfile.ZipFile(MODELS / "tflite" / "operators.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".tflite")]
        found += [({name: archive.read(name)}, {"dequantize": name.startswith("int8")}) for name in names]
    return found
