"""Which values an input may take, told by what consumes it: an index must lie in its table, a mask is 0 or 1.

The value is followed through operators that only carry it along (Cast, Reshape, Slice, ...) and into the bodies of
Scan and Loop, up to the operators that care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from workers.hub.node import Node
from workers.hub.provenance import layer_type_of

CARRIERS = frozenset({
    "Cast", "CastLike", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Flatten", "Slice", "Expand",
    "Tile", "Split", "Floor", "Ceil", "Round", "Concat", "Clip", "Gather", "GatherElements", "GatherND", "Pad",
})  # fmt: skip
# Operators that read all inputs alike; the others carry their first input only.
CARRY_ALL = frozenset({"Concat"})
INSIDE = frozenset({"Scan", "Loop"})

POSITIVE = frozenset({"Log", "Sqrt"})
UNIT = frozenset({"Acos", "Asin", "Atanh"})
ABOVE_ONE = frozenset({"Acosh"})
LOGICAL = frozenset({"And", "Or", "Xor", "Not"})

# Caffe's recurrent layers multiply their state by an input [T, N]: 0 where a sequence begins, else 1.
RECURRENT_LAYERS = frozenset({"LSTM", "RNN", "LSTMUnit"})
# Inputs that are 0 or 1 by their users' convention, whatever the graph does with them.
MASKS = frozenset({"cont", "seq_cont", "mask", "attention_mask", "input_mask", "padding_mask"})


@dataclass(frozen=True, slots=True)
class Domain:
    """``kind``: free; index, ``low <= i < high``; indicator, 0 or 1; mask, an indicator that is mostly 1; continues, a
    mask along the first axis that begins with 0; positive; unit, inside -1..1; above_one."""

    kind: str = "free"
    low: int = 0
    high: int | None = None
    integral: bool = False


def domain_of(value: ir.Value) -> Domain:
    """The values that every consumer of a graph input can take."""
    lows, highs, integral = [0], list[int](), False
    kinds: set[str] = set()
    for node, index in _consumers(value):
        bound = _bound(node, index)
        if bound is not None:
            lows.append(bound[0])
            highs.append(bound[1])
        kinds.update(_kinds(node, index))
        integral |= node.op == "Cast" and not _is_float(ir.DataType(node.i("to")))
    if _is_continuation(value):
        return Domain("continues")
    if (value.name or "").lower() in MASKS:
        return Domain("mask")
    if "indicator" in kinds:
        return Domain("indicator")
    if highs:
        return Domain("index", max(lows), max(min(highs), max(lows) + 1), True)
    for kind in ("above_one", "unit", "positive"):
        if kind in kinds:
            return Domain(kind)
    return Domain(integral=integral)


def _consumers(value: ir.Value) -> Iterator[tuple[Node, int]]:
    """Every operator that sees the value, itself or carried along, with the index of the input that it comes in by."""
    seen, waiting = {value}, [value]
    while waiting:
        for use in waiting.pop().uses():
            node = Node(use.node)
            yield node, use.idx
            for further in _carried(node, use.idx):
                if further not in seen:
                    seen.add(further)
                    waiting.append(further)


def _carried(node: Node, index: int) -> Iterator[ir.Value]:
    if node.op in INSIDE:
        body = node.graph("body")
        if index < len(body.inputs):
            yield body.inputs[index]
    elif (node.op in CARRIERS and (index == 0 or node.op in CARRY_ALL)) or (node.op == "Where" and index > 0):
        yield from node.outputs


def _kinds(node: Node, index: int) -> Iterator[str]:
    if node.op in LOGICAL or (node.op in ("Where", "If") and index == 0) or _to_bool(node):
        yield "indicator"
    elif index == 0 and node.op in POSITIVE:
        yield "positive"
    elif index == 0 and node.op in UNIT:
        yield "unit"
    elif index == 0 and node.op in ABOVE_ONE:
        yield "above_one"


def _to_bool(node: Node) -> bool:
    return node.op == "Cast" and node.i("to") == ir.DataType.BOOL


# --- bounds of indices ------------------------------------------------------------------------------------------------


def _bound(node: Node, index: int) -> tuple[int, int] | None:
    """low <= i < high for the indices that come in by input ``index``, None where they are no indices."""
    find = BOUNDS.get((node.op, index))
    high = None if find is None else find(node)
    if high is None:
        return None
    return (1, high + 1) if node.op in ("LSTM", "GRU", "RNN") else (0, high)


def _along_axis(node: Node) -> int | None:
    return _size(node, 0, node.i("axis"))


def _size(node: Node, index: int, axis: int) -> int | None:
    shape = node.shape(index)
    if shape is None or not -len(shape) <= axis < len(shape):
        return None
    size = shape[axis]
    return size if isinstance(size, int) else None


def _inner_axes(node: Node) -> int | None:
    """GatherND and ScatterND index several axes at once: the smallest bounds them all."""
    data, indices = node.shape(0), node.shape(1)
    if data is None or not indices or not isinstance(indices[-1], int):
        return None
    first = node.i("batch_dims")
    sizes = [size for size in data[first : first + indices[-1]] if isinstance(size, int)]
    return min(sizes, default=None)


def _depth(node: Node) -> int | None:
    depth = node.const(1)
    return None if depth is None else int(depth.reshape(-1)[0])


def _steps(node: Node) -> int | None:
    return _size(node, 0, 1 if node.i("layout") else 0)


BOUNDS: dict[tuple[str, int], Callable[[Node], int | None]] = {
    ("Gather", 1): _along_axis,
    ("GatherElements", 1): _along_axis,
    ("ScatterElements", 1): _along_axis,
    ("GatherND", 1): _inner_axes,
    ("ScatterND", 1): _inner_axes,
    ("OneHot", 0): _depth,
    ("LSTM", 4): _steps,
    ("GRU", 4): _steps,
    ("RNN", 4): _steps,
}


def _is_continuation(value: ir.Value) -> bool:
    """Caffe's ``cont``: two axes, and nothing but recurrent layers ask for it, by an Unsqueeze each."""
    uses = list(value.uses())
    return (
        len(uses) > 0
        and value.shape is not None
        and len(value.shape) == 2
        and all(use.node.op_type == "Unsqueeze" and layer_type_of(use.node) in RECURRENT_LAYERS for use in uses)
    )


def _is_float(dtype: ir.DataType) -> bool:
    return dtype.is_floating_point()
