"""Walks over the messages of a ModelProto: every graph, node and tensor, at every place where ONNX may have one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx


def graphs_of(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """All graphs, those nested in nodes included: of the model, its training information and its functions."""
    stack = [model.graph]
    for training in model.training_info:
        stack += [training.initialization, training.algorithm]
    for function in model.functions:
        stack += _inner(function.node)
        stack += _of_attributes(function.attribute_proto)
    while stack:
        graph = stack.pop()
        yield graph
        stack += _inner(graph.node)


def _inner(nodes: Iterable[onnx.NodeProto]) -> list[onnx.GraphProto]:
    return [graph for node in nodes for graph in _of_attributes(node.attribute)]


def _of_attributes(attributes: Iterable[onnx.AttributeProto]) -> list[onnx.GraphProto]:
    found = []
    for attribute in attributes:
        if attribute.HasField("g"):
            found.append(attribute.g)
        found += attribute.graphs
    return found


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of functions and nested graphs included."""
    for graph in graphs_of(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All tensors: initialisers, sparse ones' values and indices, and attributes of every kind."""
    for graph in graphs_of(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from _of_sparse(sparse)
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from _of_attribute(attribute)
    for function in model.functions:
        for attribute in function.attribute_proto:
            yield from _of_attribute(attribute)


def _of_attribute(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from _of_sparse(attribute.sparse_tensor)
    for sparse in attribute.sparse_tensors:
        yield from _of_sparse(sparse)


def _of_sparse(sparse: onnx.SparseTensorProto) -> Iterator[onnx.TensorProto]:
    if sparse.HasField("values"):
        yield sparse.values
    if sparse.HasField("indices"):
        yield sparse.indices
