"""Mutated Darknet uploads: every one must end in a model or a ConversionError, in bounded time and memory.

    python -m tests.fuzz_darknet 10000 [--seed N]

The suite runs a few hundred of them (``tests/workers/formats/darknet/test_read_fuzz.py``).
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.workers.formats.cases import Case, cases
from workers.errors import ConversionError
from workers.formats.contract import ReadRequest
from workers.formats.darknet.net import REFERENCES
from workers.formats.darknet.read import read
from workers.formats.darknet.read.activation import ACTIVATIONS
from workers.formats.darknet.read.layer import reads
from workers.inspect.upload import Upload
from workers.options import Options

NUMBERS = ("0", "-1", "1", "2", "3", "7", "16", "64", "4096", "99999", "2147483647", "-2147483648", "1e30", "nan",
           "0.5", "inf", "1e9", "1,2", "-1,-2", "", "9" * 30)  # fmt: skip
KEYS = ("filters", "size", "stride", "pad", "padding", "groups", "group_id", "batch_normalize", "activation", "layers",
        "from", "classes", "num", "mask", "anchors", "coords", "softmax", "background", "output", "hidden", "reverse",
        "flatten", "extra", "dilation", "antialiasing", "share_index", "maxpool_depth", "out_channels", "weights_type",
        "weights_normalization", "stride_x", "stride_y", "scale", "alpha", "beta", "time_steps", "inputs", "height",
        "width", "channels", "temperature", "tree", "new_coords", "scale_x_y", "flipped", "dontload", "dontloadscales",
        "peephole", "history_size", "shortcut", "crop_height", "crop_width", "scale_wh", "side", "ids")  # fmt: skip
MEMORY = 2 << 30


def mutate_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double, insert or overwrite a few places."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(min(len(data), rng.choice((24, 512, len(data)))))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + rng.choice((1, 4, 8, 100))]
        elif kind == 3:
            data[at:at] = data[at : at + rng.choice((1, 4, 32))]
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 5)))
        else:
            del data[rng.randrange(len(data)) :]
    return bytes(data)


def mutate_cfg(raw: bytes, rng: random.Random) -> bytes:
    """Keep the syntax and change the meaning: values, keys, sections, their order and number."""
    lines = raw.decode().split("\n")
    sections = [index for index, line in enumerate(lines) if line.startswith("[")]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        kind = rng.randrange(6)
        if kind == 0:
            lines[rng.choice(sections) % len(lines)] = f"[{rng.choice(sorted(reads.rules))}]"
        elif kind == 1:
            lines.insert(at, f"{rng.choice(KEYS)}={rng.choice(NUMBERS)}")
        elif kind == 2 and len(lines) > 1:
            del lines[at]
        elif kind == 3:
            lines.insert(at, rng.choice(lines))
        elif kind == 4:
            first = rng.choice(sections) % len(lines)
            lines[at:at] = lines[first : first + rng.randrange(1, 9)]
        elif "=" in lines[at]:
            key = lines[at].partition("=")[0]
            value = rng.choice(sorted(ACTIVATIONS)) if key == "activation" else rng.choice(NUMBERS)
            if key in REFERENCES.values():
                value = str(rng.randrange(-6, 6))
            lines[at] = f"{key}={value}"
    return "\n".join(lines).encode()


def uploads(count: int, seed: int, pool: Sequence[Case]) -> Iterator[tuple[int, Case, dict[str, bytes], bool]]:
    """``count`` mutated uploads; number and case tell how to make one again. The flag is the option ``decode``."""
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        case = rng.choice(pool)
        files = {path.name: path.read_bytes() for path in case.files}
        victim = rng.choice([*files, *[name for name in files if name.endswith(".cfg")] * 2])
        mutate = (
            rng.choice((mutate_cfg, mutate_cfg, mutate_cfg, mutate_bytes)) if victim.endswith(".cfg") else mutate_bytes
        )
        files[victim] = mutate(files[victim], rng)
        if rng.random() < 0.05:
            del files[rng.choice(list(files))]
        yield number, case, files, rng.random() < 0.2


def attempt(folder: Path, case: Case, files: dict[str, bytes], decode: bool) -> str:
    """How reading ends: ``model`` or the error's type. Any exception but ConversionError comes through."""
    paths = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    try:
        read(ReadRequest(Upload.of(*paths), Options(**{**case.facts.get("options", {}), "decode": decode})))
    except ConversionError as error:
        if not error.problem()["detail"]:
            raise ValueError("an error without a sentence") from error
        return error.type
    return "model"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    ends: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case, files, decode in uploads(options.count, options.seed, cases("darknet")):
            start = time.monotonic()
            try:
                ends[attempt(Path(folder), case, files, decode)] += 1
            except Exception:
                failures += 1
                print(f"--- {number} ({case})\n{traceback.format_exc()}", file=sys.stderr)
            if time.monotonic() - start > 5:
                print(f"--- {number} ({case}) took {time.monotonic() - start:.1f} s", file=sys.stderr)
                failures += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if peak > MEMORY:
        print(f"--- {peak:,} bytes of memory at the peak", file=sys.stderr)
        failures += 1
    print(f"{options.count} uploads: {dict(ends.most_common())}, {failures} failures, {peak >> 20} MiB at the peak")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
