"""Layers of NHWC nets stand between Transposes; here these move down through what does not care, until they cancel.

What is left of them stands where the order of the axes is seen: at inputs and outputs, and in front of reshapes. A
dense layer behind a flattened picture gets the columns of its weight exchanged instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.read.layer import Array, Value
from workers.hub.elements import Reordered
from workers.hub.graph import GraphBuilder
from workers.hub.node import constant_of, shape_of
from workers.hub.provenance import layer_of, layer_type_of

# One input counts, the others (limits, scales) are single numbers.
UNARY = frozenset({
    "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Abs", "Neg", "Exp", "Log", "Sqrt", "Floor", "Ceil", "Sign",
    "Erf", "Reciprocal", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Mish", "Identity", "LeakyRelu",
    "Elu", "Selu", "HardSigmoid", "ThresholdedRelu", "Gelu", "Clip", "Cast", "Not", "IsNaN", "QuantizeLinear",
    "DequantizeLinear",
})  # fmt: skip
# All inputs are broadcast against each other.
BROADCAST = frozenset({
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Equal", "Less", "LessOrEqual", "Greater",
    "GreaterOrEqual", "And", "Or", "Xor", "Where", "PRelu", "Mod",
})  # fmt: skip
AXIS = frozenset({"Concat", "Split", "Softmax"})
SMALL = 1 << 20
Origin = tuple[Value, tuple[int, ...]]


def settle(g: GraphBuilder) -> dict[Value, Value]:
    """Move the graph's Transposes down. Returns, for every value that is now made in another order, its Transpose."""
    return _Settler(g).run()


