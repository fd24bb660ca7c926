"""The model without its weights: what ONNX's own C++ functions, which copy whatever they are given, may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import onnx
import onnx_ir as ir

from workers.hub.wire import LARGE

Stub = Callable[[ir.TensorProtocol, str], ir.TensorProtocol]


def byte_size(tensor: ir.TensorProtocol) -> int:
    """Bytes of the tensor's raw data; sub-byte elements are packed."""
    return (tensor.size * tensor.dtype.bitwidth + 7) // 8


def is_large(tensor: ir.TensorProtocol | None) -> bool:
    return tensor is not None and tensor.dtype != ir.DataType.STRING and byte_size(tensor) >= LARGE


def all_graphs(model: ir.Model) -> Iterator[ir.Graph]:
    """Every graph: of the model, of its functions, and those nested in them."""
    yield from model.graphs()
    for function in model.functions.values():
        yield function.graph
        yield from function.graph.subgraphs()


@contextmanager
def stubbed(model: ir.Model, stub: Stub) -> Iterator[None]:
    """Inside, every large tensor of the model (initialisers and attributes, at any depth) is what ``stub`` made of it.

    ``stub(tensor, name)`` is called in the model's order; on leaving, the tensors are back in place.
    """
    values: list[tuple[ir.Value, ir.TensorProtocol]] = []
    attributes: list[tuple[ir.Node, ir.Attr]] = []
    try:
        for graph in all_graphs(model):
            for value in graph.initializers.values():
                tensor = value.const_value
                if tensor is not None and is_large(tensor):
                    values.append((value, tensor))
                    value.const_value = stub(tensor, value.name or "")
            for node in graph:
                for attr in list(node.attributes.values()):
                    if attr.type == ir.AttributeType.TENSOR and not attr.is_ref() and is_large(attr.as_tensor()):
                        attributes.append((node, attr))
                        name = attr.as_tensor().name or ""
                        node.attributes[attr.name] = ir.AttrTensor(attr.name, stub(attr.as_tensor(), name))
        yield
    finally:
        for value, tensor in values:
            value.const_value = tensor
        for node, attr in attributes:
            node.attributes[attr.name] = attr


def external(tensor: ir.TensorProtocol, name: str, location: str, offset: int, length: int | None) -> ir.TensorProtocol:
    """A tensor that says where its data lies instead of having it."""
    shape = ir.Shape(tensor.shape.numpy())
    return ir.ExternalTensor(
        location, offset, length, tensor.dtype, shape=shape, name=name, doc_string=tensor.doc_string
    )


def skeleton(model: ir.Model) -> onnx.ModelProto:
    """The model with large tensors as external stubs that lie nowhere: for shape inference and graph surgery."""
    with stubbed(model, lambda tensor, name: external(tensor, name, "weights", 0, None)):
        return serialized(model)


def checkable(model: ir.Model) -> onnx.ModelProto:
    """The model with its large initialisers as graph inputs: the checker accepts those without looking for data."""
    proto = skeleton(model)
    _initializers_to_inputs(proto.graph)
    return proto


def _initializers_to_inputs(graph: onnx.GraphProto) -> None:
    have = {value.name for value in graph.input}
    kept = []
    for tensor in graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            kept.append(tensor)
        elif tensor.name not in have:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    del graph.initializer[:]
    graph.initializer.extend(kept)


def serialized(model: ir.Model) -> onnx.ModelProto:
    """``model`` as a ModelProto in one canonical order: opset imports and metadata sorted, no types of initialisers."""
    with _untyped(model.graph):
        proto = ir.serde.serialize_model(model)
    imports = sorted(proto.opset_import, key=lambda opset: opset.domain)
    del proto.opset_import[:]
    proto.opset_import.extend(imports)
    return proto


@contextmanager
def _untyped(graph: ir.Graph) -> Iterator[None]:
    """Inside, initialisers have nothing that value_info would repeat: their tensors carry their types themselves."""
    hidden = [
        (value, value.type, value.shape, value.doc_string, dict(value.metadata_props))
        for value in graph.initializers.values()
        if not value.is_graph_input()
    ]
    try:
        for value, *_ in hidden:
            value.type = value.shape = value.doc_string = None
            value.metadata_props.clear()
        yield
    finally:
        for value, type_, shape, text, properties in hidden:
            value.type, value.shape, value.doc_string = type_, shape, text
            value.metadata_props.update(properties)
