"""Attributes of an ONNX file have the type that tells their field; files of the first IR version named none."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto

from workers.errors import MalformedModel
from workers.hub.protos import nodes_of

ONE = {AttributeProto.FLOAT: "f", AttributeProto.INT: "i", AttributeProto.STRING: "s", AttributeProto.TENSOR: "t",
       AttributeProto.GRAPH: "g", AttributeProto.SPARSE_TENSOR: "sparse_tensor",
       AttributeProto.TYPE_PROTO: "tp"}  # fmt: skip
MANY = {AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints", AttributeProto.STRINGS: "strings",
        AttributeProto.TENSORS: "tensors", AttributeProto.GRAPHS: "graphs",
        AttributeProto.SPARSE_TENSORS: "sparse_tensors", AttributeProto.TYPE_PROTOS: "type_protos"}  # fmt: skip
# Numbers and texts that are not there are zero and empty; there is no such message.
MESSAGES = {kind: ONE[kind] for kind in (AttributeProto.TENSOR, AttributeProto.GRAPH, AttributeProto.SPARSE_TENSOR,
                                         AttributeProto.TYPE_PROTO)}  # fmt: skip
GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
Owner = onnx.NodeProto | onnx.FunctionProto


def settle_types(proto: onnx.ModelProto, file: str) -> None:
    """Give every attribute without a type that of its field, in place.

    Raises MalformedModel naming the node and the attribute that has no or several fields, or none of its type.
    """
    for owner, attribute in _attributes(proto):
        kind = attribute.type
        if kind in MESSAGES and not attribute.ref_attr_name and not attribute.HasField(MESSAGES[kind]):
            raise MalformedModel(f"the attribute {attribute.name!r} of {_named(owner)} is empty", file=file)
        if kind in GRAPHS and attribute.ref_attr_name:
            raise MalformedModel(f"the attribute {attribute.name!r} of {_named(owner)} refers to a graph", file=file)
        if kind == AttributeProto.UNDEFINED:
            found = [kind for kind, name in ONE.items() if attribute.HasField(name)]
            found += [kind for kind, name in MANY.items() if len(getattr(attribute, name))]
            if len(found) != 1:
                raise MalformedModel(f"the attribute {attribute.name!r} of {_named(owner)} has no type", file=file)
            attribute.type = found[0]


def _attributes(proto: onnx.ModelProto) -> Iterator[tuple[Owner, AttributeProto]]:
    for node in nodes_of(proto):
        for attribute in node.attribute:
            yield node, attribute
    for function in proto.functions:
        for attribute in function.attribute_proto:
            yield function, attribute


def _named(owner: Owner) -> str:
    if isinstance(owner, onnx.FunctionProto):
        return f"the function {owner.name!r}"
    return f"{owner.name or next(iter(owner.output), '')!r} ({owner.op_type})"
