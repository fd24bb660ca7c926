"""ONNX functions spelt out where they are called: a node for each of the body's, loops and branches included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from workers.hub.graph import Array, GraphBuilder, Value
from workers.hub.node import Dim

# Functions by domain and name, which a body may call.
Library = Mapping[tuple[str, str], onnx.FunctionProto]
Values = dict[str, Value | None]


def spell_out(
    g: GraphBuilder,
    function: onnx.FunctionProto,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, onnx.AttributeProto],
    library: Library | None = None,
) -> list[Value | None]:
    """The function's outputs, in its order; inputs that are not given and attributes without a default are absent."""
    given = {attribute.name: attribute for attribute in function.attribute_proto} | dict(attributes)
    values: Values = {"": None, **dict.fromkeys(function.input), **dict(zip(function.input, inputs, strict=False))}
    _nodes(g, function.node, given, values, library or {})
    return [values[name] for name in function.output]


def _nodes(
    g: GraphBuilder,
    steps: Iterable[onnx.NodeProto],
    given: Mapping[str, onnx.AttributeProto],
    values: Values,
    library: Library,
) -> None:
    for step in steps:
        attributes = dict(_resolved(step, given))
        if step.op_type == "Constant" and step.domain in ("", "ai.onnx"):
            values[step.output[0]] = g.constant(_constant(attributes))
            continue
        inputs = [values[name] for name in step.input]
        called = library.get((step.domain, step.op_type))
        if called is not None:
            outputs: Sequence[Value | None] = spell_out(g, called, inputs, attributes, library)[: len(step.output)]
        else:
            keywords = {name: _attribute(g, a, given, values, library) for name, a in attributes.items()}
            outputs = g.ops(step.op_type, *inputs, outputs=len(step.output), domain=step.domain, **keywords)
        values.update(zip(step.output, outputs, strict=True))


def _resolved(
    step: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]
) -> Iterable[tuple[str, onnx.AttributeProto]]:
    """The node's attributes, those of the function's in place of references to them."""
    for attribute in step.attribute:
        found = given.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
        if found is not None:
            named = onnx.AttributeProto()
            named.CopyFrom(found)
            named.name = attribute.name
            yield attribute.name, named


def _attribute(
    g: GraphBuilder,
    attribute: onnx.AttributeProto,
    given: Mapping[str, onnx.AttributeProto],
    values: Values,
    library: Library,
) -> Any:
    if attribute.type == onnx.AttributeProto.GRAPH:
        return _graph(g, attribute.g, given, values, library)
    return ir.serde.deserialize_attribute(attribute).value


def _graph(
    g: GraphBuilder,
    proto: onnx.GraphProto,
    given: Mapping[str, onnx.AttributeProto],
    values: Values,
    library: Library,
) -> ir.Graph:
    """The body of a loop or branch, which sees the values around it."""
    inner = g.inner(proto.name or "body")
    local = dict(values)
    for entry in proto.input:
        kind = entry.type.tensor_type
        local[entry.name] = inner.input(entry.name, _shape(kind.shape), ir.DataType(kind.elem_type))
    for tensor in proto.initializer:
        local[tensor.name] = inner.weight(tensor.name, onnx.numpy_helper.to_array(tensor))
    _nodes(inner, proto.node, given, local, library)
    for entry in proto.output:
        value = local[entry.name]
        if value is not None:
            inner.output(value, entry.name)
    return inner.graph


def _shape(shape: onnx.TensorShapeProto) -> list[Dim]:
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in shape.dim]


def _constant(attributes: Mapping[str, onnx.AttributeProto]) -> Array:
    ((name, attribute),) = attributes.items()
    value = ir.serde.deserialize_attribute(attribute).value
    if name == "value":
        return np.asarray(value.numpy())
    return np.asarray(value, np.int64 if name in ("value_int", "value_ints") else np.float32)
