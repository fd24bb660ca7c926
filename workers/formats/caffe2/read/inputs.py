"""Which shape and type every graph input gets, as far as it is known before reading, and which axes stay free."""

from __future__ import annotations

import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.formats.caffe2.net import Graph, Step
from workers.formats.caffe2.operators import FILLS
from workers.formats.caffe2.read.layer import DTYPES, F32, I32
from workers.formats.caffe2.slots import INTEGER_SLOTS
from workers.hub.node import Dim
from workers.options import Options

Shapes = dict[str, list[Dim]]
RECURRENT = frozenset({"RecurrentNetwork", "LSTMUnit", "GRUUnit"})
REGIONS = {"RoIAlign": 1, "RoIPool": 1, "BBoxTransform": 0, "RoIAlignRotated": 1}
_CONVOLUTIONS = ("Conv", "Conv1D", "Conv2D", "Conv3D", "ConvRelu")
_DENSE = ("FC", "FCTransposed", "FbFCPacked")


def shapes(graph: Graph, options: Options) -> Shapes:
    """Shapes as the user gives them, as a file says, or as a dense layer's weight tells.

    Raises InvalidOptions naming every input whose shape stands nowhere, and options for inputs that do not exist.
    """
    names = set(graph.input_names)
    unknown = sorted(set(options.input_shapes) - names - set(graph.last))
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}, which is no input of the net",
            hint=f"Inputs: {', '.join(graph.input_names)}.",
        )
    found: Shapes = {}
    missing = []
    for name in graph.input_names:
        shape = options.input_shapes.get(name)
        if shape is None:
            shape = _declared(graph, name) or _dense(graph, name, options)
        if shape is None:
            missing.append(name)
        else:
            found[name] = [_axis(name, axis, size) for axis, size in enumerate(shape)]
    if missing:
        raise _missing(graph, missing)
    return found


def _axis(name: str, axis: int, size: Dim) -> Dim:
    if size is not None:
        return size
    return "batch" if axis == 0 else f"{name}_{axis}"


def _declared(graph: Graph, name: str) -> list[Dim] | None:
    """The shape in a predictor database or a table, or of a fill of zeros with a shape of its own."""
    declared = graph.source.declared.get(name)
    if declared is not None and all(size > 0 for size in declared.shape):
        return [*declared.shape]
    for op in graph.source.init:
        if name in op.outputs and op.type in FILLS:
            shape = op.fixed_shape()
            if shape and len(shape) > 1 and all(size > 0 for size in shape) and any(size > 1 for size in shape):
                return [*shape]
    return None


def _weight_shape(graph: Graph, step: Step) -> tuple[int, ...] | None:
    """The shape of the second input where a file fills it."""
    if len(step.op.inputs) < 2:
        return None
    name = step.op.inputs[1]
    stored = graph.source.params.get(name)
    if stored is not None:
        return stored.shape
    for op in (*graph.source.init, *graph.source.predict):
        if name in op.outputs and op.type in FILLS:
            return op.fixed_shape()
    return None


def _dense(graph: Graph, name: str, options: Options) -> list[Dim] | None:
    """[batch, features] of an input that a dense layer takes as it is."""
    for step in graph.steps:
        if step.op.type in _DENSE and step.op.inputs[:1] == (name,) and "axis" not in step.op.args:
            shape = _weight_shape(graph, step)
            if shape is not None and len(shape) == 2:
                features = shape[0] if step.op.type == "FCTransposed" else shape[1]
                return [None if options.dynamic_batch else 1, features]
    return None


