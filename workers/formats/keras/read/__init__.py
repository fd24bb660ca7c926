"""Keras -> ONNX: assemble the upload, parse the architecture, hand out the weights, read it call by call.

The batch axis is left free first; a layer that needs its size sends the reader round once more with a fixed one.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

from workers.errors import ConversionError, InvalidOptions, MalformedModel, Unsupported, UnsupportedOperators
from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.free_axes import FreeAxis, free_first
from workers.formats.keras.assemble import Assembled, assemble
from workers.formats.keras.net import Net, Ref, Spec, refs
from workers.formats.keras.network import Parser, is_model
from workers.formats.keras.read import (
    activation,
    attention,
    augmentation,
    convolution,
    convolution_transpose,
    convolutional_recurrent,
    dense,
    elementwise,
    embedding,
    locally_connected,
    normalization,
    operations,
    own,
    pooling,
    preprocessing,
    recurrent,
    refusals,
    resize,
    shape,
    tensorflow_functions,
    wrappers,
)
from workers.formats.keras.read.inputs import inputs
from workers.formats.keras.read.layer import BF16, F32, F64, Scope, named, reads
from workers.formats.keras.read.network import Pass, run, why_not
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.upgrade import ALIASES
from workers.formats.keras.weights import Stock, stock
from workers.formats.layer import cast
from workers.hub.naming import unique

# Importing a family registers its layers.
FAMILIES = (
    activation, attention, augmentation, convolution, convolution_transpose, convolutional_recurrent, dense,
    elementwise, embedding, locally_connected, normalization, operations, own, pooling, preprocessing, recurrent,
    refusals, resize, shape, tensorflow_functions, wrappers,
)  # fmt: skip
APPLIED = ("input_shapes", "input_dtypes")


def read(request: ReadRequest) -> Reading:
    """The uploaded Keras model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    with ExitStack() as stack:
        source = assemble(request.upload, stack)
        net = parse(source)
        weights = stock(source, net)
        state, outputs, notes = _read(source, net, weights, request)
        _add_outputs(state, net, outputs)
        found = [*source.notes, *state.scope.notes, *notes]
        return Reading(state.g.model(), source.files, source.version, tuple(dict.fromkeys(found)), applied=APPLIED)


def parse(source: Assembled) -> Net:
    """The architecture as a net; a model class of the user's is refused by its name."""
    config = source.config
    first = source.generation == 1 and '"dim_ordering": "th"' in json.dumps(config)
    parser = Parser(source.file, source.generation, "th" if first else "")
    if not isinstance(config.get("class_name"), str):
        raise MalformedModel(f"{source.file!r} does not say which model it is", file=source.file)
    if not is_model(config):
        spec = parser.spec(config)
        raise UnsupportedOperators(
            "keras", [Unsupported(spec.name, spec.type, why_not(spec))],
            hint="Export the model as a SavedModel (model.export), or rebuild it with the functional API.",
        )  # fmt: skip
    return parser.net(config)


def _read(source: Assembled, net: Net, weights: Stock, request: ReadRequest) -> tuple[Pass, list[Tensor], list[Note]]:
    """With the batch axis free; where a layer forbids that, once more with the size that the file gives, or 1."""

    def once(free: bool) -> tuple[Pass, list[Tensor]]:
        given = inputs(net, request.options, free=free, file=source.file)
        return run(
            net, weights, given, Scope(source.file, flip=_flips(source), version=source.version), request.progress
        )

    (state, outputs), notes = free_first(once, request.options.dynamic_batch, False, _needs_size)
    return state, outputs, notes


def _needs_size(error: FreeAxis) -> ConversionError:
    return InvalidOptions(
        f"layer {error.layer!r} ({error.type}) does not work with the free axes of its input: {error.reason}",
        layer=error.layer, op=error.type, hint="Give numbers for all axes in the option 'input_shapes'.",
    )  # fmt: skip


def _flips(source: Assembled) -> bool:
    """Whether Theano wrote the kernels. Keras 1 does not say so, but TensorFlow's variables are called ``name:0``."""
    if source.backend:
        return source.backend == "theano"
    paths = [dataset.path for _, datasets in source.groups or [] for dataset in datasets]
    return source.generation == 1 and bool(paths) and not any(path.endswith(":0") for path in paths)


def _add_outputs(state: Pass, net: Net, outputs: list[Tensor]) -> None:
    """Outputs in Keras' own order of axes, under their layers' names or the keys of a dictionary."""
    names = net.by_name
    taken: set[str] = set()
    for index, (ref, tensor) in enumerate(zip(net.outputs, outputs, strict=True)):
        spec: Spec = names[ref.layer]
        name = net.labels[index] if net.labels is not None else _output_name(spec, ref.tensor)
        with state.g.layer(spec.name, spec.type):
            value = tensor.plain(state.g)
            wanted = WIDE.get(_computed_in(net, ref))
            if wanted is not None and value.dtype == F32:
                value = cast(state.g, value, wanted)
                detail = "Keras computed in float64 or bfloat16; the converted model computes in float32 in between."
                state.scope.notes.append(Note("single-precision", detail, spec.name))
            state.g.output(value, unique(name, taken))
    used = {value for node in state.g.graph.all_nodes() for value in node.inputs}
    for key, value in list(state.g.graph.initializers.items()):
        if value not in used and not value.is_graph_output():
            del state.g.graph.initializers[key]


WIDE = {"float64": F64, "bfloat16": BF16}


def _computed_in(net: Net, ref: Ref, depth: int = 0) -> str:
    """The element type of a result in Keras: its layer's, of operations that of what they are given first."""
    spec = net.by_name[ref.layer]
    if spec.net is not None:
        return _computed_in(spec.net, spec.net.outputs[min(ref.tensor, len(spec.net.outputs) - 1)], depth + 1)
    operation = spec.kind.startswith(("ops.", "TFOpLambda", "SlicingOpLambda"))
    if not operation or (spec.kind == "ops.Cast" and spec.config.get("dtype")):
        return named(spec.config.get("dtype"))
    if depth > 1000 or not 0 <= ref.node - spec.first < len(spec.calls):
        return "float32"
    first = next(refs(spec.calls[ref.node - spec.first]), None)
    return "float32" if first is None else _computed_in(net, first, depth + 1)


def _output_name(spec: Spec, tensor: int) -> str:
    return spec.name if not tensor else f"{spec.name}_{tensor}"


def coverage() -> dict[str, str]:
    """Layer types: an empty string when they are read, else the reason of their refusal."""
    known = {"InputLayer": "", "Sequential": "", "Functional": "", "Model": "", **reads.coverage()}
    for alias, kind in ALIASES.items():
        known.setdefault(alias, known.get(kind, ""))
    return dict(sorted(known.items()))
