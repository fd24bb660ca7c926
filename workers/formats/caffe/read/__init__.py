"""Caffe -> ONNX: assemble the upload, reduce the net to inference, read it layer by layer.

The batch axis is left free first; a layer that needs its size sends the reader round once more with fixed sizes.
"""

from __future__ import annotations

from functools import partial

from workers.errors import ConversionError, InvalidOptions, Unsupported, UnsupportedOperators
from workers.formats.caffe.assemble import Assembled, assemble
from workers.formats.caffe.data import DATA, LOSSES, TRAINING, preprocessing
from workers.formats.caffe.net import Net, build
from workers.formats.caffe.read import (
    activation,
    convolution,
    dense,
    detection,
    elementwise,
    normalization,
    own,
    pooling,
    prior_box,
    recurrent,
    reduction,
    resize,
    shape,
)
from workers.formats.caffe.read.inputs import Shapes, freed, shapes
from workers.formats.caffe.read.layer import reads
from workers.formats.caffe.read.network import Pass, add_outputs, name_values, run
from workers.formats.contract import Note, Reading, ReadRequest, no_progress
from workers.formats.free_axes import FreeAxis, free_first
from workers.hub.node import Dim

# Importing a family registers its layer types.
FAMILIES = (
    activation, convolution, dense, detection, elementwise, normalization, own, pooling, prior_box, recurrent,
    reduction, resize, shape,
)  # fmt: skip

reads.refuse("a Python layer is the user's own code; say what it computes in ONNX instead", "Python")
reads.refuse(
    "the layer exists in a fork of Caffe only, and what it computes is not documented",
    "Correlation", "FlowWarp", "SpatialTransformer", "DataAugmentation", "CTCGreedyDecoder", "Quant",
    "DeQuant", "ConvolutionBinary", "Im2seq", "Seq2out", "OCRLSTM", "OCRLSTMQ", "CuDNNLstmForward",
)  # fmt: skip


reads.refuse(
    "the type is met in single forks of Caffe, whose parameters for it are not documented",
    "Add", "ChannelsPReLU", "CuDNNGroupedConvolutionForward", "Embedding", "MatMul", "NonlocalReshape", "Padding",
    "PowerFile", "Select", "Shift", "SpatialProduct", "Convolution3D", "Pooling3D",
)  # fmt: skip

APPLIED = ("input_shapes", "inputs", "outputs")


def read(request: ReadRequest) -> Reading:
    """The uploaded Caffe model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    source = assemble(request.upload)
    net = build(source.graph, request.options, file=source.graph_file, filtered=source.filtered)
    fixed = shapes(net, request.options, _cut_shapes(net, source, request))
    state, notes = _read(net, source, fixed, request)
    name_values(state)
    add_outputs(state)
    notes = [*source.notes, *net.notes, *_preprocessing(net), *state.notes, *notes]
    model = state.g.model()
    return Reading(model, source.files, source.version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _read(net: Net, source: Assembled, fixed: Shapes, request: ReadRequest) -> tuple[Pass, list[Note]]:
    """Once with the batch axis free; where a layer forbids that, once more with the sizes of the files."""
    free = freed(net, fixed, request.options)
    return free_first(
        lambda sizes: run(net, sizes, source.weights, request.progress), free, fixed, partial(_needs_size, fixed)
    )


def _needs_size(fixed: Shapes, error: FreeAxis) -> ConversionError:
    """The user freed an axis that the net needs, or a size depends on the data itself."""
    if any(not isinstance(size, int) for shape in fixed.values() for size in shape):
        return InvalidOptions(
            f"layer {error.layer!r} ({error.type}) does not work with the free axes of 'input_shapes': {error.reason}",
            layer=error.layer, op=error.type, hint="Give numbers for these axes.",
        )  # fmt: skip
    return UnsupportedOperators("caffe", [Unsupported(error.layer, error.type, error.reason)])


def _cut_shapes(net: Net, source: Assembled, request: ReadRequest) -> dict[str, tuple[Dim, ...]]:
    """Shapes of tensors where the user cuts the graph, found by reading what lies in front of them."""
    options = request.options
    cuts = [
        entry.blob for entry in net.inputs
        if entry.layer is None and entry.blob.maker is not None and entry.blob.name not in options.input_shapes
    ]  # fmt: skip
    if not cuts:
        return {}
    whole = build(
        source.graph,
        options.model_copy(update={"inputs": [], "outputs": [blob.name for blob in cuts]}),
        file=source.graph_file,
        filtered=source.filtered,
    )
    try:
        state = run(
            whole, shapes(whole, options.model_copy(update={"input_shapes": {}}), {}), source.weights, no_progress
        )
    except (ConversionError, FreeAxis) as error:
        raise InvalidOptions(
            f"the shape of {cuts[0].name!r}, where the graph is to be cut, cannot be found", input=cuts[0].name,
            hint="Give it in the option 'input_shapes'.",
        ) from error  # fmt: skip
    return {blob.name: state.g.shape(state.values[blob]) for blob in whole.outputs}


def _preprocessing(net: Net) -> list[Note]:
    """What the dropped data layers did to their images."""
    notes = []
    for entry in net.inputs:
        done = preprocessing(entry.layer) if entry.layer is not None else None
        if done and entry.layer is not None:
            detail = f"The data layer {entry.layer.name!r} {done}; that is not part of the model."
            notes.append(Note("preprocessing", detail, entry.layer.name))
    return notes


def coverage() -> dict[str, str]:
    """Layer types: an empty string when they are read (data and training layers: reduced), else why they are not."""
    reduced = {"Input", "Split", "Silence", *DATA, *TRAINING, *LOSSES}
    return dict(sorted({**reads.coverage(), **dict.fromkeys(reduced, "")}.items()))