def _missing(graph: Graph, names: list[str]) -> InvalidOptions:
    """The error for inputs whose shape stands nowhere, with what the first convolution tells."""
    example = "1,3,224,224"
    for step in graph.steps:
        shape = _weight_shape(graph, step)
        if step.op.type in _CONVOLUTIONS and step.op.inputs[:1] == (names[0],) and shape and len(shape) > 2:
            order, group = step.op.args.get("order"), step.op.args.get("group")
            groups = int(group.i) if group is not None else 1
            if order is not None and bytes(order.s) == b"NHWC":
                example = ",".join(["1", *["?"] * (len(shape) - 2), str(shape[-1] * groups)])
            else:
                example = ",".join(["1", str(shape[1] * groups), *["?"] * (len(shape) - 2)])
            break
    subject = "the shape of input" if len(names) == 1 else "the shapes of inputs"
    stands = "stands" if len(names) == 1 else "stand"
    return InvalidOptions(
        f"{subject} {', '.join(map(repr, names))} {stands} in no file: Caffe2's nets hold none", input=names[0],
        hint=f"Give it in the option 'input_shapes', e.g. {names[0]}={example}.",
    )  # fmt: skip


# --- types -----------------------------------------------------------------------------------------------------------


def dtypes(graph: Graph, options: Options) -> dict[str, ir.DataType]:
    """Element types by input name: the user's, a file's, integers where an operator takes only those, else float32."""
    unknown = sorted(set(options.input_dtypes) - set(graph.input_names) - set(graph.last))
    if unknown:
        raise InvalidOptions(f"the option 'input_dtypes' names {', '.join(map(repr, unknown))}, which is no input")
    known = {dtype.numpy().name: dtype for dtype in DTYPES.values()}
    found = {}
    for name in graph.input_names:
        word = options.input_dtypes.get(name)
        if word is not None and word not in known:
            raise InvalidOptions(
                f"the option 'input_dtypes' gives {name!r} the type {word!r}", input=name,
                hint=f"Types: {', '.join(known)}.",
            )  # fmt: skip
        found[name] = known[word] if word is not None else _guessed(graph, name)
    return found


def _guessed(graph: Graph, name: str) -> ir.DataType:
    declared = graph.source.declared.get(name)
    if declared is not None and declared.element in DTYPES:
        return DTYPES[declared.element]
    for op in graph.source.init:
        if name in op.outputs and op.fill_type() in DTYPES and DTYPES[op.fill_type()] != F32:
            return DTYPES[op.fill_type()]
    for step in graph.steps:
        for slot, blob in enumerate(step.op.inputs):
            if blob != name:
                continue
            if slot in INTEGER_SLOTS.get(step.op.type, ()):
                return DTYPES[INTEGER_SLOTS[step.op.type][slot]]
            if step.op.type == "RecurrentNetwork" and slot == len(step.op.inputs) - 1 and slot > 2:
                return I32
    return F32


# --- free axes -------------------------------------------------------------------------------------------------------


def _is_time_major(step: Step) -> bool:
    first = step.op.args.get("batch_first")
    return step.op.type == "InferenceLSTM" and (first is None or not first.i)


def freed(graph: Graph, fixed: Shapes, options: Options) -> Shapes:
    """The shapes with the batch axis free, unless the user named axes himself or wants none.

    The batch is the first axis of all inputs that agree in it with the first; in recurrent nets, whose data is [time,
    batch, ...], the second of all inputs but vectors. A list of regions has a length of its own.
    """
    if not options.dynamic_batch or any(not isinstance(size, int) for shape in fixed.values() for size in shape):
        return fixed
    time_major = any(step.op.type in RECURRENT or _is_time_major(step) for step in graph.steps)
    states = {name for step in graph.steps if step.op.type == "InferenceLSTM" for name in step.op.inputs[1:3]}
    regions = {
        step.op.inputs[REGIONS[step.op.type]] for step in graph.steps
        if step.op.type in REGIONS and len(step.op.inputs) > REGIONS[step.op.type]
    }  # fmt: skip
    result: Shapes = {}
    batch: Dim = None
    for name, shape in fixed.items():
        axis = int((time_major or name in states) and len(shape) > 1)
        if name in regions and shape:
            result[name] = [f"{name}_count", *shape[1:]]
        elif axis >= len(shape):
            result[name] = shape
        else:
            batch = shape[axis] if batch is None else batch
            result[name] = [*shape[:axis], "batch", *shape[axis + 1 :]] if shape[axis] == batch else shape
    return result
