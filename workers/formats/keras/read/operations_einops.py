"""The pattern language of einops, as Keras' operation takes it."""

from __future__ import annotations

import re

import numpy as np

from workers.formats.keras.read.arguments import Arguments, operation
from workers.formats.keras.read.layer import Result
from workers.formats.keras.read.tensor import plain
from workers.hub.graph import GraphBuilder, Value


@operation("rearrange")
def rearrange(g: GraphBuilder, a: Arguments) -> Result:
    """einops' pattern of axes: split by a reshape, permuted, joined by a reshape."""
    x = a.tensor(0, "tensor")
    pattern = a.get(1, "pattern")
    left, arrow, right = str(pattern).partition("->")
    groups = [_axes(side) for side in (left, right)]
    names = [[name for group in side for name in group] for side in groups]
    if not arrow or "..." in str(pattern) or sorted(names[0]) != sorted(names[1]) or len(groups[0]) != x.rank:
        raise a.layer.unsupported(f"its pattern is {str(pattern)[:60]!r}")
    known: dict[str, int | None] = {}
    for group, dim in zip(groups[0], x.shape, strict=True):
        given = {name: a.integer(-1, name) for name in group if a.get(-1, name) is not None}
        open_ = [name for name in group if name not in given]
        known |= given
        if len(open_) == 1:
            rest = int(np.prod(list(given.values()), dtype=np.int64))
            known[open_[0]] = dim // rest if isinstance(dim, int) else None
    if any(name not in known for name in names[0]):
        raise a.layer.malformed(f"its pattern {str(pattern)[:60]!r} leaves sizes open")
    value = x.plain(g)
    for side, turned in ((groups[0], False), (groups[1], True)):
        order = names[0]
        if turned:
            value = g.Transpose(value, perm=[order.index(name) for name in names[1]])
        if any(len(group) != 1 for group in side):
            value = _shaped(g, a, value, [known[name] for name in names[0]] if not turned else
                            [_product([known[name] for name in group]) for group in side])  # fmt: skip
    return plain(value)


def _axes(side: str) -> list[list[str]]:
    found = re.findall(r"\(([^)]*)\)|(\S+)", side)
    return [inner.split() if not bare else [bare] for inner, bare in found]


def _product(sizes: list[int | None]) -> int | None:
    total: int | None = 1
    for size_ in sizes:
        total = None if total is None or size_ is None else total * size_
    return total


def _shaped(g: GraphBuilder, a: Arguments, value: Value, sizes: list[int | None]) -> Value:
    if sum(size_ is None for size_ in sizes) > 1:
        raise a.layer.free("it needs all sizes but one")
    return g.Reshape(value, [-1 if size_ is None else size_ for size_ in sizes])
