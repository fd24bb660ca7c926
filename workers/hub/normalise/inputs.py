"""Graph inputs: initialisers are none, and shapes and element types are what the user fixed."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.hub.graph import GraphBuilder
from workers.hub.normalise.change import changed
from workers.hub.normalise.infer import forget_shapes, infer_strictly
from workers.options import Options
from workers.report.schema import Change

NAMES = {"float32": "float", "float64": "double"}
"""What NumPy calls differently."""


def separate_inputs(model: ir.Model, options: Options) -> list[Change]:
    """Initialisers that old files also list among the inputs are weights, not inputs."""
    stored = [value.name or "" for value in model.graph.inputs if value.is_initializer()]
    if stored:
        kept = [value for value in model.graph.inputs if not value.is_initializer()]
        model.graph.inputs.clear()
        model.graph.inputs.extend(kept)
    return changed("initialisers-as-inputs", "Weights that were also listed as inputs are weights only.", stored)


def fix_inputs(model: ir.Model, options: Options) -> list[Change]:
    """Give inputs the shapes and element types of the options.

    Raises InvalidOptions for names that are no inputs, ranks that differ, and shapes that the graph contradicts.
    """
    inputs = {value.name: value for value in model.graph.inputs}
    for name in (*options.input_shapes, *options.input_dtypes):
        if name not in inputs:
            raise InvalidOptions(
                f"the model has no input {name!r}", hint=f"Inputs are: {', '.join(map(repr, inputs)) or 'none'}."
            )
    retyped = [name for name, dtype in options.input_dtypes.items() if _set_dtype(model.graph, inputs[name], dtype)]
    fixed = [name for name, shape in options.input_shapes.items() if _set_shape(inputs[name], shape)]
    if fixed:
        forget_shapes(model)
        try:
            infer_strictly(model)
        except onnx.shape_inference.InferenceError as error:
            words = " ".join(str(error).split())[:500]
            raise InvalidOptions(f"the input shapes do not fit the model: {words}") from error
    return [
        *changed("input-dtypes", "These inputs have the element types that the options ask for.", retyped),
        *changed("input-shapes", "These inputs have the shapes that the options ask for.", fixed),
    ]


def _set_shape(value: ir.Value, dims: list[int | str | None]) -> bool:
    shape = ir.Shape(dims)
    if value.shape is not None and len(value.shape) != len(dims):
        raise InvalidOptions(
            f"the input {value.name!r} has {len(value.shape)} axes and the shape {dims} has {len(dims)}"
        )
    if value.shape == shape:
        return False
    value.shape = shape
    return True


def _set_dtype(graph: ir.Graph, value: ir.Value, name: str) -> bool:
    """The input takes the new type; what read it before still gets the old one, by a Cast."""
    try:
        dtype = ir.DataType[NAMES.get(name, name).upper()]
    except KeyError as error:
        raise InvalidOptions(f"{name!r} is no element type", hint="Such as float32, float16, int64, bool.") from error
    old = value.dtype
    if old == dtype:
        return False
    uses = list(value.uses())
    value.dtype = dtype
    if old is not None and uses:
        first = next(iter(graph))
        builder = GraphBuilder(graph=graph, before=first)
        with builder.layer(value.name or "input", "Input"):
            cast = builder.Cast(value, to=old.value)
        for use in uses:
            use.node.replace_input_with(use.idx, cast)
    return True
