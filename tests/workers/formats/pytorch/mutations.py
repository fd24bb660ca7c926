"""How PyTorch uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what source, JSON and pickles say.

Uploads with source are taken without it: running PyTorch ten thousand times shows nothing of our own parsing.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Iterator

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from tests.workers.formats.pytorch.test_read_operators import members

NUMBERS = (b"0", b"-1", b"1", b"2", b"3", b"7", b"64", b"99999", b"2147483648", b"-9223372036854775808", b"1e30",
           b"0.5", b"None", b"True", b"[]", b"[1, -1]", b"null", b"{}", b'"x"', b"9" * 30)  # fmt: skip
_NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?")
_WORD = re.compile(rb"[A-Za-z_]\w+")


def seeds() -> Iterator[Seed]:
    """Recorded models, and single operators of each way to capture them."""
    for files, options in recorded("pytorch"):
        graphs = {name: data for name, data in files.items() if not name.endswith(".py")}
        yield graphs, {key: value for key, value in options.items() if key == "input_shapes"}
    for way in ("script", "trace", "export"):
        found = members(way)
        for name in [name for name in found if not name.endswith(".npz")][::9]:
            yield {name: found[name]}, {"input_shapes": {"x": [2, 3, 4]} if way == "script" else {}}


def mutate(files: Files, rng: random.Random) -> Files:
    """The container's bytes, or, more often, one member of it with the checksums put right."""
    victim = rng.choice(sorted(files))
    data = files[victim]
    changed = mutate_member(data, rng) if data[:4] == b"PK\x03\x04" and rng.random() < 0.8 else None
    files[victim] = changed if changed is not None else mutate_bytes(data, rng)
    return files


def mutate_member(data: bytes, rng: random.Random) -> bytes:
    """One member of a zip changed: text by its meaning, anything else by its bytes; or dropped, or renamed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    names = sorted(members)
    telling = [name for name in names if name.endswith((".py", ".json", ".pkl"))] or names
    victim = rng.choice(telling if rng.random() < 0.85 else names)
    kind = rng.random()
    if kind < 0.03:
        del members[victim]
    elif kind < 0.05:
        members[rng.choice(names)] = members.pop(victim)
    elif victim.endswith((".py", ".json")) and kind < 0.9:
        members[victim] = mutate_source(members[victim], rng)
    else:
        members[victim] = mutate_bytes(members[victim], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def mutate_source(raw: bytes, rng: random.Random) -> bytes:
    """Keep the syntax and change the meaning: numbers, names, lines."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(4)
        pattern = _NUMBER if kind < 2 else _WORD
        found = list(pattern.finditer(raw))
        if kind == 3 or not found:
            lines = raw.split(b"\n")
            at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
            raw = b"\n".join(lines)
            continue
        place = rng.choice(found)
        new = rng.choice(NUMBERS) if kind < 2 else rng.choice(found).group(0)
        raw = raw[: place.start()] + new + raw[place.end() :]
    return raw
