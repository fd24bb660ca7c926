"""Layer normalisation as exporters spell it before opset 17."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.fuse.pattern import Match, made_by, near, number, only_reader, sides
from workers.hub.graph import Value
from workers.hub.node import Node, constant_of, shape_of


def layer_norm(node: ir.Node) -> Match | None:
    """``(x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + bias``, over the last axes

    ``node``: the Div, or the Mul by the reciprocal of the root.
    """
    found = _centred(node)
    if found is None:
        return None
    x, axis, epsilon = found
    shape = shape_of(x) or ()
    scaling = only_reader(node.outputs[0], "Mul")
    scale = _weights(scaling, node.outputs[0], shape[axis:])
    if scaling is None or scale is None:
        return None
    adding = only_reader(scaling.outputs[0], "Add")
    bias = _weights(adding, scaling.outputs[0], shape[axis:])
    last = scaling if adding is None or bias is None else adding
    return Match(
        "layer-norm", "A layer normalisation was spelt out.", last,
        lambda g: g.LayerNormalization(x, scale, bias, axis=axis, epsilon=epsilon),
    )  # fmt: skip


def _centred(node: ir.Node) -> tuple[Value, int, float] | None:
    """What is normalised, from which axis on, and the epsilon."""
    pairs = list(sides(node)) if node.op_type == "Mul" else list(sides(node))[:1]
    for centre, divisor in pairs:
        inverse = made_by(divisor, "Reciprocal") if node.op_type == "Mul" else None
        root = made_by(divisor if inverse is None else inverse.inputs[0], "Sqrt")
        if root is None or (node.op_type == "Mul" and inverse is None):
            continue
        add = made_by(root.inputs[0], "Add")
        for variance, small in sides(add) if add is not None else ():
            epsilon, mean = number(small), made_by(variance, "ReduceMean")
            if epsilon is not None and mean is not None:
                found = _of_variance(mean, centre)
                if found is not None:
                    return (*found, epsilon)
    return None


def _of_variance(mean: ir.Node, centre: Value) -> tuple[Value, int] | None:
    square = made_by(mean.inputs[0], "Pow", "Mul")
    axis = _first_axis(mean)
    if square is None or axis is None or square.inputs[0] is not centre:
        return None
    if square.op_type == "Pow":
        uses, fits = 2, near(number(square.inputs[1]), 2.0)
    else:
        uses, fits = 3, square.inputs[1] is centre
    minus = made_by(centre, "Sub", uses=uses)
    if not fits or minus is None or minus.inputs[0] is None:
        return None
    average = made_by(minus.inputs[1], "ReduceMean")
    if average is None or average.inputs[0] is not minus.inputs[0] or _first_axis(average) != axis:
        return None
    return minus.inputs[0], axis


def _first_axis(mean: ir.Node) -> int | None:
    """Where the last axes begin that the mean is over, kept as 1; None for other axes."""
    view = Node(mean)
    axes, rank = view.const(1), view.rank
    if axes is None or not axes.size or rank is None or not view.i("keepdims", 1):
        return None
    places = sorted(int(axis) % rank for axis in axes.reshape(-1))
    return places[0] if places == list(range(places[0], rank)) else None


def _weights(node: ir.Node | None, value: Value, shape: tuple[int | str | None, ...]) -> Value | None:
    """The constant of exactly ``shape`` on the other side of ``node``."""
    for here, other in sides(node) if node is not None else ():
        array = constant_of(other)
        if here is value and array is not None and array.shape == shape and other.dtype == value.dtype:
            return other
    return None
