"""How Torch7 uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what the objects in them say."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from tests.workers.formats.torch7.nets import dump
from tests.workers.formats.torch7.record_operators import ARCHIVE
from workers.formats.torch7.file import parse
from workers.formats.torch7.objects import Object, Storage, Table, Tensor
from workers.formats.torch7.read.layer import flows

NUMBERS = (0, -1, 1, 2, 3, 7, 16, 64, 4096, 99999, 2**31, -(2**31), 1e30, float("nan"), float("inf"), 0.5, -0.5, 2**53)
OTHERS = (None, True, False, "", "cudnn", "CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING", "nearest")


def seeds() -> Iterator[Seed]:
    """The recorded uploads, and the smallest ones of the operators, which stand for all modules."""
    yield from recorded("torch7")
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = [name for name in archive.namelist() if name.endswith(".t7")]
        for name in names:
            if archive.getinfo(name).file_size < 6000:
                inputs = parse(memoryview(archive.read(f"{name[:-3]}.io")), name).root.get("inputs")
                yield {name: archive.read(name)}, {"input_shapes": dict(_shapes(inputs))}


def _shapes(value: Any) -> Iterator[tuple[str, list[int]]]:
    found: list[Tensor] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, Table):
            waiting += item.items()[::-1]
    for index, tensor in enumerate(found):
        yield f"input_{index}", list(tensor.shape)


def mutate(files: Files, rng: random.Random) -> Files:
    """The one file of the upload changed."""
    name = next(iter(files))
    raw = files[name]
    if len(raw) > 60_000 or rng.random() < 0.3:
        files[name] = mutate_bytes(raw, rng)
    else:
        files[name] = mutate_objects(raw, rng)
    return files


def mutate_objects(raw: bytes, rng: random.Random) -> bytes:
    """Keep the syntax and change the meaning: fields, classes, wiring, tensors."""
    root = parse(memoryview(raw), "seed").root
    records = _records(root)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _change(rng.choice(records), records, rng)
    return dump(root, ascii=rng.random() < 0.2, versions=rng.random() < 0.9)


def _records(root: Any) -> list[Any]:
    found, waiting, seen = [], [root], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not isinstance(value, Object | Table | Tensor | Storage):
            continue
        seen.add(id(value))
        found.append(value)
        if isinstance(value, Table):
            waiting += [*value.entries.values(), *value.entries]
        elif isinstance(value, Object):
            waiting += value.parts
        elif isinstance(value, Tensor):
            waiting.append(value.storage)
    return found


def _change(record: Any, records: list[Any], rng: random.Random) -> None:
    if isinstance(record, Object):
        if rng.random() < 0.5:
            record.class_name = rng.choice(sorted(flows.rules))
        else:
            record.version = rng.choice((0, 1, 2, 9))
    elif isinstance(record, Tensor):
        changed = replace(
            record, shape=tuple(rng.choice((size, size, 0, 1, size + 1, size * 2)) for size in record.shape),
            offset=rng.choice((record.offset, record.offset, 0, -1, 7, 2**40)),
        )  # fmt: skip
        record.shape, record.offset = changed.shape, changed.offset
    elif isinstance(record, Table) and record.entries:
        _change_entry(record, records, rng)


def _change_entry(table: Table, records: list[Any], rng: random.Random) -> None:
    key = rng.choice(list(table.entries))
    kind = rng.randrange(6)
    if kind == 0:
        del table.entries[key]
    elif kind == 1:
        table.entries[key] = rng.choice(records)
    elif kind == 2:
        table.entries[key] = rng.choice(OTHERS)
    elif kind == 3:
        other = rng.choice(list(table.entries))
        table.entries[key], table.entries[other] = table.entries[other], table.entries[key]
    else:
        table.entries[key] = rng.choice(NUMBERS)
