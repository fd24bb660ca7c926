"""Caffe2 -> ONNX: assemble the upload, reduce the nets to inference, read them operator by operator.

The batch axis is left free first; a layer that needs its size sends the reader round once more with fixed sizes.
"""

from __future__ import annotations

from functools import partial

from workers.errors import ConversionError, InvalidOptions
from workers.formats.caffe2.assemble import assemble
from workers.formats.caffe2.net import Graph, build
from workers.formats.caffe2.read import (
    activation,
    constants,
    control,
    convolution,
    dense,
    detection,
    elementwise,
    indexing,
    normalization,
    own,
    pooling,
    quantised,
    recurrent,
    reduction,
    refusals,
    regions,
    resize,
    segments,
    shape,
)
from workers.formats.caffe2.read.inputs import Shapes, dtypes, freed, shapes
from workers.formats.caffe2.read.layer import reads
from workers.formats.caffe2.read.network import Pass, add_outputs, name_values, run
from workers.formats.caffe2.slots import READERS, TRAINING
from workers.formats.contract import Note, Reading, ReadRequest, no_progress
from workers.formats.free_axes import FreeAxis, free_first, needs_size

# Importing a family registers its operators.
FAMILIES = (
    activation, constants, control, convolution, dense, detection, elementwise, indexing, normalization, own,
    pooling, quantised, recurrent, reduction, refusals, regions, resize, segments, shape,
)  # fmt: skip

APPLIED = ("input_shapes", "input_dtypes", "inputs", "outputs")


def read(request: ReadRequest) -> Reading:
    """The uploaded Caffe2 model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    source = assemble(request.upload)
    graph = build(source, request.options)
    request = _with_cut_shapes(graph, request)
    fixed = shapes(graph, request.options)
    state, notes = _read(graph, fixed, request)
    said = add_outputs(state)
    name_values(state)
    notes = [*source.notes, *graph.notes, *state.scope.notes, *said, *notes]
    return Reading(state.g.model(), source.files, source.version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _read(graph: Graph, fixed: Shapes, request: ReadRequest) -> tuple[Pass, list[Note]]:
    """With the batch axis free; where a layer forbids that, once more with the sizes that were given."""
    one = partial(run, graph, types=dtypes(graph, request.options), progress=request.progress)
    free = freed(graph, fixed, request.options)
    return free_first(lambda sizes: one(shapes=sizes), free, fixed, partial(needs_size, "caffe2", fixed.values()))


def _with_cut_shapes(graph: Graph, request: ReadRequest) -> ReadRequest:
    """Shapes and types of blobs at which the user cuts the graph, found by reading what lies in front of them."""
    options = request.options
    cuts = [name for name in options.inputs if name not in options.input_shapes]
    if not cuts:
        return request
    try:
        front = options.model_copy(update={"inputs": [], "outputs": cuts})
        whole = build(graph.source, front)
        state = run(whole, shapes(whole, front), dtypes(whole, front), no_progress)
        values = {blob.name: state.values[blob] for blob in whole.outputs}
        found = {name: list(state.g.shape(value)) for name, value in values.items()}
    except (ConversionError, FreeAxis, KeyError, ValueError) as error:
        raise InvalidOptions(
            f"the shape of {cuts[0]!r}, where the graph is to be cut, cannot be found", input=cuts[0],
            hint="Give it in the option 'input_shapes'.",
        ) from error  # fmt: skip
    names = {name: value.dtype.numpy().name for name, value in values.items() if value.dtype is not None}
    changed = options.model_copy(
        update={
            "input_shapes": {**options.input_shapes, **found},
            "input_dtypes": {**names, **options.input_dtypes},
        }
    )
    return ReadRequest(request.upload, changed, request.progress)


def coverage() -> dict[str, str]:
    """Operator types: an empty string when they are read (those of training: left out), else why they are not."""
    known = reads.coverage()
    left_out = {name for name in TRAINING | READERS if name not in known}
    return dict(sorted({**known, **dict.fromkeys(left_out, "")}.items()))
