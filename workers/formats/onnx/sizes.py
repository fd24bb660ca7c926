"""Sizes that a file declares for its values: -1 is how several exporters write a free axis, as onnxruntime reads it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.contract import Note
from workers.hub.protos import graphs_of
from workers.inspect.budget import BUDGET


def free_axes(proto: onnx.ModelProto, file: str) -> list[Note]:
    """Take -1 among the sizes for a free axis, in place; what is said of computed values is dropped where it is wrong.

    ONNX's own shape inference may abort the process on a negative size. Raises MalformedModel or LimitExceeded naming
    an input of another negative size, or of more elements than any value may have.
    """
    freed = [name for entry in proto.graph.input if (name := _free(entry, file))]
    for graph in graphs_of(proto):
        computed = (*graph.output, *graph.value_info, *(graph.input if graph is not proto.graph else ()))
        _forget(computed)
    for function in proto.functions:
        _forget(tuple(function.value_info))
    if not freed:
        return []
    names = ", ".join(map(repr, dict.fromkeys(freed)))
    return [Note("free-axes", f"sizes of -1 were taken for free axes: of {names}", freed[0])]


def _free(entry: onnx.ValueInfoProto, file: str) -> str | None:
    """The input's name when it had an axis of -1."""
    freed = False
    for shape in _shapes(entry.type):
        elements = 1
        for dim in shape.dim:
            if dim.dim_value < -1:
                raise MalformedModel(
                    f"the input {entry.name!r} has the size {dim.dim_value}", file=file, layer=entry.name
                )
            if dim.dim_value == -1:
                dim.Clear()
                freed = True
            elements *= dim.dim_value if dim.HasField("dim_value") else 1
        if elements > BUDGET.value:
            raise LimitExceeded(
                "memory",
                f"the input {entry.name!r} would have {elements:,} elements",
                limit=BUDGET.value,
                file=file,
                layer=entry.name,
            )
    return entry.name if freed else None


def _forget(entries: tuple[onnx.ValueInfoProto, ...]) -> None:
    for entry in entries:
        for shape in _shapes(entry.type):
            for dim in shape.dim:
                if dim.dim_value < 0:
                    dim.Clear()


def _shapes(type_: onnx.TypeProto) -> Iterator[onnx.TensorShapeProto]:
    """The shape of a tensor, and of those in a sequence or optional."""
    kind = type_.WhichOneof("value")
    if kind in ("tensor_type", "sparse_tensor_type"):
        yield getattr(type_, kind).shape
    elif kind in ("sequence_type", "optional_type"):
        yield from _shapes(getattr(type_, kind).elem_type)
