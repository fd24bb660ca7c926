"""Moving operators in front of a transpose: ``op(transpose(u))`` becomes ``transpose(op'(u))``.

``perm`` of a turned value v: axis i of v is axis perm[i] of u. A function here returns the turned results, or None
when the operator cannot be moved; then it reads the transpose itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.formats.tensorflow.read.builder import Builder, Sink
from workers.hub.graph import Value
from workers.hub.node import Dim, shape_of

Perm = tuple[int, ...]
Results = list[Value] | None
Values = list["Value | None"]


def inverse(perm: Sequence[int]) -> Perm:
    return tuple(int(axis) for axis in np.argsort(perm))


def unary(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    """One tensor, and besides it only scalars."""
    x = values[0]
    if x is None or x not in b.turned or outputs != 1:
        return None
    if any(value is not None and shape_of(value) not in ((), (1,)) for value in values[1:]):
        return None
    source, perm = b.turned[x]
    return [b.turn(b.op(op_type, source, *values[1:], **attributes), perm)]


def broadcast(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    """Elementwise over several tensors: all are brought into the layout of the first turned one."""
    first = next((value for value in values if value is not None and value in b.turned), None)
    if first is None or outputs != 1:
        return None
    perm = b.turned[first][1]
    moved = []
    for value in values:
        if value is None:
            return None
        other = _in_layout(b, value, perm)
        if other is None:
            return None
        moved.append(other)
    return [b.turn(b.op(op_type, *moved, **attributes), perm)]


def _in_layout(b: Builder, value: Value, perm: Perm) -> Value | None:
    """``value`` with its axes in the order of the turned source; None when it has more axes or is of unknown rank."""
    if value in b.turned and b.turned[value][1] == perm:
        return b.turned[value][0]
    shape = shape_of(value)
    if shape is None or len(shape) > len(perm):
        return None
    if len(shape) == 0:
        return value
    missing = len(perm) - len(shape)
    if missing:
        if b.is_const(value):
            value = b.Reshape(value, [1] * missing + [int(dim) for dim in shape if isinstance(dim, int)])
        else:
            value = b.Unsqueeze(value, list(range(missing)))
    full: list[Dim] = [*[1] * missing, *shape]
    back = inverse(perm)
    if all(size == 1 for size in full):
        return value
    moving = [axis for axis, size in enumerate(full) if size != 1]
    if not b.is_const(value) and [back.index(axis) for axis in moving] == sorted(back.index(axis) for axis in moving):
        free = sum(not isinstance(size, int) for size in full)
        if free <= 1:
            return b.Reshape(value, [d if isinstance(d, int) else -1 for d in (full[axis] for axis in back)])
    return b.Transpose(value, perm=list(back))


def concat(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    first = next(value for value in values if value is not None and value in b.turned)
    perm = b.turned[first][1]
    moved = []
    for value in values:
        shape = shape_of(value) if value is not None else None
        if value is None or shape is None or len(shape) != len(perm):
            return None
        if value in b.turned and b.turned[value][1] == perm:
            moved.append(b.turned[value][0])
        else:
            moved.append(b.Transpose(value, perm=list(inverse(perm))))
    axis = perm[int(attributes["axis"]) % len(perm)]
    return [b.turn(b.Concat(*moved, axis=axis), perm)]


def split(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    if x is None or x not in b.turned:
        return None
    source, perm = b.turned[x]
    axis = perm[int(attributes.get("axis", 0)) % len(perm)]
    parts = b.ops("Split", source, *values[1:], outputs=outputs, **{**attributes, "axis": axis})
    return [b.turn(part, perm) for part in parts]


def pad(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    if x is None or x not in b.turned or values[1] is None or (len(values) > 3 and values[3] is not None):
        return None
    source, perm = b.turned[x]
    rank = len(perm)
    if shape_of(values[1]) != (2 * rank,):
        return None
    back = inverse(perm)
    moved = b.Gather(values[1], np.array([*back, *(rank + axis for axis in back)], np.int64), axis=0)
    return [b.turn(b.op("Pad", source, moved, *values[2:], **attributes), perm)]


def _after(perm: Perm, gone: set[int]) -> Perm:
    """The permutation of the axes that are left when these (of the turned value) are gone."""
    left = [perm[axis] for axis in range(len(perm)) if axis not in gone]
    order = sorted(left)
    return tuple(order.index(axis) for axis in left)


def _dropped(b: Builder, result: Value, perm: Perm, gone: set[int]) -> Value:
    rest = _after(perm, gone)
    return result if rest == tuple(range(len(rest))) else b.turn(result, rest)


def reduce(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    axes = b.numbers(values[1]) if len(values) > 1 else None
    if x is None or x not in b.turned or axes is None or not axes:
        return None
    source, perm = b.turned[x]
    gone = {axis % len(perm) for axis in axes}
    result = b.op(op_type, source, sorted(perm[axis] for axis in gone), **attributes)
    if attributes.get("keepdims", 1):
        return [b.turn(result, perm)]
    return [_dropped(b, result, perm, gone)]


def arg(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    if x is None or x not in b.turned:
        return None
    source, perm = b.turned[x]
    axis = int(attributes.get("axis", 0)) % len(perm)
    result = b.op(op_type, source, **{**attributes, "axis": perm[axis]})
    return [b.turn(result, perm) if attributes.get("keepdims", 1) else _dropped(b, result, perm, {axis})]


def along(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    """An operator along one axis that keeps the shape."""
    x = values[0]
    if x is None or x not in b.turned:
        return None
    source, perm = b.turned[x]
    axis = perm[int(attributes.get("axis", -1)) % len(perm)]
    return [b.turn(b.op(op_type, source, *values[1:], **{**attributes, "axis": axis}), perm)]


def slice_(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    axes = b.numbers(values[3]) if len(values) > 3 else None
    if x is None or x not in b.turned or axes is None:
        return None
    source, perm = b.turned[x]
    moved = [perm[axis % len(perm)] for axis in axes]
    return [b.turn(b.op("Slice", source, *values[1:3], moved, *values[4:]), perm)]


def gather(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x, places = values[0], values[1]
    if x is None or x not in b.turned or places is None:
        return None
    shape = shape_of(places)
    if shape is None or len(shape) > 1:
        return None
    source, perm = b.turned[x]
    axis = int(attributes.get("axis", 0)) % len(perm)
    result = b.Gather(source, places, axis=perm[axis])
    return [b.turn(result, perm) if len(shape) else _dropped(b, result, perm, {axis})]


def squeeze(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    axes = b.numbers(values[1]) if len(values) > 1 else None
    if x is None or x not in b.turned or axes is None:
        return None
    source, perm = b.turned[x]
    gone = {axis % len(perm) for axis in axes}
    return [_dropped(b, b.Squeeze(source, sorted(perm[axis] for axis in gone)), perm, gone)]


def unsqueeze(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    """One new axis, put in front of the axis that it stands in front of."""
    x = values[0]
    axes = b.numbers(values[1]) if len(values) > 1 else None
    if x is None or x not in b.turned or axes is None or len(axes) != 1:
        return None
    source, perm = b.turned[x]
    axis = axes[0] % (len(perm) + 1)
    place = perm[axis] if axis < len(perm) else len(perm)
    moved = [old + (old >= place) for old in perm]
    return [b.turn(b.Unsqueeze(source, [place]), [*moved[:axis], place, *moved[axis:]])]


def reshape(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    """Where only axes of size 1 moved, the data lie in the same order, and the transpose is not needed."""
    x = values[0]
    if x is None or x not in b.turned or 0 in (b.numbers(values[1]) or (0,)):
        return None
    source, perm = b.turned[x]
    sizes = shape_of(source)
    if sizes is None:
        return None
    moving = [axis for axis in perm if sizes[axis] != 1]
    return [b.Reshape(source, values[1])] if moving == sorted(moving) else None


def shape(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    if x is None or x not in b.turned:
        return None
    source, perm = b.turned[x]
    whole = b.Shape(source)
    return [b.Gather(whole, np.array(perm[attributes.get("start", 0) : attributes.get("end")], np.int64), axis=0)]


def tile(b: Builder, op_type: str, values: Values, outputs: int, attributes: Mapping[str, Any]) -> Results:
    x = values[0]
    counts = b.numbers(values[1])
    if x is None or x not in b.turned or counts is None:
        return None
    source, perm = b.turned[x]
    if len(counts) != len(perm):
        return None
    return [b.turn(b.op(op_type, source, [counts[axis] for axis in inverse(perm)]), perm)]


_UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil", "Celu", "Clip", "Cos",
    "Cosh", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN",
    "LeakyRelu", "Log", "Mish", "Neg", "Not", "QuantizeLinear", "DequantizeLinear", "Reciprocal", "Relu", "Round",
    "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
_BROADCAST = (
    "Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "PRelu", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
_REDUCE = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
)  # fmt: skip
SINKS: dict[str, Sink] = {
    **dict.fromkeys(_UNARY, unary),
    **dict.fromkeys(_BROADCAST, broadcast),
    **dict.fromkeys(_REDUCE, reduce),
    "ArgMax": arg, "ArgMin": arg, "Softmax": along, "LogSoftmax": along, "Concat": concat, "Split": split, "Pad": pad,
    "Slice": slice_, "Gather": gather, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Reshape": reshape, "Shape": shape,
    "Tile": tile, "Expand": tile,
}  # fmt: skip
