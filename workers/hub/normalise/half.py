"""Half precision on request: what float16 can hold computes in it, the rest stays in float32 and is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import onnx
import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.graph import GraphBuilder
from workers.hub.node import Array, constant_of
from workers.hub.normalise.change import changed
from workers.hub.normalise.ranges import peaks
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change

D = ir.DataType
LARGEST, SMALLEST = 65504.0, 2.0**-14
NAMED = 20

# Casts decide types themselves; steps and indices need every integer; quantised values were scaled for float32.
KEPT = frozenset({
    "Cast", "CastLike", "CumSum", "DequantizeLinear", "DynamicQuantizeLinear", "If", "Loop", "NonMaxSuppression",
    "QuantizeLinear", "Range", "RoiAlign", "Scan", "SequenceMap",
})  # fmt: skip


def to_half(model: ir.Model, options: Options) -> list[Change]:
    """Compute in float16 where ``options.precision`` asks for it; graph inputs and outputs keep their types.

    A node stays in float32 when a tensor that it reads or gives goes beyond float16: one of its constants, or, for
    drawn inputs, one that is computed. Both kinds are told by name.
    """
    if options.precision != "float16":
        return []
    reached = peaks(model, options.seed)
    beyond = {node: reason for node in model.graph if (reason := _beyond(node, reached)) is not None}
    edges = _Edges(model.graph)
    stays = {*beyond, *(node for node in model.graph if _is_read_inside(node))}
    halved = []
    for node in list(model.graph):
        if node in stays:
            _read_full(node, edges)
        elif _halve(node, edges):
            halved.append(layer_of(node))
    edges.restore_outputs()
    told = [f"{layer_of(node)!r} ({node.op_type}): {reason}" for node, reason in beyond.items()]
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    detail = f"Values beyond float16, so these nodes stay in float32: {'; '.join(told[:NAMED])}{more}."
    return [
        *changed("float16", "Nodes compute in half precision, as the options ask.", halved),
        *changed("float16-range", detail, [layer_of(node) for node in beyond]),
    ]


def _beyond(node: ir.Node, reached: Mapping[str, float]) -> str | None:
    """Which value of the node float16 cannot hold."""
    for value in (*node.inputs, *node.outputs):
        if value is None or value.dtype is not D.FLOAT:
            continue
        array = constant_of(value)
        peak = _peak(array) if array is not None else reached.get(value.name or "", 0.0)
        if not peak <= LARGEST:
            return f"{value.name!r} reaches {peak:.3g}"
        if array is not None and 0 < peak < SMALLEST:
            return f"{value.name!r} is as small as {peak:.3g}"
    return None


def _is_read_inside(node: ir.Node) -> bool:
    """Whether the body of a loop or branch reads what the node gives: bodies stay in float32."""
    return any(use.node.graph is not node.graph for value in node.outputs for use in value.uses())


def _peak(array: Array) -> float:
    return float(np.abs(array).max()) if array.size else 0.0


class _Edges:
    """Values and their copies in the other precision, one each.

    Nodes come in the graph's order, so what is made in front of the first that needs it is known to all the others.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.builder = GraphBuilder(graph=graph)
        self.copies: dict[ir.Value, ir.Value] = {}
        self.types = [value.type for value in graph.outputs]

    def half(self, value: ir.Value, node: ir.Node) -> ir.Value:
        """``value`` in float16: a converted weight, or a Cast."""
        tensor = value.const_value
        if value not in self.copies and tensor is not None and not value.is_graph_input():
            lazy = ir.LazyTensor(partial(_converted, tensor), dtype=D.FLOAT16, shape=ir.Shape(tensor.shape.numpy()))
            self.copies[value] = self.builder.weight(f"{value.name}.half", lazy)
        return self.copies.get(value) or self.cast(value, node, D.FLOAT16)

    def cast(self, value: ir.Value, node: ir.Node, dtype: ir.DataType) -> ir.Value:
        if value not in self.copies:
            source = value.producer() or node
            g = self.builder.ahead_of(node)
            with g.layer(layer_of(source), layer_type_of(source)):
                self.copies[value] = g.Cast(value, to=dtype.value)
        return self.copies[value]

    def restore_outputs(self) -> None:
        """Graph outputs are float32, under their names."""
        for index, value in enumerate(list(self.graph.outputs)):
            producer = value.producer()
            if value.dtype is not D.FLOAT16 or producer is None or value.type == self.types[index]:
                continue
            name, value.name = value.name, f"{value.name}.half"
            g = GraphBuilder(graph=self.graph)
            with g.layer(layer_of(producer), layer_type_of(producer)):
                restored = g.Cast(value, to=D.FLOAT.value)
            restored.name = name
            self.graph.outputs[index] = restored


def _converted(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    return ir.Tensor(np.asarray(tensor.numpy(), np.float16))


def _halve(node: ir.Node, edges: _Edges) -> bool:
    """Turn the node to float16 as far as its definition lets it; whether anything of it was."""
    variables = set(_variables(node)) if node.domain == "" and node.op_type not in KEPT else set()
    if not variables:
        _read_full(node, edges)
        return False
    schema = onnx.defs.get_schema(node.op_type, OPSET, "")
    for index, value in enumerate(node.inputs):
        formal = schema.inputs[min(index, len(schema.inputs) - 1)].type_str
        if value is not None and formal in variables and value.dtype is D.FLOAT:
            node.replace_input_with(index, edges.half(value, node))
        elif value is not None and formal not in variables and value.dtype is D.FLOAT16:
            node.replace_input_with(index, edges.cast(value, node, D.FLOAT))
    for index, output in enumerate(node.outputs):
        formal = schema.outputs[min(index, len(schema.outputs) - 1)].type_str
        if formal in variables and output.dtype is D.FLOAT:
            output.type = ir.TensorType(D.FLOAT16)
    return True


def _read_full(node: ir.Node, edges: _Edges) -> None:
    for index, value in enumerate(node.inputs):
        if value is not None and value.dtype is D.FLOAT16:
            node.replace_input_with(index, edges.cast(value, node, D.FLOAT))


def _variables(node: ir.Node) -> Iterator[str]:
    """The type variables of the operator that a float32 input binds and that may be float16 as well."""
    schema = onnx.defs.get_schema(node.op_type, OPSET, "")
    allowed = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    for index, value in enumerate(node.inputs):
        formal = schema.inputs[min(index, len(schema.inputs) - 1)].type_str
        if value is not None and value.dtype in (D.FLOAT, D.FLOAT16) and "tensor(float16)" in allowed.get(formal, ()):
            yield formal
