"""One pass over the operators of a graph: every one through its reading function, results in the forms it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import onnx
import onnx_ir as ir

from workers.errors import MalformedModel, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Progress
from workers.formats.layer import cast
from workers.formats.tflite.arrays import stored
from workers.formats.tflite.file import Model, Operator, Quantization, SubGraph, Tensor
from workers.formats.tflite.read.align import sized
from workers.formats.tflite.read.held import QUANTISED, Held, quantised, saturated, to_first
from workers.formats.tflite.read.layer import DTYPES, Array, Layer, Out, Result, Scope, Value, layer_name, reads
from workers.formats.tflite.read.wrap import wrap_moves
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim, shape_of

# Work that is done for its effect; it stays although nothing reads a result of it.
EFFECTS = ("CALL_ONCE", "ASSIGN_VARIABLE", "HASHTABLE_IMPORT")
COMPLEX_OPERATORS = ("RFFT2D", "COMPLEX_ABS", "REAL", "IMAG", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
DEPTH = 16


@dataclass(slots=True)
class Pass:
    """The state of one pass over one graph: what every tensor is by its index, and what could not be read."""

    model: Model
    graph: SubGraph
    g: GraphBuilder
    scope: Scope
    held: dict[int, Held] = field(default_factory=dict)
    refused: list[Unsupported] = field(default_factory=list)


def run(
    model: Model, graph: SubGraph, inputs: Mapping[int, list[Dim]], outputs: Sequence[int], scope: Scope,
    progress: Progress,
) -> Pass:  # fmt: skip
    """Read the operators that ``outputs`` need, with inputs of these shapes.

    Raises UnsupportedOperators with every layer that cannot be read, MalformedModel for the first that does not fit its
    inputs; ``FreeAxis`` when a free axis is in the way.
    """
    state = Pass(model, graph, GraphBuilder("tflite"), scope)
    scope.inner = partial(read_inner, state)
    for index, shape in inputs.items():
        state.held[index] = _input(state, graph.tensors[index], shape)
    order = needed(graph, outputs, set(inputs))
    for count, op in enumerate(order):
        progress(count, len(order), f"{layer_name(op, graph)} ({op.type})")
        _operator(state, op)
    if state.refused:
        raise UnsupportedOperators("tflite", state.refused)
    return state


def needed(graph: SubGraph, outputs: Sequence[int], stop: set[int] | None = None) -> list[Operator]:
    """The operators that lead to ``outputs`` or have an effect, in the file's order, which is that of computing."""
    wanted = set(outputs) - (stop or set())
    found = []
    for op in reversed(graph.operators):
        if wanted & set(op.outputs) or op.type in EFFECTS:
            wanted |= {index for index in op.inputs if index >= 0} - (stop or set())
            found.append(op)
    return found[::-1]


def _input(state: Pass, tensor: Tensor, shape: list[Dim]) -> Held:
    dtype = DTYPES.get(tensor.type)
    if dtype is None or tensor.type.startswith("complex"):
        raise UnsupportedOperators(
            "tflite", [Unsupported(tensor.name, "input", f"ONNX runtimes take no inputs of type {tensor.type}")]
        )
    held = Held(tensor, dtype, _quantization(tensor))
    if held.quantised and state.scope.dequantize:
        held.forms[True, False] = state.g.input(tensor.name, shape, ir.DataType.FLOAT)
    else:
        held.forms[not held.quantised, False] = state.g.input(tensor.name, shape, dtype)
    return held


def _quantization(tensor: Tensor) -> Quantization | None:
    found = tensor.quantization if tensor.type in QUANTISED else None
    if found is not None and found.per_channel and not 0 <= found.axis < max(len(tensor.shape), 1):
        return None
    return found


# --- one operator ----------------------------------------------------------------------------------------------------


def _operator(state: Pass, op: Operator) -> None:
    """Below an operator that could not be read nothing has a value; only its type is looked at."""
    name = layer_name(op, state.graph)
    rule = reads.find(op.type, name)
    if rule is None:
        state.refused.append(Unsupported(name, op.type, why_not(op)))
        return
    inputs: list[Held | None] = []
    for index in op.inputs:
        held = tensor_of(state, index) if index >= 0 else None
        if index >= 0 and held is None:
            return
        inputs.append(held)
    layer = Layer(op, state.graph, inputs, state.scope)
    if op.type not in COMPLEX_OPERATORS and any(held and held.tensor.type.startswith("complex") for held in inputs):
        state.refused.append(Unsupported(name, op.type, "it works on complex numbers, which ONNX runtimes lack"))
        return
    start = len(state.g.made)
    try:
        with state.g.layer(name, op.type):
            results = _results(rule(state.g, layer))
            for place, result in enumerate(results[: len(op.outputs)]):
                state.held[op.outputs[place]] = _keep(state, layer, place, result, start)
    except UnsupportedLayer as error:
        state.refused.append(error.item)
    except UnsupportedOperators as error:
        state.refused.extend(item for item in error.items if item not in state.refused)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise layer.malformed(f"its inputs do not fit it: {_plain(error)}") from error


