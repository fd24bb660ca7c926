"""How Paddle uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what a program says."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from tests.workers.formats.paddle.recorded import recorded as operators
from workers.formats.paddle.recognise import COMPANIONS
from workers.formats.paddle.schema import PROGRAM
from workers.inspect.protobuf import decode
from workers.inspect.protobuf_write import encode
from workers.inspect.schema import Message

NUMBERS = (0, 1, 2, 3, 4, 7, 100, 65536, -1, -2, 2**31 - 1, -(2**31), 10**12)
REALS = (0.0, -1.0, 0.5, 3.0, 1e-9, 1e30, float("nan"), float("inf"))


def seeds() -> Iterator[Seed]:
    """The recorded models, and the single operators."""
    yield from recorded("paddle")
    for case in operators():
        yield dict(case.files), {}


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed, the program more often than the others."""
    programs = [name for name, data in files.items() if data[:1] == b"{" or name.endswith(("__model__", ".pdmodel"))]
    others = [name for name in files if not name.endswith(COMPANIONS)]
    victim = rng.choice(programs) if programs and rng.random() < 0.8 else rng.choice(sorted(others))
    raw = files[victim]
    if victim not in programs or rng.random() < 0.2:
        files[victim] = mutate_bytes(raw, rng)
    elif raw[:1] == b"{":
        files[victim] = _changed_json(raw, rng)
    else:
        files[victim] = _changed_program(raw, rng)
    return files


# --- ProgramDesc ------------------------------------------------------------------------------------------------------


def _changed_program(raw: bytes, rng: random.Random) -> bytes:
    program = decode(raw, PROGRAM)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        block = rng.choice(program.blocks)
        if not len(block.ops):
            continue
        op, other = rng.choice(block.ops), rng.choice(block.ops)
        kind = rng.randrange(8)
        if kind == 0:
            op.type = other.type
        elif kind == 1:
            _exchange(op, other, "inputs", rng)
        elif kind == 2:
            _exchange(op, other, "outputs", rng)
        elif kind == 3 and len(block.vars):
            _change_var(rng.choice(block.vars), rng)
        elif len(op.attrs):
            _change_attribute(rng.choice(op.attrs), rng)
    return encode(program)


def _exchange(op: Message, other: Message, key: str, rng: random.Random) -> None:
    slots, others = list(op[key]), list(other[key])
    if not slots or not others:
        return
    slot = rng.choice(slots)
    found = list(rng.choice(others).arguments)
    slot.arguments = rng.choice((found, [], found * 2, [*slot.arguments, *found]))


def _change_var(var: Message, rng: random.Random) -> None:
    tensor = var.type.lod_tensor.tensor
    if not tensor.has("data_type"):
        return
    if rng.random() < 0.3:
        tensor.data_type = rng.choice((0, 2, 3, 4, 5, 6, 20, 21, 22, 99))
    else:
        tensor.dims = _shape(list(tensor.dims), rng)


def _shape(dims: list[int], rng: random.Random) -> list[int]:
    kind = rng.randrange(3)
    if kind == 0 or not dims:
        return [*dims, rng.choice(NUMBERS)]
    if kind == 1:
        return dims[1:]
    dims[rng.randrange(len(dims))] = rng.choice(NUMBERS)
    return dims


def _change_attribute(attr: Message, rng: random.Random) -> None:
    present = [entry for entry in attr.message_type.by_name.values() if attr.has(entry.name)]
    entries = [
        entry for entry in present if entry.name not in ("name", "type") and entry.kind not in ("message", "bytes")
    ]
    if not entries:
        return
    entry = rng.choice(entries)
    value: Any = rng.choice([n for n in NUMBERS if -(2**31) <= n < 2**31])
    if entry.kind in ("float", "double"):
        value = rng.choice(REALS)
    elif entry.kind == "bool":
        value = rng.random() < 0.5
    elif entry.kind == "string":
        value = rng.choice(("", "SAME", "NHWC", "max", "tanh", "?"))
    if entry.repeated:
        old = list(attr[entry.name])
        value = rng.choice(([value], [*old, value], old[1:], [value] * len(old)))
    setattr(attr, entry.name, value)


# --- PIR --------------------------------------------------------------------------------------------------------------


def _changed_json(raw: bytes, rng: random.Random) -> bytes:
    document = json.loads(raw)
    places = list(_places(document["program"]))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holder, key = rng.choice(places)
        if isinstance(holder, list) and key >= len(holder):
            continue
        old = holder[key]
        if isinstance(old, bool):
            holder[key] = not old
        elif isinstance(old, int):
            holder[key] = rng.choice(NUMBERS) if rng.random() < 0.6 else old + rng.choice((-1, 1))
        elif isinstance(old, float):
            holder[key] = rng.choice(REALS[:6])
        elif isinstance(old, str):
            other, where = rng.choice(places)
            if isinstance(other, dict) and isinstance(other[where], str):
                holder[key] = other[where]
        elif isinstance(old, list) and old:
            holder[key] = rng.choice((old[1:], old * 2, [*old, old[0]], []))
        else:
            holder[key] = rng.choice((None, 0, "x", [], {}))
    return json.dumps(document).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON tree that holds something."""
    stack = [node]
    while stack:
        here = stack.pop()
        pairs = list(here.items()) if isinstance(here, dict) else list(enumerate(here))
        for key, value in pairs:
            yield here, key
            if isinstance(value, dict | list):
                stack.append(value)
