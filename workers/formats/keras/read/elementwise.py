"""Layers that join tensors element by element, and the ones that multiply or append them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.keras.read.layer import Layer, Result, reads
from workers.formats.keras.read.masks import both, merged
from workers.formats.keras.read.normalization import unit
from workers.formats.keras.read.tensor import Order, Tensor
from workers.hub.graph import GraphBuilder, Value

OPERATORS = {"Add": "Add", "Multiply": "Mul", "Maximum": "Max", "Minimum": "Min", "Average": "Sum", "Subtract": "Sub"}


def common(g: GraphBuilder, xs: Sequence[Tensor]) -> tuple[list[Value], Order]:
    """The values of tensors of one rank in one order: the commonest of those that are not Keras' own."""
    orders = Counter(x.order for x in xs if x.flat is None)
    natural = tuple(range(xs[0].rank))
    turned = [(count, order) for order, count in orders.items() if order != natural]
    order = max(turned)[1] if turned else natural
    return [x.to(g, order) for x in xs], order


def levelled(g: GraphBuilder, xs: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of lower rank get axes of size 1 behind the batch."""
    rank = max(x.rank for x in xs)
    found = []
    for x in xs:
        if x.rank == rank or not x.rank:
            found.append(x)
            continue
        more = list(range(1, 1 + rank - x.rank))
        found.append(Tensor(g.Unsqueeze(x.plain(g), more), tuple(range(rank)), x.mask))
    return found


@reads("Add", "Multiply", "Maximum", "Minimum", "Average", "Subtract")
def joined(g: GraphBuilder, layer: Layer, *xs: Tensor) -> Tensor:
    if len(xs) < 2 or (layer.kind == "Subtract" and len(xs) != 2):
        raise layer.malformed(f"it has {len(xs)} inputs")
    mask = merged(g, xs, layer.generation)
    if all(x.flat == xs[0].flat and x.flat is not None for x in xs):
        values, result = [x.value for x in xs], xs[0]
    else:
        level = levelled(g, xs)
        values, order = common(g, level)
        result = Tensor(values[0], order)
    y = _fold(g, OPERATORS[layer.kind], values)
    if layer.kind == "Average":
        y = g.Mul(y, layer.number(y, 1 / len(xs)))
    return Tensor(y, result.order, mask, result.flat)


def _fold(g: GraphBuilder, operator: str, values: Sequence[Value]) -> Value:
    """Binary operators one after the other."""
    operator = "Add" if operator == "Sum" else operator
    y = values[0]
    for value in values[1:]:
        y = g.op(operator, y, value)
    return y


@reads("Concatenate")
def concatenate(g: GraphBuilder, layer: Layer, *xs: Tensor) -> Tensor:
    if len({x.rank for x in xs}) != 1:
        raise layer.malformed(f"its inputs have {', '.join(str(x.rank) for x in xs)} axes")
    axis = layer.axis(layer.integer("axis", -1), xs[0].rank)
    values, order = common(g, xs)
    y = values[0] if len(xs) == 1 else g.Concat(*values, axis=order.index(axis))
    return Tensor(y, order, _masks(g, layer, xs, axis))


def _masks(g: GraphBuilder, layer: Layer, xs: Sequence[Tensor], axis: int) -> Value | None:
    """All must count; along the time the masks follow each other, ones where there is none."""
    if all(x.mask is None for x in xs):
        return None
    if axis != 1 and layer.generation > 2:
        return merged(g, xs, layer.generation)
    if axis != 1:
        return both(g, [x.mask for x in xs])
    parts = []
    for x in xs:
        ones = g.Expand(np.ones((1, 1), np.bool_), g.Slice(g.Shape(x.plain(g)), [0], [2], [0]))
        parts.append(x.mask if x.mask is not None else ones)
    return g.Concat(*parts, axis=1)


# --- products --------------------------------------------------------------------------------------------------------


@reads("Dot")
def dot(g: GraphBuilder, layer: Layer, a: Tensor, b: Tensor) -> Tensor:
    """Sums over one axis of each; ``normalize`` brings both to length 1 first."""
    axes = layer.integers("axes")
    return _dot(g, layer, a, b, axes * 2 if len(axes) == 1 else axes, normalize=layer.flag("normalize", False))


def _dot(g: GraphBuilder, layer: Layer, a: Tensor, b: Tensor, axes: Sequence[int], *, normalize: bool) -> Tensor:
    if len(axes) != 2 or not 2 <= a.rank <= 8 or not 2 <= b.rank <= 8:
        raise layer.malformed(f"its axes are {list(axes)} for inputs of {a.rank} and {b.rank} axes")
    left, right = layer.axis(axes[0], a.rank), layer.axis(axes[1], b.rank)
    if 0 in (left, right):
        raise layer.unsupported("it sums over the batch")
    x, y = a.plain(g), b.plain(g)
    if normalize:
        x, y = unit(g, layer, x, [left]), unit(g, layer, y, [right])
    if a.rank == b.rank == 2:
        return Tensor(g.ReduceSum(g.Mul(x, y), [1], keepdims=1), (0, 1))
    letters = iter("cdefghijklmnop")
    first = ["a", *(("b" if axis == left else next(letters)) for axis in range(1, a.rank))]
    second = ["a", *(("b" if axis == right else next(letters)) for axis in range(1, b.rank))]
    kept = [letter for letter in (*first[1:], *second[1:]) if letter != "b"]
    result = g.Einsum(x, y, equation=f"{''.join(first)},{''.join(second)}->a{''.join(kept)}")
    return Tensor(result, tuple(range(len(kept) + 1)))


@reads("Merge")
def merge(g: GraphBuilder, layer: Layer, *xs: Tensor) -> Result:
    """Keras 1: the mode is a word; ``dot`` and ``cos`` take two inputs and their axes."""
    mode = layer.config.get("mode")
    names = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
    if isinstance(mode, str) and mode in names:
        layer.kind = names[mode]
        return joined(g, layer, *xs)
    if mode == "concat":
        return concatenate(g, layer, *xs)
    if mode not in ("dot", "cos"):
        raise layer.unsupported("its mode is a function of Python's, and no code of the file's is run")
    if len(xs) != 2:
        raise layer.malformed(f"it multiplies {len(xs)} inputs")
    axes = _dot_axes(layer, xs)
    product = _dot(g, layer, *xs, axes, normalize=mode == "cos")
    if mode == "cos":
        return Tensor(g.Unsqueeze(product.value, [1]), tuple(range(product.rank + 1)))
    return product


def _dot_axes(layer: Layer, xs: Sequence[Tensor]) -> list[int]:
    """One number counts from the end (it is turned to positive ones there), or one axis of each in lists of one."""
    value: Any = layer.config.get("dot_axes", -1)
    if isinstance(value, int):
        return [x.rank + value if value < 0 else value for x in xs]
    items = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in value or []]
    return layer.as_integers(items, "dot_axes")
