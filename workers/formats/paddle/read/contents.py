"""What is known of small integer tensors after each layer: sizes of axes taken out of shapes and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workers.formats.dims import over, times, whole
from workers.formats.paddle.read.layer import I32, I64, Layer, Value
from workers.formats.paddle.read.vectors import LONGEST, contents
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

Known = tuple[Dim, ...]
Law = Callable[[Layer], "Known | None"]


def propagate(g: GraphBuilder, layer: Layer, results: Sequence[tuple[str, Value]]) -> None:
    """Note the contents of the layer's first result; where all of them are numbers, a constant takes its place."""
    if not results or results[0][1] in layer.scope.contents:
        return
    law = LAWS.get(layer.op.type)
    name, value = results[0]
    if law is None or value.dtype not in (I32, I64) or value.shape is None or g.const(value) is not None:
        return
    found = law(layer)
    if found is None or len(found) > LONGEST or all(dim is None for dim in found):
        return
    size = times(dim if isinstance(dim, int) else None for dim in value.shape)
    if size != len(found):
        return
    numbers = whole(found)
    if numbers is not None:
        shape = [int(dim) for dim in value.shape if isinstance(dim, int)]
        layer.env[name] = g.constant(np.asarray(numbers, value.dtype.numpy()).reshape(shape))
        return
    layer.scope.contents[value] = found


def _same(slot: str) -> Law:
    return lambda layer: contents(layer, layer.x(slot))


def _shape(layer: Layer) -> Known | None:
    return tuple(layer.shape(layer.x("Input")))


def _joined(layer: Layer) -> Known | None:
    """Of vectors concatenated, or scalars stacked; those that are computed stay unknown among the others."""
    found: list[Dim] = []
    for x in layer.all("X"):
        shape = layer.shape(x)
        size = times(shape)
        if len(shape) > 1 or not isinstance(size, int) or size > LONGEST:
            return None
        found += contents(layer, x) or (None,) * size
    return tuple(found)


def _slice(layer: Layer) -> Known | None:
    x = layer.x("Input")
    known = contents(layer, x)
    if known is None or len(layer.shape(x)) != 1:
        return None
    starts, ends = (_bound(layer, key) for key in ("starts", "ends"))
    steps = layer.integers("strides", [1]) if layer.op.type == "strided_slice" else [1]
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1 or len(steps) != 1 or not steps[0]:
        return None
    return known[starts[0] : ends[0] : steps[0]]


def _bound(layer: Layer, key: str) -> list[int] | None:
    title = key.capitalize()
    tensors = layer.all(f"{title}TensorList") or layer.all(f"{title}Tensor")
    if not tensors:
        return layer.integers(key)
    found = [item for tensor in tensors for item in contents(layer, tensor) or (None,)]
    return whole(found)


def _gather(layer: Layer) -> Known | None:
    known, index = contents(layer, layer.x("X")), contents(layer, layer.x("Index"))
    places = None if index is None else whole(index)
    if known is None or places is None or len(layer.shape(layer.x("X"))) != 1:
        return None
    return tuple(known[place] for place in places) if all(-len(known) <= p < len(known) for p in places) else None


def _pairs(combine: Callable[[Dim, Dim], Dim]) -> Law:
    def law(layer: Layer) -> Known | None:
        a, b = contents(layer, layer.x("X")), contents(layer, layer.x("Y"))
        if a is None or b is None:
            return None
        size = max(len(a), len(b))
        if {len(a), len(b)} - {1, size}:
            return None
        left, right = (known * size if len(known) == 1 else known for known in (a, b))
        return tuple(combine(x, y) for x, y in zip(left, right, strict=True))

    return law


def _plus(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return a if b == 0 else b if a == 0 else None


def _minus(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return 0 if a == b and a is not None else a if b == 0 else None


def _divided(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b else None
    return over(a, b)


def _scale(layer: Layer) -> Known | None:
    known = contents(layer, layer.x("X"))
    factor, bias = layer.real("scale", 1.0), layer.real("bias", 0.0)
    tensor = layer.maybe("ScaleTensor")
    if tensor is not None:
        array = GraphBuilder.const(tensor)
        if array is None or array.size != 1:
            return None
        factor = layer.single(array)
    if known is None or not factor.is_integer() or not bias.is_integer():
        return None
    if layer.flag("bias_after_scale", True):
        return tuple(_plus(times([dim, int(factor)]), int(bias)) for dim in known)
    return tuple(times([_plus(dim, int(bias)), int(factor)]) for dim in known)


LAWS: dict[str, Law] = {
    "shape": _shape, "shape64": _shape, "slice": _slice, "strided_slice": _slice, "gather": _gather, "scale": _scale,
    "concat": _joined, "stack": _joined, "elementwise_add": _pairs(_plus), "elementwise_sub": _pairs(_minus),
    "elementwise_mul": _pairs(lambda a, b: times([a, b])), "elementwise_floordiv": _pairs(_divided),
    "elementwise_div": _pairs(_divided),
    **dict.fromkeys(
        ("cast", "assign", "share_data", "squeeze", "squeeze2", "unsqueeze", "unsqueeze2", "reshape", "reshape2",
         "flatten", "flatten2", "flatten_contiguous_range", "memcpy", "memcpy_d2h", "memcpy_h2d"), _same("X")
    ),
}  # fmt: skip
