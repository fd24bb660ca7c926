"""Definitions up to opset 7: explicit broadcasting, in-place hints, types by name; and the experimental operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.normalise.opset.edit import attribute_to_input, refuse, replace, set_input

Adapter = Callable[[GraphBuilder, Node], None]


def without(*names: str) -> Adapter:
    """Attributes that only told what could be done in place, or that one is not training."""

    def adapt(g: GraphBuilder, node: Node) -> None:
        for name in names:
            node.raw.attributes.pop(name, None)

    return adapt


def broadcasting(g: GraphBuilder, node: Node) -> None:
    """``broadcast`` laid the second input on the axes of the first from ``axis`` on, or on the last ones."""
    axis = node.raw.attributes.pop("axis", None)
    spread = node.raw.attributes.pop("broadcast", None)
    if spread is None or not spread.as_int() or axis is None:
        return
    shapes = node.shape(0), node.shape(1)
    if shapes[0] is None or shapes[1] is None:
        raise refuse(node, "it lays its second input on axes from a certain one on, and the ranks are unknown")
    behind = len(shapes[0]) - axis.as_int() % len(shapes[0]) - len(shapes[1])
    if behind < 0:
        raise refuse(node, "its second input has more axes than the first has from there on")
    if behind:
        axes = list(range(len(shapes[1]), len(shapes[1]) + behind))
        set_input(node, 1, g.Unsqueeze(node.x(1), axes))


def prelu(g: GraphBuilder, node: Node) -> None:
    """One slope a channel lay on axis 1; since opset 7 it is broadcast from the last axis on."""
    rank, slope = node.rank, node.shape(1)
    if slope is None or rank is None:
        raise refuse(node, "the ranks of its input and of its slopes are unknown")
    if len(slope) == 1 and slope[0] != 1 and rank > 2:
        set_input(node, 1, g.Unsqueeze(node.x(1), list(range(1, rank - 1))))


def cast(g: GraphBuilder, node: Node) -> None:
    """The element type stood there by its name."""
    name = node.s("to").upper()
    try:
        node.raw.attributes.add(ir.AttrInt64("to", ir.DataType[name].value))
    except KeyError as error:
        raise refuse(node, f"{name!r} is no element type") from error


def concat(g: GraphBuilder, node: Node) -> None:
    node.raw.attributes.setdefault("axis", ir.AttrInt64("axis", 1))


def pad(g: GraphBuilder, node: Node) -> None:
    paddings = node.raw.attributes.pop("paddings", None)
    if paddings is not None:
        node.raw.attributes.add(ir.AttrInt64s("pads", list(paddings.as_ints())))


def reshape(g: GraphBuilder, node: Node) -> None:
    attribute_to_input(g, node, "shape", 1, np.int64)


def whole_power(g: GraphBuilder, node: Node) -> None:
    power = node.raw.attributes.pop("p", None)
    if power is not None and power.as_float() != int(power.as_float()):
        raise refuse(node, f"p = {power.as_float():g} is no integer, which opset 2 asks for")
    if power is not None:
        node.raw.attributes.add(ir.AttrInt64("p", int(power.as_float())))


def selu(g: GraphBuilder, node: Node) -> None:
    """The defaults had fewer digits."""
    for name, value in (("alpha", 1.6732), ("gamma", 1.0507)):
        node.raw.attributes.setdefault(name, ir.AttrFloat32(name, value))


def tile(g: GraphBuilder, node: Node) -> None:
    """One axis was repeated; since opset 6 every axis has its number."""
    tiles, axis, rank = node.const(1), node.const(2), node.rank
    if tiles is None or axis is None or rank is None:
        raise refuse(node, "the axis that it repeats, and how often, are computed at run time")
    repeats = np.ones(rank, np.int64)
    repeats[int(axis.reshape(-1)[0])] = int(tiles.reshape(-1)[0])
    node.raw.resize_inputs(2)
    set_input(node, 1, g.constant(repeats))


def upsample(g: GraphBuilder, node: Node) -> None:
    height, width = (node.raw.attributes.pop(f"{name}_scale", None) for name in ("height", "width"))
    if height is not None and width is not None:
        node.raw.attributes.add(ir.AttrFloat32s("scales", [1.0, 1.0, height.as_float(), width.as_float()]))


# --- experimental operators, withdrawn with onnx 1.5 ------------------------------------------------------------------


def affine(g: GraphBuilder, node: Node) -> None:
    """``alpha * x + beta``"""
    replace(node, g.Add(g.Mul(node.x(), np.float32(node.f("alpha", 1.0))), np.float32(node.f("beta", 0.0))))


def image_scaler(g: GraphBuilder, node: Node) -> None:
    """``scale * x + bias``, one bias a channel"""
    bias = np.asarray(node.floats("bias"), np.float32).reshape(1, -1, 1, 1)
    replace(node, g.Add(g.Mul(node.x(), np.float32(node.f("scale", 1.0))), bias))


def parametric_softplus(g: GraphBuilder, node: Node) -> None:
    """``alpha * log(exp(beta * x) + 1)``"""
    soft = g.Softplus(g.Mul(node.x(), np.float32(node.f("beta"))))
    replace(node, g.Mul(soft, np.float32(node.f("alpha"))))


def scaled_tanh(g: GraphBuilder, node: Node) -> None:
    """``alpha * tanh(beta * x)``"""
    replace(node, g.Mul(g.Tanh(g.Mul(node.x(), np.float32(node.f("beta")))), np.float32(node.f("alpha"))))


def scale(g: GraphBuilder, node: Node) -> None:
    replace(node, g.Mul(node.x(), np.float32(node.f("scale", 1.0))))


def crop(g: GraphBuilder, node: Node) -> None:
    """``border``: left, top, right, bottom of what goes; ``scale``: height and width of what stays instead."""
    left, top, right, bottom = node.ints("border")
    height, width = node.ints("scale", (0, 0))
    ends = [top + height, left + width] if node.has("scale") else [-bottom or 2**62, -right or 2**62]
    replace(node, g.Slice(node.x(), [top, left], ends, [2, 3]))


IN_PLACE = ("Abs", "Add", "BatchNormalization", "Ceil", "Clip", "Div", "Dropout", "Elu", "Exp", "Floor", "HardSigmoid",
            "InstanceNormalization", "LeakyRelu", "Log", "Max", "Mean", "Min", "Mul", "Neg", "PRelu", "Reciprocal",
            "Relu", "Reshape", "Selu", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh")  # fmt: skip
BROADCASTING = ("Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor")

CHANGED: tuple[tuple[str, int, Adapter], ...] = (
    *((op, 6, without("consumed_inputs")) for op in IN_PLACE),
    *((op, 7, broadcasting) for op in BROADCASTING),
    *((op, 7, without("output_sequence")) for op in ("GRU", "LSTM", "RNN")),
    ("Gemm", 7, without("broadcast")),
    ("BatchNormalization", 7, without("is_test")),
    ("Dropout", 7, without("is_test")),
    ("PRelu", 7, prelu),
    ("Cast", 6, cast),
    ("Concat", 4, concat),
    ("Pad", 2, pad),
    ("Reshape", 5, reshape),
    ("LpPool", 2, whole_power),
    ("GlobalLpPool", 2, whole_power),
    ("Selu", 6, selu),
    ("Tile", 6, tile),
    ("Upsample", 7, upsample),
    ("Affine", OPSET, affine),
    ("ImageScaler", OPSET, image_scaler),
    ("ParametricSoftplus", OPSET, parametric_softplus),
    ("ScaledTanh", OPSET, scaled_tanh),
    ("Scale", OPSET, scale),
    ("Crop", OPSET, crop),
)

ADAPTERS: dict[str, tuple[tuple[int, Adapter], ...]] = {
    op: tuple((since, adapt) for name, since, adapt in CHANGED if name == op) for op in {name for name, _, _ in CHANGED}
}
