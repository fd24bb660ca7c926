"""Re-spelling nodes of opset 21 for an older opset, where only the spelling changed.

Three kinds of change: parameters that were attributes before they became inputs (``AS_ATTRIBUTES``), attributes that
did not exist yet and may go as long as they hold their default, and operators whose meaning changed (``MEANING``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.schemas import untaken_type

Reason = str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Input ``index`` was the attribute ``name`` before opset ``since``; ``scalar``: one number, ``real``: a float."""

    index: int
    name: str
    since: int
    scalar: bool = False
    real: bool = False


REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
              "ReduceProd", "ReduceSumSquare")  # fmt: skip
AS_ATTRIBUTES: Mapping[str, tuple[Moved, ...]] = {
    "Squeeze": (Moved(1, "axes", 13),),
    "Unsqueeze": (Moved(1, "axes", 13),),
    "ReduceSum": (Moved(1, "axes", 13),),
    **{name: (Moved(1, "axes", 18),) for name in REDUCTIONS},
    "Split": (Moved(1, "split", 13),),
    "Clip": (Moved(1, "min", 11, scalar=True, real=True), Moved(2, "max", 11, scalar=True, real=True)),
    "Pad": (Moved(1, "pads", 11), Moved(2, "value", 11, scalar=True, real=True)),
    "Slice": (Moved(1, "starts", 10), Moved(2, "ends", 10), Moved(3, "axes", 10)),
    "TopK": (Moved(1, "k", 10, scalar=True),),
    "DFT": (Moved(2, "axis", 20, scalar=True),),
}
# What the modes of GridSample were called before opset 20, for the plane that they were made for.
PLANE_MODES = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}
FLATTENING = 13  # before it Softmax and its kin made a matrix of their input, from ``axis`` on
POSITIVE_AXES = 11  # before it no axis counted from the end


def why_not(node: Node, opset: int) -> Reason:
    """None when the node can be said at ``opset``, re-spelt if need be; else the reason."""
    if node.raw.domain:
        return None  # with versions of its own, which are imported as they were
    if not onnx.defs.has(node.op, opset, ""):
        return f"opset {opset} has no {node.op}"
    there, here = onnx.defs.get_schema(node.op, opset, ""), onnx.defs.get_schema(node.op, OPSET, "")
    if there.since_version == here.since_version:
        return None
    for check in (MEANING.get(node.op, _fine), _moved, _attributes, _inputs, _types, _axes):
        reason = check(node, opset)
        if reason is not None:
            return reason
    return None


def lower(model: ir.Model, opset: int) -> None:
    """Re-spell every node; all of them have passed ``why_not``."""
    for graph in model.graphs():
        for raw in list(graph):
            node = Node(raw)
            if not node.raw.domain:
                _respell(node, opset, graph)
    used = {value.name for graph in model.graphs() for node in graph for value in node.inputs if value is not None}
    for name in set(model.graph.initializers) - used:
        if not model.graph.initializers[name].is_graph_output():
            del model.graph.initializers[name]


def _respell(node: Node, opset: int, graph: ir.Graph) -> None:
    raw = node.raw
    if node.op == "GridSample" and opset < 20:
        raw.attributes["mode"] = ir.AttrString("mode", PLANE_MODES[node.s("mode", "linear")])
    if node.op == "DFT" and opset < 20:
        raw.attributes["axis"] = ir.AttrInt64("axis", -2)  # where the input does not tell another
    for index, array in _once_needed(node, opset):
        raw.resize_inputs(max(len(raw.inputs), index + 1))
        raw.replace_input_with(index, GraphBuilder(graph=graph, before=raw).constant(array))
    moved = [moved for moved in AS_ATTRIBUTES.get(node.op, ()) if opset < moved.since]
    for parameter in moved:
        array = node.const(parameter.index)
        if array is not None:
            raw.attributes[parameter.name] = _attribute(parameter, array)
    if moved:
        first = min(parameter.index for parameter in moved)
        for index in range(first, len(raw.inputs)):
            raw.replace_input_with(index, None)
        raw.resize_inputs(first)
    known = onnx.defs.get_schema(node.op, opset, "").attributes
    for name in [name for name in raw.attributes if name not in known]:
        del raw.attributes[name]
    if opset < POSITIVE_AXES:
        _count_from_the_front(node)


def _once_needed(node: Node, opset: int) -> list[tuple[int, Any]]:
    """Inputs that were not optional yet, with what stands for leaving them out."""
    wanted: list[tuple[int, Any]] = []
    if node.op == "Split" and opset < 18:
        wanted = [(1, np.asarray(_split_sizes(node) or [], np.int64))]
    elif node.op == "Resize" and opset < 13:
        wanted = [(1, np.zeros(0, np.float32)), (2, np.zeros(0, np.float32))]
    elif node.op == "Gemm" and opset < 11:
        wanted = [(2, np.zeros(1, np.float32))]
    return [(index, array) for index, array in wanted if node.input(index) is None]


def _attribute(moved: Moved, array: Any) -> ir.Attr:
    if moved.scalar:
        number = np.asarray(array).reshape(-1)[0]
        return ir.AttrFloat32(moved.name, float(number)) if moved.real else ir.AttrInt64(moved.name, int(number))
    return ir.AttrInt64s(moved.name, [int(number) for number in np.asarray(array).reshape(-1)])


