"""TensorFlow Lite -> ONNX: the graph of one signature, operator by operator, with channels first inside.

The batch axis is left free first; a layer that needs its size sends the reader round once more with fixed sizes.
"""

from __future__ import annotations

from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.free_axes import FreeAxis, fixed_batch, needs_size
from workers.formats.tflite.file import Model, load
from workers.formats.tflite.read import (
    activation,
    audio,
    control,
    convolution,
    custom,
    dense,
    detection,
    elementwise,
    indexing,
    own,
    pooling,
    quantization,
    recurrent,
    reduction,
    refusals,
    reshape,
    resize,
    shape,
    slicing,
    spectral,
    stablehlo,
    tables,
)
from workers.formats.tflite.read.inputs import Entry, entry, shapes
from workers.formats.tflite.read.layer import Scope, reads
from workers.formats.tflite.read.network import Pass, add_outputs, run
from workers.formats.tflite.recognise import model_of
from workers.hub.provenance import COARSE_SOURCE

# Importing a family registers its operators.
FAMILIES = (
    activation, audio, control, convolution, custom, dense, detection, elementwise, indexing, own, pooling,
    quantization, recurrent, reduction, refusals, reshape, resize, shape, slicing, spectral, stablehlo, tables,
)  # fmt: skip
APPLIED = ("input_shapes", "inputs", "outputs", "signature", "dequantize")


def read(request: ReadRequest) -> Reading:
    """The uploaded model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    file = model_of(request.upload)
    model = load(file)
    chosen = entry(model, request.options)
    state, notes = _read(model, chosen, request)
    add_outputs(state, chosen.outputs)
    notes = [*chosen.notes, *state.scope.notes, *notes, *_about(model)]
    version = f"schema {model.version}" + (f", {model.description}" if model.description else "")
    made = state.g.model(metadata=COARSE_SOURCE if state.scope.hybrid else None)
    return Reading(made, (file.name,), version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _read(model: Model, chosen: Entry, request: ReadRequest) -> tuple[Pass, list[Note]]:
    """With the batch free; where a layer forbids that, once more with less of freedom."""
    blocked: list[FreeAxis] = []
    ways = list(shapes(chosen, request.options))
    for way in ways:
        scope = Scope(model.file, request.options.dequantize, way.batch, way.recorded, graphs=model.subgraphs)
        try:
            state = run(model, chosen.graph, way.inputs, chosen.outputs, scope, request.progress)
        except FreeAxis as error:
            blocked.append(error)
            continue
        return state, [fixed_batch(blocked[0])] if way.inputs != ways[0].inputs else []
    raise needs_size("tflite", request.options.input_shapes.values(), blocked[-1])


def _about(model: Model) -> list[Note]:
    if "TFLITE_METADATA" not in model.metadata:
        return []
    detail = (
        "The file carries metadata (labels, means of its inputs, files packed behind it), which ONNX does not take."
    )
    return [Note("metadata", detail, model.file)]


def coverage() -> dict[str, str]:
    """Operator names: an empty string when they are read, else the reason of their refusal."""
    return reads.coverage()
