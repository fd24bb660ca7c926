"""Weights as Keras stores them in HDF5: by layer and order (Keras 1 and 2), or by the layer's place (Keras 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.errors import LimitExceeded, MalformedModel
from workers.inspect.hdf5 import Dataset, Hdf5File, is_group

# An attribute as long as this is read; HDF5 splits longer ones, and so does Keras (name0, name1, ...).
ATTRIBUTE = 256 << 20
BFLOAT16 = np.dtype(np.uint16)


@dataclass(slots=True)
class Node:
    """One group of a Keras 3 weights file: the layer's own variables by number, and its sub-groups."""

    own: dict[str, Dataset] = field(default_factory=dict)
    inner: dict[str, Node] = field(default_factory=dict)
    name: str | None = None

    def find(self, *path: str) -> Node:
        """The group at ``path``; an empty one where there is none."""
        node = self
        for part in path:
            node = node.inner.get(part, Node())
        return node

    def total(self) -> int:
        return len(self.own) + sum(node.total() for node in self.inner.values())


def read_tree(opened: Hdf5File) -> Node:
    """A Keras 3 weights file as a tree; ``vars`` groups become their parent's own variables."""
    root = Node()
    for path, dataset in opened.walk():
        parts = path.strip("/").split("/")
        node = root
        for part in parts[: -1 if dataset is not None else None]:
            if part != "vars":
                node = node.inner.setdefault(part, Node())
        if dataset is not None:
            node.own[parts[-1]] = dataset
        elif parts[-1] == "vars":
            node.name = text_of(attribute(opened, opened.handle[path], "name")) or None
    return root


def read_groups(opened: Hdf5File, root: str) -> list[tuple[str, list[Dataset]]]:
    """Layer names in model order, each with its weights in the order of ``layer.weights``.

    ``root`` is the group that carries ``layer_names``: the file itself, or ``/model_weights``.
    """
    with opened.guarded(root or "/"):
        group = opened.handle[root] if root else opened.handle
    known = {path: dataset for path, dataset in opened.walk() if dataset is not None}
    groups = []
    for name in names(opened, group, "layer_names"):
        path = f"{root}/{name}"
        with opened.guarded(path):
            inner = group[name]
        if not is_group(inner):
            raise MalformedModel(f"{opened.source.name!r}: {path} is no group of weights", file=opened.source.name)
        groups.append((name, [_weight(opened, known, path, weight) for weight in names(opened, inner, "weight_names")]))
    return groups


def _weight(opened: Hdf5File, known: dict[str, Dataset], path: str, name: str) -> Dataset:
    found = known.get(f"{path}/{name}".replace("//", "/"))
    if found is None:
        raise MalformedModel(
            f"{opened.source.name!r}: the weight {name!r} that {path} lists is not there", file=opened.source.name
        )
    return found


# --- attributes -----------------------------------------------------------------------------------------------------


def names(opened: Hdf5File, group: Any, key: str) -> list[str]:
    """A list of names in an attribute, or in its numbered pieces when it was too long for one."""
    whole = attribute(opened, group, key)
    pieces = [whole] if whole is not None else list(_pieces(opened, group, key))
    return [text_of(item) for piece in pieces for item in np.asarray(piece).reshape(-1).tolist()]


def _pieces(opened: Hdf5File, group: Any, key: str) -> Iterator[Any]:
    number = 0
    while (piece := attribute(opened, group, f"{key}{number}")) is not None:
        yield piece
        number += 1


def attribute(opened: Hdf5File, group: Any, key: str) -> Any:
    """An attribute's value, None when there is none. Raises LimitExceeded for one that claims too much."""
    with opened.guarded(f"{group.name}@{key}"):
        if key not in group.attrs:
            return None
        found = group.attrs.get_id(key)
        size = int(np.prod(found.shape, dtype=np.int64)) * found.dtype.itemsize if found.shape is not None else 0
        if size > ATTRIBUTE:
            raise LimitExceeded(
                "size", f"{opened.source.name!r}: the attribute {key!r} has {size:,} bytes", limit=ATTRIBUTE,
                file=opened.source.name,
            )  # fmt: skip
        return group.attrs[key]


def text_of(value: Any) -> str:
    """A string attribute, whichever of HDF5's kinds it is."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


_CHUNKED = re.compile(r"^(?:layer_names|weight_names)\d*$")


def has_names(opened: Hdf5File, root: str = "") -> bool:
    """Whether a group lists its layers as Keras 1 and 2 do."""
    with opened.guarded(root or "/"):
        group = opened.handle[root] if root else opened.handle
        return any(_CHUNKED.match(key) and key.startswith("layer") for key in group.attrs)
