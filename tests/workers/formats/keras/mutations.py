"""How Keras uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what a configuration says.

HDF5 files are damaged by what they say only, for HDF5's own library reads their bytes, in the service inside the jail.
"""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import h5py

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from tests.workers.formats.cases import MODELS

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 65536, 2**31, 2**63, 1e30, 0.5, "", "relu", "same", "valid", "causal",
    "channels_first", "channels_last", "float16", "int32", "sum", "Lambda", "Dense", [], [0], [1, 1], [-1, 3],
    [None, 8], [2, 2, 2],
    {}, {"class_name": "Zeros", "config": {}}, "nearest", "bilinear", "ones", "softmax", [[0, 0], [1, 1]],
)  # fmt: skip


def seeds() -> Iterator[Seed]:
    """Sound uploads: all recorded models and every recorded layer."""
    yield from recorded("keras")
    for path in sorted((MODELS / "keras" / "layers").glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                data = archive.extractfile(member)
                if data is not None and "/model." in member.name:
                    yield {member.name.split("/")[1]: data.read()}, {}


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed."""
    name = rng.choice(sorted(files))
    data = files[name]
    if name.endswith(".json"):
        changed = _json(data, rng) if rng.random() < 0.75 else mutate_bytes(data, rng)
    elif name.endswith(".keras"):
        changed = _archive(data, rng) if rng.random() < 0.75 else mutate_bytes(data, rng)
    else:
        changed = _hdf5(data, rng)
    return {**files, name: changed}


def _json(text: bytes | str, rng: random.Random) -> bytes:
    """A configuration that says something else, in valid JSON."""
    config = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 5))):
        places = list(_places(config))
        if not places:
            break
        holder, key = rng.choice(places)
        other_holder, other_key = rng.choice(places)
        change = rng.random()
        if change < 0.45:
            holder[key] = deepcopy(rng.choice(VALUES))
        elif change < 0.75:
            holder[key] = deepcopy(other_holder[other_key])
        elif change < 0.85 and isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        else:
            del holder[key]
    return json.dumps(config).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every member and element, as the holder and the key in it."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield node, key
        yield from _places(value)


def _archive(data: bytes, rng: random.Random) -> bytes:
    """A ``.keras`` archive with one member changed, left out or stored twice."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        names = old.namelist()
        victim = rng.choice([*names, "config.json", "config.json"])
        for name in names:
            content = old.read(name)
            if name != victim:
                new.writestr(name, content)
            elif name.endswith(".json"):
                new.writestr(name, _json(content, rng))
            elif rng.random() < 0.8:
                new.writestr(name, _hdf5(content, rng))
    return made.getvalue()


def _hdf5(data: bytes, rng: random.Random) -> bytes:
    """Attributes, groups and data sets changed; the file itself stays sound."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        if "model_config" in file.attrs and rng.random() < 0.6:
            file.attrs["model_config"] = _json(file.attrs["model_config"], rng)
            return _closed(file, buffer)
        found: list[str] = []
        file.visit(found.append)
        for _ in range(rng.choice((1, 1, 2, 3)) if found else 0):
            _change(file, rng.choice(found), rng)
    return buffer.getvalue()


def _closed(file: h5py.File, buffer: io.BytesIO) -> bytes:
    file.flush()
    file.close()
    return buffer.getvalue()


def _change(file: h5py.File, name: str, rng: random.Random) -> None:
    """One group or data set gone, moved, emptied or of other numbers; one attribute of it with another value."""
    if name not in file:
        return
    node, change = file[name], rng.randrange(5)
    if change == 0:
        del file[name]
    elif change == 1:
        file.move(name, f"{name}_moved")
    elif change == 2 and node.attrs:
        node.attrs[rng.choice(list(node.attrs))] = rng.choice([b"x", b"", 0, 1.5, [b"a", b"b"], [1, 2], b"[]"])
    elif isinstance(node, h5py.Dataset):
        shape, array = node.shape, node[()]
        del file[name]
        reshaped = array.reshape(-1)[: rng.randrange(1, array.size + 1)] if array.size else array
        file[name] = rng.choice([reshaped, array.astype("float16"), array.astype("int32"), array.reshape(-1), shape])
