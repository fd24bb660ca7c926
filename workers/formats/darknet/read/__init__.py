"""Darknet -> ONNX: assemble the upload, find out whose dialect it is, read the net layer by layer.

What the files do not say (the order of blocks, a bias more or less, the arithmetic of pooling) is told by the weights:
the one dialect that uses the file up exactly is the right one.
"""

from __future__ import annotations

from workers.errors import ConversionError, InvalidOptions, MalformedModel
from workers.formats.contract import Note, Reading, ReadRequest, no_progress
from workers.formats.darknet.assemble import Assembled, assemble
from workers.formats.darknet.net import ALEXEYAB, PJREDDIE, fork
from workers.formats.darknet.read import (
    activation,
    convolution,
    dense,
    elementwise,
    heads,
    normalization,
    own,
    pooling,
    recurrent,
    shape,
)
from workers.formats.darknet.read.inputs import Plan, plan
from workers.formats.darknet.read.layer import Variant, reads
from workers.formats.darknet.read.network import Pass, finish, run
from workers.formats.darknet.weights import Cursor
from workers.formats.free_axes import FreeAxis

# Importing a family registers its layer types.
FAMILIES = (
    activation, convolution, dense, elementwise, heads, normalization, own, pooling, recurrent, shape,
)  # fmt: skip


def read(request: ReadRequest) -> Reading:
    """The uploaded Darknet model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    source = assemble(request.upload)
    wanted = plan(source.net, request.options)
    try:
        state, notes = _read(source, wanted, request)
    except FreeAxis as error:
        raise InvalidOptions(
            f"layer {error.layer!r} ({error.type}) does not work with the free axes of 'input_shapes': {error.reason}",
            layer=error.layer, op=error.type, hint="Give numbers for these axes.",
        ) from error  # fmt: skip
    finish(state)
    notes = [*source.notes, *wanted.notes, *notes, *state.notes]
    version = f"weights {source.weights.header.version}, {state.scope.variant.fork}"
    applied = ("time_steps", "decode") if request.options.inputs else ("input_shapes", "time_steps", "decode")
    return Reading(state.g.model(), source.files, version, tuple(dict.fromkeys(notes)), applied)


def _read(source: Assembled, wanted: Plan, request: ReadRequest) -> tuple[Pass, list[Note]]:
    """In the likeliest dialect; where the weights do not fit it, in the first other one that they fit."""
    preferred, why = _dialect(source)
    other = PJREDDIE if preferred == ALEXEYAB else ALEXEYAB
    options = request.options
    state: Pass | None = None
    first: ConversionError | None = None
    try:
        state = run(source, Variant(preferred), wanted, options.decode, request.progress)
        if state.scope.cursor.fits:
            return state, [Note("dialect", f"Read as {preferred}'s dialect: {why}.")]
    except MalformedModel as error:
        first = error
    for variant in (Variant(other), Variant(preferred, True), Variant(other, True)):
        try:
            attempt = run(source, variant, wanted, options.decode, no_progress)
        except ConversionError:
            continue
        if attempt.scope.cursor.fits:
            pooling = " with the max-pooling of before August 2018" if variant.old_pooling else ""
            return attempt, [Note("dialect", f"Read as {variant.fork}'s dialect{pooling}: only so the weights fit.")]
    if first is not None:
        raise first
    assert state is not None
    raise misfit(state.scope.cursor, source)


def _dialect(source: Assembled) -> tuple[str, str]:
    """By what the cfg uses, else by the version in the weights: AlexeyAB's Darknet writes 0.2.5."""
    found = fork(source.net)
    if found is not None:
        return found[0], f"the cfg has {found[1]}"
    version = source.weights.header.version
    return (ALEXEYAB if source.weights.header.revision == 5 else PJREDDIE), f"the weights are of version {version}"


def misfit(cursor: Cursor, source: Assembled) -> MalformedModel:
    """The weights are those of another net, or a part of this one's."""
    file, net = cursor.weights.file, source.net.file
    sizes = f"{net!r} needs {cursor.needed:,} bytes of weights, {file!r} has {cursor.present:,} bytes"
    if not cursor.lacking:
        return MalformedModel(
            f"{sizes}: they belong to another net", file=file, hint="Upload the cfg that these weights were saved with."
        )
    names = list(cursor.starved)
    rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return MalformedModel(
        f"{sizes}: there are none for {names[0]!r}{rest}", file=file, layer=names[0],
        hint="Partial weights, such as darknet53.conv.74, only start a training; upload the whole net's.",
    )  # fmt: skip


def coverage() -> dict[str, str]:
    """Sections: an empty string when they are read, else the reason of their refusal."""
    return dict(sorted({**reads.coverage(), "net": "", "network": ""}.items()))
