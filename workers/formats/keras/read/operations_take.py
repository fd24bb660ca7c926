"""Operations that take elements: indexing, slices, gathering by number, and by place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.formats.keras.read.arguments import Arguments, operation
from workers.formats.keras.read.layer import I64, Result
from workers.formats.keras.read.operations_shape import source
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

END, BEGIN = np.iinfo(np.int64).max, np.iinfo(np.int64).min
Bound = int | Tensor


@dataclass(slots=True)
class Cuts:
    """One Slice for all axes that are cut, the axes that integers drop, and where new ones come in."""

    bounds: list[tuple[Bound, Bound, Bound, int]] = field(default_factory=list)
    drop: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)


@operation("getitem", "get_item")
def getitem(g: GraphBuilder, a: Arguments) -> Result:
    """numpy's basic indexing: integers, slices, an ellipsis, new axes. Numbers may be computed."""
    x = source(a)
    key = a.get(1, "key", "slice_spec")
    items = key if isinstance(key, list) else [key]
    value, cuts = x.plain(g), _cuts(a, x, items)
    if cuts.bounds:
        columns = list(zip(*cuts.bounds, strict=True))
        starts, stops, steps = (_column(g, a, column) for column in columns[:3])
        value = g.Slice(value, starts, stops, [int(axis) for axis in columns[3]], steps)
    value = g.Squeeze(value, cuts.drop) if cuts.drop else value
    return plain(g.Unsqueeze(value, cuts.new) if cuts.new else value)


def _cuts(a: Arguments, x: Tensor, items: list[Any]) -> Cuts:
    kinds = [_kind(a, item) for item in items]
    if kinds.count("ellipsis") > 1:
        raise a.layer.malformed("it has two ellipses")
    used = sum(kind in ("slice", "integer") for kind in kinds)
    cuts = Cuts()
    axis, out = 0, 0
    for kind, item in zip(kinds, items, strict=True):
        if kind == "ellipsis":
            skipped = x.rank - used
            axis, out = axis + skipped, out + skipped
        elif kind == "new":
            cuts.new.append(out)
            out += 1
        else:
            bounds = _bounds(a, item) if kind == "slice" else (*_single(a, item), 1)
            if bounds != (0, END, 1):
                cuts.bounds.append((*bounds, axis))
            if kind == "integer":
                cuts.drop.append(axis)
            else:
                out += 1
            axis += 1
    if axis > x.rank:
        raise a.layer.malformed(f"it indexes {axis} of {x.rank} axes")
    return cuts


def _column(g: GraphBuilder, a: Arguments, column: tuple[Bound, ...]) -> Value | list[int]:
    numbers = [item for item in column if not isinstance(item, Tensor)]
    if len(numbers) == len(column):
        return numbers
    parts = [g.Reshape(cast(g, item.plain(g), I64), [1]) if isinstance(item, Tensor) else g.constant([item])
             for item in column]  # fmt: skip
    return g.Concat(*parts, axis=0)


def _kind(a: Arguments, item: Any) -> str:
    if item is None:
        return "new"
    if isinstance(item, Tensor) and item.rank == 0:
        return "integer"
    if isinstance(item, bool | Tensor):
        raise a.layer.unsupported("it indexes by a tensor of several numbers")
    if isinstance(item, int):
        return "integer"
    if item == "Ellipsis" or (isinstance(item, dict) and item.get("class_name") == "__ellipsis__"):
        return "ellipsis"
    if isinstance(item, dict) and ("start" in item or item.get("class_name") in ("__slice__", "slice")):
        return "slice"
    raise a.layer.unsupported(f"it indexes by {str(item)[:40]!r}")


def _bounds(a: Arguments, item: dict[str, Any]) -> tuple[Bound, Bound, Bound]:
    inner = item.get("config", item)
    if not isinstance(inner, dict):
        raise a.layer.malformed(f"it indexes by {str(inner)[:40]!r}")
    item = inner
    found = [_bound(a, item.get(key), key) for key in ("start", "stop")]
    pace = 1 if item.get("step") is None else a.layer.as_integers(a.plain(item["step"]), "step")[0]
    if not pace:
        raise a.layer.malformed("its slice has a step of 0")
    low, high = (0, END) if pace > 0 else (-1, BEGIN)
    return low if found[0] is None else found[0], high if found[1] is None else found[1], pace


def _bound(a: Arguments, item: Any, key: str) -> Bound | None:
    """A number, also one that shapes tell; another tensor as it is."""
    if item is None:
        return None
    if isinstance(item, Tensor) and a.constant(item) is None:
        return item
    return a.layer.as_integers(a.plain(item), key)[0]


