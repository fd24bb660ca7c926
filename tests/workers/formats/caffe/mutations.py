"""How Caffe uploads are damaged for ``tests/fuzzing.py``: as bytes, as text, and as what a net says.

HDF5 weights are left out: HDF5's own library reads them, in the service inside the jail only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from tests.fuzzing import Files, Seed, mutate_bytes, mutate_text, recorded
from workers.formats.caffe.file import Message, parse_prototxt, print_prototxt
from workers.inspect.schema import RANGES, Field

WORDS = (
    b"0", b"-1", b"1", b"2", b"7", b"64", b"4096", b"99999", b"2147483647", b"-2147483648", b"1e30", b"nan", b"0.5",
    b"AVE", b"TRAIN", b"true", b"'data'", b"{", b"}", b"[", b"]", b":", b"Pooling", b"Reshape", b"LSTM", b"Eltwise",
)  # fmt: skip


def seeds() -> Iterator[Seed]:
    """The recorded uploads without HDF5."""
    return (seed for seed in recorded("caffe") if not any(name.endswith(".h5") for name in seed[0]))


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed."""
    victim = rng.choice(sorted(files))
    if not victim.endswith(".prototxt"):
        files[victim] = mutate_bytes(files[victim], rng)
    elif rng.random() < 0.33:
        files[victim] = mutate_text(files[victim], rng, WORDS)
    else:
        files[victim] = mutate_net(files[victim], rng)
    return files


def mutate_net(raw: bytes, rng: random.Random) -> bytes:
    """Keep the syntax and change the meaning: numbers, types, bottoms and tops, parameters of other layers."""
    net = parse_prototxt(raw).message
    layers = list(net.layer) or list(net["layers"])
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        layer, other = rng.choice(layers), rng.choice(layers)
        kind = rng.randrange(6)
        if kind == 0:
            layer.type = other.type
        elif kind == 1:
            layer.bottom = [*list(layer.bottom)[rng.randrange(2) :], *list(other.top)[: rng.randrange(2)]]
        elif kind == 2:
            layer.top = [*list(layer.top)[rng.randrange(2) :], *rng.choice((["extra"], list(other.top)))]
        else:
            _change_number(layer, rng)
    return print_prototxt(net).encode()


def _change_number(message: Message, rng: random.Random) -> None:
    """One number, flag or choice somewhere below ``message``; an unset parameter may come into being."""
    entries = [entry for entry in message.message_type.by_name.values() if entry.kind not in ("string", "bytes")]
    if not entries:
        return
    present = [entry for entry in entries if message.has(entry.name)]
    entry = rng.choice(present if present and rng.random() < 0.8 else entries)
    if entry.kind == "message":
        if entry.name.startswith("blobs"):
            return
        inner = message[entry.name]
        inner = (rng.choice(inner) if inner else entry.type()) if entry.repeated else inner
        _change_number(inner, rng)
        message[entry.name] = [inner] if entry.repeated else inner
        return
    value = _any_value(entry, rng)
    message[entry.name] = [value] * rng.choice((1, 1, 2, 3, 5)) if entry.repeated else value


def _any_value(entry: Field, rng: random.Random) -> object:
    if entry.kind == "bool":
        return rng.random() < 0.5
    if entry.kind == "enum":
        return rng.choice(list(entry.type.numbers))
    if entry.kind in ("float", "double"):
        return rng.choice((0.0, -1.0, 0.5, 3.0, 1e-9, 1e30, math.nan, math.inf))
    low, high = RANGES[entry.kind]
    return rng.choice([n for n in (0, 1, 2, 3, 4, 7, 100, 65536, -1, -2, low, high) if low <= n <= high])
