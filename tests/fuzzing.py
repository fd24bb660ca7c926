"""Damaged uploads: every one must end in a model or in one of the product's own errors, in bounded time and memory.

    python -m tests.fuzzing SYSTEM [COUNT] [--seed N]

A system's ``tests/workers/formats/<system>/mutations.py`` says how its files are changed: ``mutate(files, rng)`` gives
the files of an upload with something wrong in them, ``seeds()``, where there is one, the sound uploads to begin with
(else all recorded models), ``outcome(upload, options)`` how far one goes where reading is not all. The suite runs a
few hundred of each (``tests/workers/formats/test_read_fuzz.py``).
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.workers.formats.cases import cases, upload_of
from workers.errors import ConversionError
from workers.formats.contract import ReadRequest
from workers.inspect.upload import Upload
from workers.options import Options

Files = dict[str, bytes]
Seed = tuple[Files, dict[str, Any]]
SECONDS, MEMORY = 20.0, 6 << 30


def mutate_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, double or insert a few places, most of them in the head of the file."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(min(len(data), rng.choice((24, 512, 4096, len(data)))))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + rng.choice((1, 2, 4, 8, 100))]
        elif kind == 3:
            data[at:at] = data[at : at + rng.choice((1, 4, 32, 4096))] * rng.choice((1, 1, 2, 50))
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 5)))
        elif kind == 5:
            size = rng.choice((2, 4, 8))
            number = rng.choice((-1, 0, 1, 2, 3, 255, 65535, 2**31, 2**63, 2**64 - 8))
            data[at : at + size] = (number % 256**size).to_bytes(size, "little")
        else:
            del data[rng.randrange(len(data)) :]
    return bytes(data)


def mutate_text(raw: bytes, rng: random.Random, words: Sequence[bytes]) -> bytes:
    """Exchange tokens of a text for others of it or for ``words``; drop and double lines."""
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
            numbers = [i for i, token in enumerate(tokens) if token.lstrip(b"-").replace(b".", b"").isdigit()]
            place = rng.choice(numbers) if numbers and rng.random() < 0.7 else rng.randrange(len(tokens))
            tokens[place] = rng.choice((*words, *(rng.choice(lines).split() or [b""])))
            lines[at] = b" ".join(tokens)
    return b"\n".join(lines)


def recorded(system: str) -> list[Seed]:
    """The recorded uploads of a system, archives unpacked, with their options."""
    return [
        ({file.name: file.path.read_bytes() for file in case.uploaded}, case.facts.get("options", {}))
        for case in cases(system)
    ]


def outcome(system: str, upload: Upload, options: dict[str, Any]) -> str:
    """``model``, or the type of the error; any other exception goes through, as does an error without a sentence."""
    try:
        import_module(f"workers.formats.{system}.read").read(ReadRequest(upload, Options(**options)))
    except ConversionError as error:
        assert error.detail and str(upload.root) not in error.detail
        return error.type
    return "model"


@dataclass
class Ends:
    """How a run ended: uploads counted by outcome, and every fault with the number that repeats it."""

    seen: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def fuzz(system: str, count: int, seed: int, folder: Path) -> Ends:
    """``count`` damaged uploads, numbered from ``seed`` on."""
    mutations = import_module(f"tests.workers.formats.{system}.mutations")
    run = getattr(mutations, "outcome", partial(outcome, system))
    sound = list(mutations.seeds()) if hasattr(mutations, "seeds") else recorded(system)
    ends = Ends()
    for number in range(seed, seed + count):
        rng = random.Random(number)
        files, options = rng.choice(sound)
        damaged = mutations.mutate(dict(files), rng)
        if len(damaged) > 1 and rng.random() < 0.05:
            del damaged[rng.choice(sorted(damaged))]
        shutil.rmtree(folder / "upload", ignore_errors=True)
        upload = upload_of(folder / "upload", damaged)
        start = time.monotonic()
        try:
            ends.seen[run(upload, options)] += 1
        except Exception:
            ends.faults.append(f"number {number}: {traceback.format_exc().strip()}")
        if time.monotonic() - start > SECONDS:
            ends.faults.append(f"number {number}: took {time.monotonic() - start:.1f} seconds")
    return ends


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system")
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        ends = fuzz(options.system, options.count, options.seed, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(*ends.faults[:50], sep="\n\n", file=sys.stderr)
    seen = ", ".join(f"{count} {end}" for end, count in ends.seen.most_common())
    print(f"{options.count} uploads: {seen}; {len(ends.faults)} faults, {peak} MiB at the peak")
    return 1 if ends.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
