"""Mutated Caffe uploads: every one must end in a model or a ConversionError, in bounded time and memory.

    python -m tests.fuzz_caffe 10000 [--seed N] [--hdf5]

The suite runs a few hundred of them (``tests/workers/formats/caffe/test_read_fuzz.py``). HDF5 weights are left out by
default: HDF5's own library reads them, in the service inside the jail only.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.workers.formats.cases import Case, cases
from workers.errors import ConversionError
from workers.formats.caffe.file import Message, parse_prototxt, print_prototxt
from workers.formats.caffe.read import read
from workers.formats.contract import ReadRequest
from workers.inspect.schema import RANGES, Field
from workers.inspect.upload import Upload
from workers.options import Options

NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"2",
    b"7",
    b"64",
    b"4096",
    b"99999",
    b"2147483647",
    b"-2147483648",
    b"1e30",
    b"nan",
    b"0.5",
)
WORDS = (
    b"AVE",
    b"TRAIN",
    b"true",
    b"'data'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"Pooling",
    b"Reshape",
    b"LSTM",
    b"Eltwise",
)


def mutate_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double, insert or overwrite a few places."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(min(len(data), rng.choice((64, 512, len(data)))))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 3:
            data[at:at] = data[at : at + rng.choice((1, 4, 30))]
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 5)))
        else:
            del data[rng.randrange(len(data)) :]
    return bytes(data)


def mutate_text(raw: bytes, rng: random.Random) -> bytes:
    """Exchange tokens for others of the text, for numbers or for words; drop and double lines."""
    if rng.random() < 0.2:
        return mutate_bytes(raw, rng)
    lines = raw.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(lines))
        tokens = lines[at].split()
        kind = rng.randrange(5)
        if kind == 0:
            lines.insert(at, rng.choice(lines))
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        elif tokens:
            other = rng.choice((NUMBERS, WORDS, rng.choice(lines).split() or [b""]))
            numbers = [i for i, token in enumerate(tokens) if token.lstrip(b"-").replace(b".", b"").isdigit()]
            place = rng.choice(numbers) if numbers and rng.random() < 0.7 else rng.randrange(len(tokens))
            tokens[place] = rng.choice(NUMBERS) if numbers and rng.random() < 0.7 else rng.choice(other)
            lines[at] = b" ".join(tokens)
    return b"\n".join(lines)


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


def uploads(count: int, seed: int, pool: Sequence[Case]) -> Iterator[tuple[int, Case, dict[str, bytes]]]:
    """``count`` mutated uploads; number and case tell how to make one again."""
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        case = rng.choice(pool)
        files = {path.name: path.read_bytes() for path in case.files}
        names = list(files)
        victim = rng.choice(names)
        text = victim.endswith(".prototxt")
        kinds = (mutate_net, mutate_net, mutate_text) if text else (mutate_bytes,)
        files[victim] = rng.choice(kinds)(files[victim], rng)
        if rng.random() < 0.1:
            del files[rng.choice(names)]
        yield number, case, files


def attempt(folder: Path, case: Case, files: dict[str, bytes]) -> str:
    """How reading ends: ``model`` or the error's type. Any exception but ConversionError comes through."""
    paths = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    try:
        read(ReadRequest(Upload.of(*paths), Options(**case.facts.get("options", {}))))
    except ConversionError as error:
        if not error.problem()["detail"]:
            raise ValueError("an error without a sentence") from error
        return error.type
    return "model"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hdf5", action="store_true")
    options = parser.parse_args(argv)
    pool = [case for case in cases("caffe") if options.hdf5 or not any(p.suffix == ".h5" for p in case.files)]
    ends: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case, files in uploads(options.count, options.seed, pool):
            start = time.monotonic()
            try:
                ends[attempt(Path(folder), case, files)] += 1
            except Exception:
                failures += 1
                print(f"--- {number} ({case})\n{traceback.format_exc()}", file=sys.stderr)
            if time.monotonic() - start > 5:
                print(f"--- {number} ({case}) took {time.monotonic() - start:.1f} s", file=sys.stderr)
                failures += 1
    print(f"{options.count} uploads: {dict(ends.most_common())}, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
