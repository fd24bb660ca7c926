"""Small integers that the graph computes from shapes, as far as the shapes are fixed: sizes, bounds, counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.hub.graph import GraphBuilder, Value

DEPTH, ITEMS = 64, 4096
_BINARY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum, "Min": np.minimum}


def known(value: Value, depth: int = 0) -> Any:
    """The value as an array whose free sizes are None; None where it does not come from shapes and constants."""
    constant = GraphBuilder.const(value) if value.is_initializer() else None
    if constant is not None:
        return constant if constant.size <= ITEMS else None
    node = value.producer()
    if node is None or depth > DEPTH:
        return None
    if node.op_type == "Shape" and node.inputs[0] is not None and node.inputs[0].shape is not None:
        dims = [dim if isinstance(dim, int) else None for dim in GraphBuilder.shape(node.inputs[0])]
        ends = [node.attributes[key].as_int() if key in node.attributes else None for key in ("start", "end")]
        return np.asarray(dims[slice(*ends)], object)
    operands = [known(item, depth + 1) for item in node.inputs if item is not None]
    if any(item is None for item in operands):
        return None
    try:
        return _computed(node.op_type, operands, node.attributes)
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None


def _computed(operator: str, xs: list[Any], attributes: Any) -> Any:
    """numpy's counterpart; None among the operands of arithmetic is a TypeError."""
    if operator in _BINARY:
        return _BINARY[operator](*xs)
    if operator in ("Cast", "Identity"):
        return xs[0]
    if operator == "Div":
        return np.floor_divide(*xs)
    if operator == "Concat":
        return np.concatenate(xs, axis=attributes["axis"].as_int())
    if operator == "Gather":
        return np.take(xs[0], np.asarray(xs[1], np.int64), axis=attributes["axis"].as_int())
    if operator == "Reshape":
        return np.reshape(xs[0], [int(size) for size in xs[1]])
    if operator == "Squeeze":
        return np.squeeze(xs[0], tuple(int(axis) for axis in xs[1])) if len(xs) > 1 else np.squeeze(xs[0])
    if operator == "Unsqueeze":
        return np.expand_dims(xs[0], tuple(int(axis) for axis in xs[1]))
    if operator == "Slice" and all(axis == 0 for axis in xs[3]):
        step = int(xs[4][0]) if len(xs) > 4 else 1
        last = int(xs[2][0])
        return xs[0][slice(int(xs[1][0]), None if abs(last) > 1 << 40 else last, step)]
    return None


def fixed(value: Value) -> Any:
    """The value as nested lists of integers, None where a part of it is free."""
    found = known(value)
    if found is None or any(item is None for item in np.asarray(found, object).reshape(-1)):
        return None
    return np.asarray(found).tolist()
