"""MXNet -> ONNX: assemble the upload, reduce the symbol to inference, read it operator by operator.

The batch axis is left free first; a layer that needs its size sends the reader round once more with fixed sizes.
"""

from __future__ import annotations

from functools import partial

from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.free_axes import free_first, needs_size
from workers.formats.mxnet.assemble import Assembled, assemble
from workers.formats.mxnet.net import Net, build
from workers.formats.mxnet.read import (
    activation,
    attention,
    boxes,
    control,
    convolution,
    creation,
    detection,
    elementwise,
    indexing,
    linear,
    normalization,
    numpy_functions,
    own,
    pooling,
    recurrent,
    reduction,
    refusals,
    regions,
    reshape,
    resize,
    rounding,
    sequence,
    shape,
    slicing,
    special,
)
from workers.formats.mxnet.read.inputs import Shapes, dtypes, freed, shapes
from workers.formats.mxnet.read.layer import reads
from workers.formats.mxnet.read.network import Pass, add_outputs, run

# Importing a family registers its operators.
FAMILIES = (
    activation, attention, boxes, control, convolution, creation, detection, elementwise, indexing, linear,
    normalization, numpy_functions, own, pooling, recurrent, reduction, refusals, regions, reshape, resize, rounding,
    sequence, shape, slicing, special,
)  # fmt: skip

APPLIED = ("input_shapes", "input_dtypes", "inputs", "outputs")


def read(request: ReadRequest) -> Reading:
    """The uploaded MXNet model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    source = assemble(request.upload)
    net = build(source, request.options)
    fixed = shapes(net, source, request.options)
    state, notes = _read(net, source, fixed, request)
    add_outputs(state, net)
    notes = [*source.notes, *net.notes, *state.scope.notes, *notes, *_widened(state, source)]
    return Reading(state.g.model(), source.files, source.version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _read(net: Net, source: Assembled, fixed: Shapes, request: ReadRequest) -> tuple[Pass, list[Note]]:
    """With the batch axis free; where a layer forbids that, once more with the sizes that were given."""
    one = partial(run, net, source, types=dtypes(net, source, request.options), progress=request.progress)
    free = freed(net, fixed, request.options)
    return free_first(lambda sizes: one(shapes=sizes), free, fixed, partial(needs_size, "mxnet", fixed.values()))


def _widened(state: Pass, source: Assembled) -> list[Note]:
    narrow = any(array.data is not None and array.data.dtype.itemsize == 2 for array in source.params.values())
    if not narrow or not state.widen:
        return []
    detail = (
        "The parameters are stored in half precision and the graph does not say in which precision it computes: "
        "they were widened to float32. Give an input the type float16 in 'input_dtypes' to compute in half precision."
    )
    return [Note("widened-parameters", detail, source.params_file)]


def coverage() -> dict[str, str]:
    """Operator names: an empty string when they are read, else the reason of their refusal."""
    return {"null": "", **reads.coverage()}
