"""Arrays of tensors: lists while every index is known, sequences of ONNX where a loop fills them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from workers.formats.dims import whole
from workers.formats.paddle.read.layer import F32, I32, I64, Held, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, scalar
from workers.hub.graph import GraphBuilder

LONGEST = 100_000


def as_sequence(g: GraphBuilder, layer: Layer, held: Held, name: str) -> Value:
    """An array as a sequence; an empty one has the element type that the program declares."""
    if isinstance(held, ir.Value):
        return held
    if not isinstance(held, list):
        raise layer.unsupported("an array of its loop comes from a branch not taken")
    var = layer.scope.program.vars.get(name)
    dtype = held[0].dtype if held else (var.dtype if var is not None else None) or F32
    made = g.SequenceConstruct(*held) if held else g.SequenceEmpty(dtype=int(dtype))
    made.type = ir.SequenceType(ir.TensorType(dtype))
    return made


def place_of(layer: Layer, slot: str = "I") -> int | None:
    """The index, if it is known."""
    known = contents(layer, layer.x(slot))
    found = whole(known) if known is not None else None
    return found[0] if found is not None and len(found) == 1 else None


@reads("create_array")
def create_array(g: GraphBuilder, layer: Layer) -> Mapping[str, list[Held]]:
    return {"Out": [[]]}


@reads("write_to_array")
def write_to_array(g: GraphBuilder, layer: Layer) -> Mapping[str, list[Held]]:
    """At an index: in place of what is there, or behind the last."""
    x = layer.x()
    target = layer.op.inputs.get("Array") or layer.op.outputs.get("Out", [])
    if len(target) != 1:
        raise layer.malformed(f"it writes to {len(target)} arrays")
    held = layer.env.find(target[0])
    held = [] if held is None else held
    place = place_of(layer)
    if isinstance(held, list) and place is not None:
        if not 0 <= place <= min(len(held), LONGEST):
            raise layer.malformed(f"it writes at {place} of an array of {len(held)}")
        found: Held = [*held[:place], x, *held[place + 1 :]]
    else:
        found = _inserted(g, layer, as_sequence(g, layer, held, target[0]), x)
    return {"Out": [found]}


def _inserted(g: GraphBuilder, layer: Layer, sequence: Value, x: Value) -> Value:
    """Where the index is the length, behind the last; else the old element goes."""
    kind = ir.SequenceType(ir.TensorType(x.dtype or F32))
    index = scalar(g, cast(g, layer.x("I"), I64))
    inside = g.Less(index, g.SequenceLength(sequence))
    branches = []
    for word in ("then", "else"):
        inner = g.inner(f"{layer.name}_{word}")
        shorter = inner.SequenceErase(sequence, index) if word == "then" else sequence
        longer = inner.SequenceInsert(shorter, x, index)
        longer.type = kind
        inner.output(longer)
        branches.append(inner.graph)
    result = g.If(inside, then_branch=branches[0], else_branch=branches[1])
    result.type = kind
    return result


@reads("read_from_array")
def read_from_array(g: GraphBuilder, layer: Layer) -> Value:
    held, place = layer.only("X"), place_of(layer)
    if isinstance(held, list) and place is not None:
        if not -len(held) <= place < len(held):
            raise layer.malformed(f"it reads at {place} of an array of {len(held)}")
        return g.Identity(held[place])
    sequence = as_sequence(g, layer, held, layer.op.inputs["X"][0])
    value = g.SequenceAt(sequence, scalar(g, cast(g, layer.x("I"), I64)))
    value.type = ir.TensorType(sequence.dtype or F32)
    if isinstance(held, list) and held and all(layer.shape(one) == layer.shape(held[0]) for one in held):
        value.shape = held[0].shape
    return value


@reads("lod_array_length")
def lod_array_length(g: GraphBuilder, layer: Layer) -> Value:
    held = layer.only("X")
    if isinstance(held, list):
        return g.constant(np.asarray([len(held)], np.int64))
    return g.Reshape(g.SequenceLength(held), [1])


@reads("tensor_array_to_tensor")
def tensor_array_to_tensor(g: GraphBuilder, layer: Layer) -> Mapping[str, Value]:
    """Joined or stacked along an axis, with the sizes of the parts."""
    held, axis, stacked = layer.only("X"), layer.integer("axis", 0), layer.flag("use_stack")
    if isinstance(held, list):
        if not held:
            raise layer.malformed("its array is empty")
        parts = [g.Unsqueeze(x, [axis]) for x in held] if stacked else held
        y = g.Concat(*parts, axis=axis)
        sizes = [1] * len(held) if stacked else [layer.size(x, axis) for x in held] if layer.wants("OutIndex") else []
        return {"Out": y, "OutIndex": g.constant(np.asarray(sizes, np.int32))}
    y = g.ConcatFromSequence(held, axis=axis, new_axis=int(stacked))
    y.type = ir.TensorType(held.dtype or F32)
    ones = g.Expand(np.asarray(1, np.int32), g.Reshape(g.SequenceLength(held), [1]))
    return {"Out": y, "OutIndex": cast(g, ones, I32)}
