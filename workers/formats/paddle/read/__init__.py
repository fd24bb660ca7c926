"""PaddlePaddle -> ONNX: assemble the upload, reduce the program to what its outputs need, read it operator by operator.

The batch axis is left free first; a layer that needs its size sends the reader round once more with a batch of one.
"""

from __future__ import annotations

from functools import partial

from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.free_axes import free_first, needs_size
from workers.formats.paddle.assemble import Assembled, assemble
from workers.formats.paddle.net import Net, build
from workers.formats.paddle.read import (
    activation,
    arrays,
    attention,
    boxes,
    complex_numbers,
    control,
    convolution,
    counting,
    creation,
    elementwise,
    graph,
    indexing,
    linear,
    normalization,
    own,
    pooling,
    priors,
    quantization,
    rearrangement,
    recurrent,
    reduction,
    refusals,
    regions,
    repetition,
    resize,
    sequence,
    shape,
    slicing,
    spectrum,
    steps,
)
from workers.formats.paddle.read.inputs import Shapes, dtypes, fixed, shapes
from workers.formats.paddle.read.layer import reads
from workers.formats.paddle.read.narrow import narrowed, without_bfloat16
from workers.formats.paddle.read.network import Pass, add_outputs, run
from workers.formats.paddle.signatures import SIGNATURES

# Importing a family registers its operators.
FAMILIES = (
    activation, arrays, attention, boxes, complex_numbers, control, convolution, counting, creation, elementwise, graph,
    indexing, linear, normalization, own, pooling, priors, quantization, rearrangement, recurrent, reduction, refusals,
    regions, repetition, resize, sequence, shape, slicing, spectrum, steps,
)  # fmt: skip
APPLIED = ("input_shapes", "input_dtypes", "inputs", "outputs", "signature")


def read(request: ReadRequest) -> Reading:
    """The uploaded Paddle model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    source = without_bfloat16(assemble(request.upload, request.options.signature))
    net = build(source, request.options)
    free = shapes(net, request.options)
    state, notes = _read(net, source, free, request)
    add_outputs(state, net)
    narrowed(state.g, state.scope)
    notes = [*source.notes, *net.notes, *state.scope.notes, *notes]
    return Reading(state.g.model(), source.files, source.program.version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _read(net: Net, source: Assembled, free: Shapes, request: ReadRequest) -> tuple[Pass, list[Note]]:
    """With the batch axis free; where a layer forbids that, once more with a batch of one."""
    one = partial(run, net, source, types=dtypes(net, request.options), progress=request.progress)
    given = free if request.options.input_shapes else fixed(free)
    return free_first(lambda sizes: one(shapes=sizes), free, given, partial(needs_size, "paddle", given.values()))


def coverage() -> dict[str, str]:
    """Operator names of both dialects: an empty string when they are read, else the reason of their refusal."""
    old = {"feed": "", "fetch": "", **reads.coverage()}
    new = {f"pd_op.{name}": old.get(signature.type, reads.why_not(signature.type))
           for name, signature in SIGNATURES.items()}  # fmt: skip
    return dict(sorted({**old, **new}.items()))