def _single(a: Arguments, item: Any) -> tuple[Bound, Bound]:
    if isinstance(item, Tensor) and a.constant(item) is None:
        after = plain(a.g.Add(cast(a.g, item.plain(a.g), I64), np.asarray(1)))
        # Behind -1 comes the end, not 0.
        end = a.g.Where(a.g.Equal(after.value, np.asarray(0)), np.asarray(END), after.value)
        return item, plain(end)
    first = a.layer.as_integers(a.plain(item), "index")[0]
    return first, END if first == -1 else first + 1


def _gathered(g: GraphBuilder, a: Arguments, value: Value, indices: Value, shared: int, axis: Any) -> Value:
    """Along the axis behind the shared ones, by GatherND with one number each."""
    rank = len(g.shape(indices))
    shared = shared + rank if shared < 0 else shared
    at = shared if axis is None else a.layer.axis(a.integer(2, "axis"), len(g.shape(value)))
    if not 1 <= shared <= rank:
        raise a.layer.malformed(f"it shares {shared} axes of {rank}")
    if at == shared:
        return g.GatherND(value, g.Unsqueeze(indices, [rank]), batch_dims=shared)
    perm = list(range(len(g.shape(value))))
    perm.insert(shared, perm.pop(at))
    taken = g.GatherND(g.Transpose(value, perm=perm), g.Unsqueeze(indices, [rank]), batch_dims=shared)
    more = rank - shared
    back = list(range(len(g.shape(taken))))
    block, rest = back[shared : shared + more], [*back[:shared], *back[shared + more :]]
    order = [*rest[:at], *block, *rest[at:]]
    return g.Transpose(taken, perm=order)


@operation("gather_nd")
def gather_nd(g: GraphBuilder, a: Arguments) -> Result:
    x, indices = source(a), a.tensor(1, "indices", like=I64)
    shared = a.integer(-1, "batch_dims", default=0)
    return plain(g.GatherND(x.plain(g), cast(g, indices.plain(g), I64), batch_dims=shared))


@operation("take", "gather")
def take(g: GraphBuilder, a: Arguments) -> Result:
    x, indices = source(a), a.tensor(1, "indices", "ids", like=I64)
    shared = a.integer(-1, "batch_dims", default=0)
    found = a.get(2, "axis")
    value = x.plain(g)
    if shared:
        return plain(_gathered(g, a, value, cast(g, indices.plain(g), I64), shared, found))
    if found is None and a.name == "take":
        value, axis = g.Reshape(value, [-1]), 0
    else:
        axis = a.layer.axis(a.integer(2, "axis", default=0), x.rank)
    return plain(g.Gather(value, cast(g, indices.plain(g), I64), axis=axis))


@operation("take_along_axis")
def take_along_axis(g: GraphBuilder, a: Arguments) -> Result:
    x, indices = source(a), a.tensor(1, "indices", like=I64)
    axes = a.axes(x, 2, "axis")
    if axes is None:
        flat = (g.Reshape(cast(g, indices.plain(g), I64), [-1]), g.Reshape(x.plain(g), [-1]))
        return plain(g.GatherElements(flat[1], flat[0], axis=0))
    if indices.rank != x.rank:
        raise a.layer.malformed(f"its indices have {indices.rank} axes, its input {x.rank}")
    places, value, axis = cast(g, indices.plain(g), I64), x.plain(g), axes[0]
    if any(one != two for at, (one, two) in enumerate(zip(g.shape(value), g.shape(places), strict=True)) if at != axis):
        # The axes beside the taken one broadcast.
        parts = [g.Shape(places, start=at, end=at + 1) if at == axis or g.shape(places)[at] != 1
                 else g.Shape(value, start=at, end=at + 1) for at in range(x.rank)]  # fmt: skip
        places = g.Expand(places, g.Concat(*parts, axis=0))
    return plain(g.GatherElements(value, places, axis=axis))


@operation("slice")
def slice_(g: GraphBuilder, a: Arguments) -> Result:
    """Sizes of -1 take all that is left."""
    x = a.tensor(0, "inputs", "input_", "x")
    starts = a.layer.as_integers(a.plain(a.get(1, "start_indices", "begin")), "begin")
    sizes = a.layer.as_integers(a.plain(a.get(2, "shape", "size")), "size")
    if len(starts) != x.rank or len(sizes) != x.rank:
        raise a.layer.malformed(f"it slices {len(starts)} of {x.rank} axes")
    stops = [END if size == -1 else start + size for start, size in zip(starts, sizes, strict=True)]
    return plain(g.Slice(x.plain(g), starts, stops, list(range(x.rank))))
