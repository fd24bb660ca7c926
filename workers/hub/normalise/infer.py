"""Types and shapes of every value, by ONNX's own inference with data propagation, at whatever opset the model is."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from workers.errors import CheckerFailed
from workers.hub.graph import BUILT
from workers.hub.infer import LIKE_INPUT, infer
from workers.hub.propagation import infer_all
from workers.hub.skeleton import checkable
from workers.options import Options
from workers.report.schema import Change


def infer_shapes(model: ir.Model, options: Options) -> list[Change]:
    """Set types and shapes as far as the inputs tell; what was known stays known.

    Recorded shapes that contradict the inferred ones are dropped. Raises CheckerFailed when the inputs themselves do.
    """
    _infer_all(model)
    unknown = [node for node in model.graph.all_nodes() if _is_skipped(node)]
    while unknown:
        for node in unknown:
            infer(node)
        _infer_all(model)
        left = [node for node in unknown if _is_skipped(node)]
        unknown = left if len(left) < len(unknown) else []
    return []


def infer_sources(model: ir.Model, options: Options) -> list[Change]:
    """The same for a model as it was read; nothing for one of the builder's that knows all its types and shapes."""
    built = BUILT in model.meta and not model.functions
    if built and all(_is_known(value) for node in model.graph.all_nodes() for value in node.outputs):
        return []
    return infer_shapes(model, options)


def _is_known(value: ir.Value) -> bool:
    return not value.name or (value.type is not None and value.shape is not None)


def _is_skipped(node: ir.Node) -> bool:
    """An operator that ONNX infers nothing for, and what its input is has become known."""
    if node.op_type not in LIKE_INPUT or node.domain or node.inputs[0] is None:
        return False
    return node.outputs[0].shape is None and node.inputs[0].shape is not None


def _infer_all(model: ir.Model) -> None:
    proto = checkable(model)
    try:
        inferred = infer_all(proto)
    except onnx.shape_inference.InferenceError:
        forget_shapes(model)
        try:
            inferred = infer_all(checkable(model))
        except onnx.shape_inference.InferenceError as error:
            raise CheckerFailed(f"shapes contradict each other: {error}") from error
    _merge(model.graph, inferred.graph)


def infer_strictly(model: ir.Model) -> None:
    """The same, where every node must agree: ``onnx.shape_inference.InferenceError`` names one that does not."""
    _merge(model.graph, infer_all(checkable(model), strict=True).graph)


def forget_shapes(model: ir.Model) -> None:
    """Drop the shapes of everything that is computed by ONNX's own operators, to be inferred afresh.

    Outputs of the model keep their rank: ONNX has them say at least that.
    """
    for graph in model.graphs():
        for node in graph:
            if node.domain == "":
                for value in node.outputs:
                    keep = value.is_graph_output() and value.shape is not None
                    value.shape = ir.Shape([None] * len(value.shape or ())) if keep else None


def _merge(graph: ir.Graph, proto: onnx.GraphProto) -> None:
    values = {value.name: value for node in graph for value in node.outputs if value.name}
    for info in (*proto.value_info, *proto.output):
        value = values.get(info.name)
        if value is None:
            continue
        type_ = ir.serde.deserialize_type_proto_for_type(info.type)
        shape = ir.serde.deserialize_type_proto_for_shape(info.type)
        if type_ is not None:
            value.type = type_
        if shape is not None:
            value.shape = shape
    for node, node_proto in zip(graph, proto.node, strict=True):
        for attribute in node_proto.attribute:
            if attribute.HasField("g"):
                _merge(node.attributes[attribute.name].as_graph(), attribute.g)
            for inner, inner_proto in zip(
                node.attributes[attribute.name].as_graphs() if attribute.graphs else (), attribute.graphs, strict=True
            ):
                _merge(inner, inner_proto)