class _Settler:
    def __init__(self, g: GraphBuilder) -> None:
        self.g = g
        self.graph = g.graph
        self.origin: dict[Value, Origin] = {}
        self.turned: dict[Value, Value] = {}

    def run(self) -> dict[Value, Value]:
        for node in list(self.graph):
            if node.domain not in ("", "ai.onnx"):
                continue
            if node.op_type == "Transpose":
                self.transpose(node)
            elif node.op_type in UNARY:
                self.unary(node)
            elif node.op_type in BROADCAST:
                self.broadcast(node)
            elif node.op_type in AXIS:
                self.along(node)
            elif node.op_type in ("Reshape", "Flatten"):
                self.flatten(node)
            elif node.op_type == "Gemm":
                self.dense(node)
        return self.turned

    def source(self, value: Value | None) -> Origin | None:
        return None if value is None else self.origin.get(value)

    # --- nodes --------------------------------------------------------------------------------------------------------

    def transpose(self, node: ir.Node) -> None:
        """Two become one, or none."""
        x, y = node.inputs[0], node.outputs[0]
        if x is None:
            return
        perm = tuple(node.attributes["perm"].as_ints())
        before = self.origin.get(x)
        if before is not None:
            x, perm = before[0], tuple(before[1][axis] for axis in perm)
            if perm == tuple(range(len(perm))):
                y.replace_all_uses_with(x)
                self.turned[y] = x
                for old, new in self.turned.items():
                    if new is y:
                        self.turned[old] = x
                return
            node.replace_input_with(0, x)
            node.attributes["perm"] = ir.AttrInt64s("perm", perm)
        self.origin[y] = (x, perm)

    def unary(self, node: ir.Node) -> None:
        found = self.source(node.inputs[0])
        if found is None or any(value is not None and not _is_number(value) for value in node.inputs[1:]):
            return
        node.replace_input_with(0, found[0])
        self.after(node, found[1])

    def broadcast(self, node: ir.Node) -> None:
        found = [self.source(value) for value in node.inputs]
        perms = {origin[1] for origin in found if origin is not None}
        if len(perms) != 1:
            return
        (perm,) = perms
        constants: dict[int, Array] = {}
        for place, (value, origin) in enumerate(zip(node.inputs, found, strict=True)):
            if origin is not None or value is None:
                continue
            array = constant_of(value)
            if array is None or array.ndim > len(perm) or array.size > SMALL:
                return
            if array.size > 1:
                constants[place] = array
        builder = self.g.ahead_of(node)
        with builder.layer(layer_of(node), layer_type_of(node)):
            for place, origin in enumerate(found):
                if origin is not None:
                    node.replace_input_with(place, origin[0])
            for place, array in constants.items():
                whole = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
                node.replace_input_with(place, builder.constant(np.transpose(whole, np.argsort(perm))))
        self.after(node, perm)

    def along(self, node: ir.Node) -> None:
        """An axis has another number in front of the Transpose."""
        count = 1 if node.op_type != "Concat" else len(node.inputs)
        found = [self.source(value) for value in node.inputs[:count]]
        perms = {origin[1] if origin is not None else None for origin in found}
        (perm,) = perms if len(perms) == 1 else (None,)
        if perm is None or "axis" not in node.attributes:
            return
        axis = node.attributes["axis"].as_int()
        node.attributes["axis"] = ir.AttrInt64("axis", perm[axis if axis >= 0 else axis + len(perm)])
        for place, origin in enumerate(found):
            if origin is not None:
                node.replace_input_with(place, origin[0])
        self.after(node, perm)

    def flatten(self, node: ir.Node) -> None:
        """Where only axes of size 1 were moved, the numbers stand in the same order without that."""
        found = self.source(node.inputs[0])
        if found is None or found[1][0] != 0:
            return
        shape = shape_of(found[0])
        if shape is None:
            return
        moving = [axis for axis in found[1] if shape[axis] != 1]
        if moving == sorted(moving) and _keeps_only_batch(node):
            node.replace_input_with(0, found[0])

    def dense(self, node: ir.Node) -> None:
        """x W^T over a flattened picture: the columns of W in the order in front of the Transpose."""
        flat, weight = node.inputs[0], node.inputs[1]
        reshape = flat.producer() if flat is not None else None
        if flat is None or weight is None or reshape is None or reshape.op_type not in ("Reshape", "Flatten"):
            return
        found = self.source(reshape.inputs[0])
        turned, array = node.attributes.get("transB"), constant_of(weight)
        if found is None or found[1][0] != 0 or array is None or turned is None or turned.as_int() != 1:
            return
        shape = shape_of(found[0])
        inner = [shape[axis] for axis in found[1][1:]] if shape is not None else []
        sizes = [size for size in inner if isinstance(size, int)]
        if not inner or len(sizes) != len(inner) or int(np.prod(sizes)) != array.shape[1]:
            return
        back = [0, *(1 + int(axis) for axis in np.argsort(np.asarray(found[1][1:]) - 1))]
        builder = self.g.ahead_of(node)
        with builder.layer(layer_of(node), layer_type_of(node)):
            plain = builder.Flatten(found[0], axis=1)
            node.replace_input_with(0, plain)
            node.replace_input_with(1, builder.weight(str(weight.name), _columns(array, sizes, back)))

    # --- the Transpose behind a node ----------------------------------------------------------------------------------

    def after(self, node: ir.Node, perm: tuple[int, ...]) -> None:
        """The node's results are now in the order of its sources; for others they are transposed behind it."""
        for value in node.outputs:
            behind = ir.Node("", "Transpose", [], [ir.AttrInt64s("perm", perm)], num_outputs=1)
            behind.metadata_props.update(node.metadata_props)
            y = behind.outputs[0]
            y.name, y.type, y.shape = f"{value.name}_turned", value.type, value.shape
            value.replace_all_uses_with(y)
            behind.resize_inputs(1)
            behind.replace_input_with(0, value)
            self.graph.insert_after(node, behind)
            shape = shape_of(value)
            if shape is not None:
                value.shape = ir.Shape([shape[perm.index(axis)] for axis in range(len(perm))])
            self.origin[y] = (value, perm)
            self.turned[value] = y


def _is_number(value: Value) -> bool:
    return value.const_value is not None and value.const_value.size == 1


def _keeps_only_batch(node: ir.Node) -> bool:
    """Whether a reshape asks for no old size but the first."""
    if node.op_type == "Flatten":
        return "axis" not in node.attributes or node.attributes["axis"].as_int() == 1
    wanted = constant_of(node.inputs[1])
    return wanted is not None and 0 not in wanted.ravel()[1:].tolist()


def _columns(array: Array, sizes: Sequence[int], back: Sequence[int]) -> Reordered:
    """A weight with exchanged columns."""
    return Reordered(
        lambda: array.reshape(-1, *sizes).transpose(back), ir.DataType.from_numpy(array.dtype), array.shape
    )