def _count_from_the_front(node: Node) -> None:
    rank = node.rank
    for name, more in (("axis", 0), ("axes", 0)):
        if not node.has(name) or rank is None:
            continue
        span = rank + more + (len(node.ints(name)) if node.op == "Unsqueeze" else 0)
        if name == "axis":
            node.raw.attributes[name] = ir.AttrInt64(name, node.i(name) % span)
        else:
            node.raw.attributes[name] = ir.AttrInt64s(name, [axis % span for axis in node.ints(name)])


# --- conditions -----------------------------------------------------------------------------------------------------


def _fine(node: Node, opset: int) -> Reason:
    return None


def _moved(node: Node, opset: int) -> Reason:
    for moved in AS_ATTRIBUTES.get(node.op, ()):
        if opset < moved.since and node.input(moved.index) is not None and node.const(moved.index) is None:
            return f"before opset {moved.since} the {moved.name} of {node.op} had to be known beforehand"
    return None


def _attributes(node: Node, opset: int) -> Reason:
    there, here = onnx.defs.get_schema(node.op, opset, ""), onnx.defs.get_schema(node.op, OPSET, "")
    for name, attribute in node.raw.attributes.items():
        if name in there.attributes or name not in here.attributes:
            continue
        default = here.attributes[name].default_value
        if not default.type or onnx.helper.get_attribute_value(default) != _plain(attribute):
            if node.op == "Split" and name == "num_outputs" and _split_sizes(node) is not None:
                continue
            return f"opset {opset} has no {name} of {node.op}"
    return None


def _plain(attribute: ir.Attr) -> Any:
    value = attribute.value
    return value.encode() if isinstance(value, str) else list(value) if isinstance(value, tuple | list) else value


def _split_sizes(node: Node) -> list[int] | None:
    """What ``num_outputs`` comes to: equal parts, the last one smaller when it does not divide."""
    shape = node.shape()
    if shape is None:
        return None
    size = shape[node.i("axis") % len(shape)]
    count = len(node.outputs)
    if not isinstance(size, int):
        return None
    part = -(-size // count)
    return [part] * (count - 1) + [size - part * (count - 1)]


def _inputs(node: Node, opset: int) -> Reason:
    there = onnx.defs.get_schema(node.op, opset, "")
    gone = [moved.index for moved in AS_ATTRIBUTES.get(node.op, ()) if opset < moved.since]
    count = min(gone) if gone else len(node.inputs)
    if count > there.max_input:
        return f"{node.op} of opset {opset} has only {there.max_input} inputs"
    return None


def _types(node: Node, opset: int) -> Reason:
    """Every input's element type is one that the older definition takes."""
    moved = [moved.index for moved in AS_ATTRIBUTES.get(node.op, ()) if opset < moved.since]
    name = untaken_type(node, onnx.defs.get_schema(node.op, opset, ""), moved)
    return f"{node.op} of opset {opset} does not take {name}" if name else None


def _axes(node: Node, opset: int) -> Reason:
    negative = node.i("axis") < 0 or any(axis < 0 for axis in node.ints("axes"))
    if opset < POSITIVE_AXES and negative and node.rank is None:
        return f"opset {opset} counts axes from the front, and the rank is unknown"
    return None


def _softmax(node: Node, opset: int) -> Reason:
    if opset >= FLATTENING:
        return None
    rank = node.rank
    if rank is not None and node.i("axis", -1) % rank == rank - 1:
        return None
    return f"{node.op} of opset {opset} joins all axes from its own on, which is the same for the last one only"


def _resize(node: Node, opset: int) -> Reason:
    return "Resize of opset 10 knows other coordinates" if opset < 11 else None


def _gemm(node: Node, opset: int) -> Reason:
    needs_zero = opset < 11 and node.input(2) is None and node.dtype() != ir.DataType.FLOAT
    return "Gemm needed an addend before opset 11" if needs_zero else None


def _pad(node: Node, opset: int) -> Reason:
    if node.input(3) is not None and opset < 18:
        return f"Pad of opset {opset} pads all axes"
    return "the mode wrap came with opset 19" if node.s("mode") == "wrap" and opset < 19 else None


def _slice(node: Node, opset: int) -> Reason:
    if opset >= 10:
        return None
    steps = node.const(4)
    known = node.input(4) is None or (steps is not None and bool((np.asarray(steps) == 1).all()))
    return None if known else "Slice of opset 9 takes every element"


def _average_pool(node: Node, opset: int) -> Reason:
    if opset < 19 and node.i("ceil_mode") and node.i("count_include_pad"):
        return "before opset 19 it was open how AveragePool counts the part of a window beyond the padding"
    return None


def _group_normalization(node: Node, opset: int) -> Reason:
    return "GroupNormalization had one scale a group before opset 21"


def _grid_sample(node: Node, opset: int) -> Reason:
    return "GridSample knew planes only before opset 20" if opset < 20 and node.rank != 4 else None


def _roi_align(node: Node, opset: int) -> Reason:
    aligned = node.s("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    return "RoiAlign did not shift by half a pixel before opset 16" if opset < 16 and aligned else None


MEANING: Mapping[str, Callable[[Node, int], Reason]] = {
    "Softmax": _softmax, "LogSoftmax": _softmax, "Hardmax": _softmax, "Resize": _resize, "Gemm": _gemm,
    "Pad": _pad, "Slice": _slice,
    "AveragePool": _average_pool, "GroupNormalization": _group_normalization, "GridSample": _grid_sample,
    "RoiAlign": _roi_align,
}  # fmt: skip
