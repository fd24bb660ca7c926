"""Shape arithmetic followed element by element: what ONNX's shape operators make of partly known integer tensors.

TensorFlow computes the shapes of reshapes, tiles and slices inside the graph. Following the elements turns most of
that into numbers, and the rest into sizes with the name of a free axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx_ir as ir

from workers.formats.tensorflow.read.dims import Contents, minus, over, plus, product, times
from workers.hub.node import Dim

Known = Sequence[Contents | None]
Follow = Callable[[Known, Mapping[str, Any]], Contents | None]
INTEGERS = (ir.DataType.INT64, ir.DataType.INT32)


def _one(known: Known) -> Contents | None:
    return known[0]


def _elementwise(function: Callable[[Dim, Dim], Dim]) -> Follow:
    def follow(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
        if len(known) != 2 or known[0] is None or known[1] is None:
            return None
        a, b = known[0].items, known[1].items
        count = max(len(a), len(b)) if 0 not in (len(a), len(b)) else 0
        if len(a) not in (1, count) or len(b) not in (1, count):
            return None
        a, b = (a * count if len(a) == 1 else a), (b * count if len(b) == 1 else b)
        return Contents(tuple(map(function, a, b)), known[0].scalar and known[1].scalar)

    return follow


def _extreme(choose: Callable[[int, int], int]) -> Follow:
    """The larger or smaller of two sizes; a free axis has one place at least."""

    def one(a: Dim, b: Dim) -> Dim:
        if isinstance(a, int) and isinstance(b, int):
            return choose(a, b)
        if isinstance(a, int) and isinstance(b, str) and a <= 1:
            return b if choose(0, 1) else a
        if isinstance(b, int) and isinstance(a, str) and b <= 1:
            return a if choose(0, 1) else b
        return a if a is not None and a == b else None

    return _elementwise(one)


def _gather(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data, places = known[0], known[1]
    if data is None or data.scalar or places is None or places.numbers is None:
        return None
    count = len(data.items)
    if any(not -count <= place < count for place in places.numbers):
        return None
    return Contents(tuple(data.items[place] for place in places.numbers), places.scalar)


def _slice(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data = known[0]
    ends = [item.numbers if item is not None else None for item in known[1:3]]
    if data is None or data.scalar or any(item is None or len(item) != 1 for item in ends):
        return None
    steps = known[4].numbers if len(known) > 4 and known[4] is not None else (1,)
    if steps is None or not steps or steps[0] == 0 or ends[0] is None or ends[1] is None:
        return None
    start, stop, step = ends[0][0], ends[1][0], steps[0]
    if step < 0 and stop < -len(data.items):
        return Contents(data.items[start::step])
    return Contents(data.items[start:stop:step])


def _concat(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    if any(item is None or item.scalar for item in known):
        return None
    return Contents(tuple(dim for item in known if item is not None for dim in item.items))


def _unsqueeze(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data = known[0]
    return Contents(data.items) if data is not None and data.scalar else None


def _squeeze(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data = known[0]
    return Contents(data.items, scalar=True) if data is not None and len(data.items) == 1 else None


def _reshape(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data, target = known[0], known[1]
    if data is None or target is None or target.numbers is None or len(target.numbers) > 1:
        return None
    if not target.numbers:
        return Contents(data.items, scalar=True) if len(data.items) == 1 else None
    return Contents(data.items) if target.numbers[0] in (-1, len(data.items)) else None


def _product(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data = known[0]
    if data is None or data.scalar:
        return None
    return Contents((product(data.items),), scalar=not attributes.get("keepdims", 1))


def _expand(known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    data, target = known[0], known[1]
    if data is None or target is None or target.numbers is None or len(target.numbers) != 1:
        return None
    if len(data.items) != 1 or not 0 <= target.numbers[0] <= 64:
        return data if len(data.items) == target.numbers[0] else None
    return Contents(data.items * target.numbers[0])


FOLLOW: dict[str, Follow] = {
    "Identity": lambda known, _: _one(known),
    "Mul": _elementwise(times),
    "Add": _elementwise(plus),
    "Sub": _elementwise(minus),
    "Div": _elementwise(over),
    "Max": _extreme(max),
    "Min": _extreme(min),
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "ReduceProd": _product,
    "Expand": _expand,
}


def follow(op_type: str, known: Known, attributes: Mapping[str, Any]) -> Contents | None:
    """What is known of the node's single output; None when nothing is."""
    if op_type == "Cast":
        return _one(known) if attributes.get("to") in [int(dtype) for dtype in INTEGERS] else None
    rule = FOLLOW.get(op_type)
    return rule(known, attributes) if rule is not None else None