def why_not(op: Operator) -> str:
    if op.custom and op.type.startswith("Flex"):
        return f"it is TensorFlow's own {op.type[4:]!r}, run by the Flex delegate; convert the TensorFlow model instead"
    if op.custom and op.type not in reads.refused:
        return "it is a custom operator, whose code is not in the file; say what it computes in ONNX instead"
    return reads.why_not(op.type)


def _results(result: Result) -> list[Out]:
    found = [result] if isinstance(result, ir.Value | Out) else list(result)
    return [item if isinstance(item, Out) else Out(item) for item in found]


def _keep(state: Pass, layer: Layer, place: int, result: Out, start: int) -> Held:
    """A result as its tensor: quantised, held to its range, or cast to what the file says it is, and named after it."""
    tensor = layer.outs[place]
    dtype = DTYPES.get(tensor.type, ir.DataType.FLOAT)
    if result.array is not None:
        return Held(tensor, result.dtype, None, array=result.array, shape=result.shape, known=result.known, folds=True)
    value = result.value
    held = Held(tensor, dtype, _quantization(tensor), known=result.known, flat=result.flat, rows=result.rows)
    if value is None:
        if result.flat is not None and held.quantised and not state.scope.dequantize:
            held.flat = replace(result.flat, value=quantised(state.g, result.flat.value, held, False), real=False)
        return held
    real = result.real or not held.quantised
    if held.quantised and real and not state.scope.dequantize:
        value, real = quantised(state.g, value, held, result.first), False
    elif held.quantised and real and not layer.keeps_range(held.quantization):
        value = saturated(state.g, value, held)
    elif not held.quantised and value.dtype is not None:
        value = cast(state.g, value, dtype)
    _name(state.g, value, tensor.name, start)
    if state.scope.recorded:
        _believe(value, tensor, result.first)
    held.forms[real, result.first and len(value.shape or ()) > 2] = value
    return held


def _believe(value: Value, tensor: Tensor, first: bool) -> None:
    """Sizes that nothing else tells are those that the file records; -1 stands for a free one."""
    recorded: list[Dim] = [None if size < 0 else size for size in tensor.signature or tensor.shape]
    own = shape_of(value)
    if not recorded or tensor.type.startswith("complex") or (own is not None and len(own) != len(recorded)):
        return
    if first and len(recorded) > 2:
        recorded = [recorded[axis] for axis in to_first(len(recorded))]
    sized(value, recorded)


def _name(g: GraphBuilder, value: Value, name: str, start: int) -> None:
    """A result that this layer made is called like its tensor; what led to it gives way."""
    made = [output for node in g.made[start:] for output in node.outputs]
    if not any(output is value for output in made):
        return
    for output in made:
        if output is not value and output.name == name:
            g.rename(output, f"{name}_inner")
    g.rename(value, name)


def _plain(error: Exception) -> str:
    """The first line of ONNX's own complaint, without its prefix."""
    lines = str(error).strip().splitlines() or ["they contradict each other"]
    return lines[0].rsplit("] ", 1)[-1][:300]


# --- tensors ---------------------------------------------------------------------------------------------------------


def tensor_of(state: Pass, index: int) -> Held | None:
    """What a tensor is: computed, an input, a constant, or a variable at its start, which is zero."""
    found = state.held.get(index)
    if found is not None:
        return found
    tensor = state.graph.tensors[index]
    dtype = DTYPES.get(tensor.type)
    if tensor.is_variable and dtype is not None and not len(tensor.data):
        found = Held(tensor, dtype, _quantization(tensor), array=_zeros(tensor), shape=tensor.shape, folds=True)
    elif tensor.external:
        raise MalformedModel(
            f"the weights of tensor {tensor.name!r} lie in another file, which {state.scope.file!r} only names",
            file=state.scope.file, layer=tensor.name, hint="Save the model with its weights in one file.",
        )  # fmt: skip
    elif tensor.is_constant:
        found = _constant(state, tensor)
    elif any(index in op.outputs for op in state.graph.operators):
        return None
    else:
        raise MalformedModel(
            f"{state.scope.file!r}: tensor {tensor.name!r} is read and nothing computes it", file=state.scope.file
        )
    state.held[index] = found
    return found


def _zeros(tensor: Tensor) -> Callable[[], Array]:
    dtype = DTYPES[tensor.type].numpy()
    start = 0 if tensor.quantization is None else int(tensor.quantization.zero_point[0])

    def make() -> Array:
        return np.full([max(size, 1) for size in tensor.shape], start, dtype)

    return make


