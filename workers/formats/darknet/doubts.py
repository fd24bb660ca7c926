"""What OpenCV's Darknet importer is known to compute otherwise than Darknet, found in the very layers of a model.

Each row was seen: the layer run in OpenCV 4.14 against Darknet's recorded outputs or its formula. What OpenCV lacks
altogether needs no row: it refuses that itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import onnx_ir as ir

from workers.errors import ConversionError
from workers.formats.darknet.assemble import assemble
from workers.formats.darknet.file import decimal
from workers.formats.darknet.net import Net, Step
from workers.hub.node import shape_of
from workers.hub.provenance import layer_of
from workers.inspect.upload import Upload

Doubt = Callable[[Step, tuple[int, ...] | None], bool]


def _set(*keys: str, default: float = 0) -> Doubt:
    """Whether one of the options has another value than its default."""
    return lambda step, _: any(decimal(step.section.options.get(key, repr(default))) != default for key in keys)


def _strides(step: Step, _: tuple[int, ...] | None) -> bool:
    options: Mapping[str, str] = step.section.options
    return any(options.get(key, options.get("stride", "1")) != options.get("stride", "1")
               for key in ("stride_x", "stride_y"))  # fmt: skip


def _several(step: Step, _: tuple[int, ...] | None) -> bool:
    return len(step.sources) > 1


def _map(step: Step, shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 4 and max(shape[2:]) > 1


DOUBTS: tuple[tuple[str, Doubt, str], ...] = (
    ("convolutional", _set("dilation", default=1), "OpenCV leaves the dilation out"),
    ("convolutional", _strides, "OpenCV leaves stride_x and stride_y out"),
    ("convolutional", _set("antialiasing"), "OpenCV leaves the blur of antialiasing out"),
    ("convolutional", lambda step, _: bool(step.sources), "OpenCV reads weights of its own for a shared convolution"),
    ("connected", _set("batch_normalize"), "OpenCV looks for the statistics before the weights"),
    ("maxpool", _strides, "OpenCV leaves stride_x and stride_y out"),
    ("maxpool", _set("antialiasing", "maxpool_depth"), "OpenCV leaves antialiasing and maxpool_depth out"),
    ("upsample", _set("scale", default=1), "OpenCV leaves the scale out"),
    ("softmax", _set("temperature", default=1), "OpenCV leaves the temperature out"),
    ("softmax", _map, "OpenCV normalises over the channels of a pixel, Darknet over the whole map"),
    ("shortcut", _several, "OpenCV adds the first source only"),
    ("shortcut", lambda step, _: "weights_type" in step.section.options, "OpenCV leaves the weights out"),
    ("route", lambda step, _: len(step.sources) > 1 and "groups" in step.section.options,
     "OpenCV takes a group of the first source only"),
    ("region", _set("background"), "OpenCV does not know background"),
)  # fmt: skip


def doubts(files: Iterable[Path], model: ir.Model) -> list[str]:
    """One sentence a layer of the net in ``files`` on what OpenCV computes otherwise; usually none.

    The hub ``model`` tells what stands in no file: the sizes of maps, and whose dialect the files were read in.
    """
    try:
        net = assemble(Upload.of(*files)).net
    except ConversionError:
        return []
    inputs, outputs = _shapes(model)
    found = [
        f"layer {step.name!r}: {words}"
        for step in net.steps
        for type_, applies, words in DOUBTS
        if step.type == type_ and applies(step, inputs.get(step.name))
    ]
    return found + _dialect(net, inputs, outputs, model)


def _shapes(model: ir.Model) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Of the first input and the last output of every layer, free axes counted as 1."""
    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    for node in model.graph:
        first = shape_of(node.inputs[0]) if node.inputs and node.inputs[0] is not None else None
        last = shape_of(node.outputs[0])
        if first is not None:
            inputs.setdefault(layer_of(node), _fixed(first))
        if last is not None:
            outputs[layer_of(node)] = _fixed(last)
    return inputs, outputs


def _fixed(shape: Iterable[int | str | None]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else 1 for size in shape)


def _dialect(
    net: Net, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]], model: ir.Model
) -> list[str]:
    """Pooling as before August 2018, and the layout of AlexeyAB's region."""
    found = []
    for step in net.steps:
        before, after = inputs.get(step.name), outputs.get(step.name)
        options = step.section.options
        if step.type == "maxpool" and before and after and "padding" not in options and len(before) == 4:
            stride = int(decimal(options.get("stride", "1")))
            if any(out != (side - 1) // max(stride, 1) + 1 for side, out in zip(before[2:], after[2:], strict=True)):
                found.append(f"layer {step.name!r}: OpenCV pools as Darknet has done since August 2018")
    for value in model.graph.outputs:
        if value.shape is not None and len(value.shape) == 5:
            found.append(f"layer {value.name!r}: OpenCV does not have the layout of AlexeyAB's region")
    return found
