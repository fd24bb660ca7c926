"""How Darknet uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what a cfg says."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from workers.formats.darknet.net import REFERENCES
from workers.formats.darknet.read.activation import ACTIVATIONS
from workers.formats.darknet.read.layer import reads

NUMBERS = ("0", "-1", "1", "2", "3", "7", "16", "64", "4096", "99999", "2147483647", "-2147483648", "1e30", "nan",
           "0.5", "inf", "1e9", "1,2", "-1,-2", "", "9" * 30)  # fmt: skip
KEYS = ("filters", "size", "stride", "pad", "padding", "groups", "group_id", "batch_normalize", "activation", "layers",
        "from", "classes", "num", "mask", "anchors", "coords", "softmax", "background", "output", "hidden", "reverse",
        "flatten", "extra", "dilation", "antialiasing", "share_index", "maxpool_depth", "out_channels", "weights_type",
        "weights_normalization", "stride_x", "stride_y", "scale", "alpha", "beta", "time_steps", "inputs", "height",
        "width", "channels", "temperature", "tree", "new_coords", "scale_x_y", "flipped", "dontload", "dontloadscales",
        "peephole", "history_size", "shortcut", "crop_height", "crop_width", "scale_wh", "side", "ids")  # fmt: skip


def seeds() -> Iterator[Seed]:
    """The recorded uploads, with raw heads and with decoded boxes."""
    for files, options in recorded("darknet"):
        for decode in (False, True):
            yield files, {**options, "decode": decode}


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed, a cfg more often than weights."""
    victim = rng.choice([*files, *[name for name in files if name.endswith(".cfg")] * 2])
    change = mutate_cfg if victim.endswith(".cfg") and rng.random() < 0.75 else mutate_bytes
    files[victim] = change(files[victim], rng)
    return files


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