def _constant(state: Pass, tensor: Tensor) -> Held:
    if tensor.type not in DTYPES or tensor.type.startswith("complex"):
        raise UnsupportedOperators(
            "tflite", [Unsupported(tensor.name, "constant", f"ONNX runtimes have no constants of type {tensor.type}")]
        )
    data = stored(tensor, state.scope.file)
    held = Held(tensor, DTYPES[tensor.type], _quantization(tensor), shape=tuple(data.shape))
    if tensor.quantization is not None and tensor.quantization.block:
        make = _blocks(state, tensor, data)
        return Held(tensor, ir.DataType.FLOAT, array=make, shape=held.shape, folds=True)
    held.array = lambda: data
    held.folds = state.scope.dequantize
    if held.quantization is not None and held.quantization.per_channel:
        _check_channels(state, held)
    return held


def _check_channels(state: Pass, held: Held) -> None:
    quantization = held.quantization
    if quantization is not None and held.shape[quantization.axis] != quantization.scale.size:
        raise MalformedModel(
            f"{state.scope.file!r}: tensor {held.tensor.name!r} has {quantization.scale.size} scales for axis "
            f"{quantization.axis} of its shape {list(held.shape)}", file=state.scope.file, layer=held.tensor.name,
        )  # fmt: skip


def _blocks(state: Pass, tensor: Tensor, data: Array) -> Callable[[], Array]:
    """Runs of values along the last axis share a scale, which another tensor holds; there is no zero point."""
    quantization = tensor.quantization
    assert quantization is not None
    scales = tensor_of(state, quantization.scales) if quantization.scales < len(state.graph.tensors) else None
    table = scales.array().astype(np.float32) if scales is not None and scales.array is not None else None
    if table is None or table.size * quantization.block != data.size or not data.ndim:
        raise MalformedModel(
            f"{state.scope.file!r}: the scales of tensor {tensor.name!r} do not fit its blocks", file=state.scope.file
        )
    return lambda: (data.reshape(-1, quantization.block) * table.reshape(-1, 1)).astype(np.float32).reshape(data.shape)


# --- sub-graphs ------------------------------------------------------------------------------------------------------


def read_inner(state: Pass, g: GraphBuilder, index: int, inputs: Sequence[Held]) -> list[Held]:
    """The outputs of another graph of the file, whose inputs are these tensors.

    Raises UnsupportedOperators with its layers that cannot be read, MalformedModel for one that contains itself.
    """
    if not 0 <= index < len(state.model.subgraphs):
        raise MalformedModel(f"{state.scope.file!r} has no graph {index}", file=state.scope.file)
    graph = state.model.subgraphs[index]
    if len(graph.inputs) != len(inputs):
        raise MalformedModel(
            f"graph {graph.name or index!r} of {state.scope.file!r} takes {len(graph.inputs)} inputs and is given "
            f"{len(inputs)}", file=state.scope.file,
        )  # fmt: skip
    if state.scope.depth >= DEPTH:
        raise MalformedModel(f"the graphs of {state.scope.file!r} are nested without end", file=state.scope.file)
    inner = Pass(state.model, graph, g, state.scope)
    for place, held in zip(graph.inputs, inputs, strict=True):
        inner.held[place] = Held(
            graph.tensors[place], held.dtype, held.quantization, dict(held.forms), held.array, held.shape, held.known,
            held.folds,
        )  # fmt: skip
    outer, state.scope.inner = state.scope.inner, partial(read_inner, inner)
    state.scope.depth += 1
    try:
        for op in needed(graph, graph.outputs, set(graph.inputs)):
            _operator(inner, op)
        if inner.refused:
            raise UnsupportedOperators("tflite", inner.refused)
        found = [tensor_of(inner, place) for place in graph.outputs]
    finally:
        state.scope.inner = outer
        state.scope.depth -= 1
    if any(held is None for held in found):
        raise MalformedModel(f"an output of graph {graph.name or index!r} is never computed", file=state.scope.file)
    return [held for held in found if held is not None]


def add_outputs(state: Pass, outputs: Sequence[int]) -> None:
    """The graph's outputs in the file's order of axes, each under its name; initialisers that nothing uses go."""
    g = state.g
    for index in outputs:
        held = tensor_of(state, index)
        tensor = state.graph.tensors[index]
        if held is None or tensor.type.startswith("complex") or tensor.type in ("resource", "variant"):
            raise UnsupportedOperators(
                "tflite", [Unsupported(tensor.name, "output", f"ONNX runtimes give no outputs of type {tensor.type}")]
            )
        with g.layer(tensor.name, _maker(state.graph, index)):
            g.output(held.value(g, real=state.scope.dequantize), tensor.name)
    wrap_moves(g)
    used = {value for node in g.graph.all_nodes() for value in node.inputs}
    for name, value in list(g.graph.initializers.items()):
        if value not in used and not value.is_graph_output():
            del g.graph.initializers[name]


def _maker(graph: SubGraph, index: int) -> str:
    return next((op.type for op in graph.operators if index in op.outputs), "output")
