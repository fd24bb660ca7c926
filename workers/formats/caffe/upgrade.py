"""Every generation of NetParameter as today's: ``layer`` entries only, inputs as ``Input`` layers.

V1 (2014) has ``layers`` with enum types; V0 (2013) wraps a flat ``layer`` record inside those, with lower-case types
and separate ``padding`` layers. Parameter messages of V1 are today's, and are shared, not copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workers.errors import MalformedModel
from workers.formats.caffe.schema import LAYER, NET
from workers.inspect.schema import Message

V1_TYPES = {
    "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise", "EUCLIDEAN_LOSS": "EuclideanLoss", "EXP": "Exp", "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData", "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN",
    "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence", "SLICE": "Slice",
    "SOFTMAX": "Softmax", "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "TANH": "TanH",
    "THRESHOLD": "Threshold", "WINDOW_DATA": "WindowData",
}  # fmt: skip
V0_TYPES = {
    "accuracy": "Accuracy", "bnll": "BNLL", "concat": "Concat", "conv": "Convolution", "data": "Data",
    "dropout": "Dropout", "euclidean_loss": "EuclideanLoss", "flatten": "Flatten", "hdf5_data": "HDF5Data",
    "hdf5_output": "HDF5Output", "im2col": "Im2col", "images": "ImageData", "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct", "lrn": "LRN", "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "pool": "Pooling", "relu": "ReLU", "sigmoid": "Sigmoid", "softmax": "Softmax", "softmax_loss": "SoftmaxWithLoss",
    "split": "Split", "tanh": "TanH", "window_data": "WindowData",
}  # fmt: skip
# Fields of V1LayerParameter that keep their name and meaning.
_KEPT = {"bottom", "top", "name", "blobs", "include", "exclude", "loss_weight"}


def generation(net: Message) -> str:
    """V0, V1 or V2: by what the layers look like."""
    if not net.has("layers"):
        return "V2"
    return "V0" if any(layer.has("layer") for layer in net["layers"]) else "V1"


def upgrade(net: Message, file: str | None = None) -> Message:
    """The net in today's form. Raises MalformedModel for a mixture of generations or inputs without their sizes."""
    if net.has("layer") and net.has("layers"):
        raise MalformedModel(
            f"{file or 'the net'!r} mixes 'layer' and 'layers' entries; Caffe refuses that, too", file=file,
            hint="Rewrite the old 'layers' entries as 'layer' with today's type names.",
        )  # fmt: skip
    old = generation(net)
    if old == "V0":
        layers = [_from_v0(layer, file) for layer in _without_padding(list(net["layers"]), file)]
    else:
        layers = [_from_v1(layer, file) for layer in net["layers"]] or list(net.layer)
    return NET(name=net.name, state=net.state, layer=[*_inputs(net, file), *layers])


def _inputs(net: Message, file: str | None) -> list[Message]:
    """``input`` with ``input_shape`` or four ``input_dim`` each becomes one Input layer a blob."""
    names, shapes, dims = list(net["input"]), list(net.input_shape), list(net.input_dim)
    if shapes and len(shapes) not in (1, len(names)):
        raise MalformedModel(f"{file!r} has {len(names)} inputs but {len(shapes)} input_shape entries", file=file)
    if dims and len(dims) != 4 * len(names):
        raise MalformedModel(
            f"{file!r} has {len(names)} inputs but {len(dims)} input_dim entries; each input takes four", file=file
        )
    layers = []
    for index, name in enumerate(names):
        layer = LAYER(name=name, type="Input", top=[name])
        if shapes:
            layer.input_param = {"shape": [shapes[index] if len(shapes) > 1 else shapes[0]]}
        elif dims:
            layer.input_param = {"shape": [{"dim": dims[4 * index : 4 * index + 4]}]}
        layers.append(layer)
    return layers


def _from_v1(old: Message, file: str | None) -> Message:
    type_ = V1_TYPES.get(str(old.type))
    if type_ is None:
        raise MalformedModel(
            f"layer {old.name!r} of {file!r} has the type {old.type!r}, which no V1 Caffe has",
            file=file,
            layer=old.name,
        )
    layer = LAYER(type=type_)
    for entry, value in old.fields():
        if entry.name in _KEPT or entry.name.endswith("_param"):
            layer[entry.name] = value
    if old.has("param"):
        modes = list(old.blob_share_mode)
        layer.param = [
            {"name": name, "share_mode": modes[index] if index < len(modes) else None}
            for index, name in enumerate(old.param)
        ]
    return layer


# --- V0 ---------------------------------------------------------------------------------------------------------------


def _without_padding(layers: list[Message], file: str | None) -> list[Message]:
    """A 2013 ``padding`` layer in front of a convolution or pooling becomes that layer's ``pad``."""
    padding = {top: layer for layer in layers if layer.layer.type == "padding" for top in layer.top}
    result = []
    for layer in layers:
        if layer.layer.type == "padding":
            continue
        before = [padding.get(bottom) for bottom in layer.bottom]
        if any(before):
            if layer.layer.type not in ("conv", "pool") or len(before) != 1 or before[0] is None:
                raise MalformedModel(
                    f"padding layer in front of {layer.layer.name!r} ({layer.layer.type}): only convolution and "
                    "pooling can take it over", file=file, layer=layer.layer.name,
                )  # fmt: skip
            layer.bottom = list(before[0].bottom)
            layer.layer.pad = before[0].layer.pad
        result.append(layer)
    return result


def _convolution(old: Message) -> dict[str, Any]:
    return {
        "num_output": old.num_output, "bias_term": old.biasterm, "pad": [old.pad], "kernel_size": [old.kernelsize],
        "group": old.group, "stride": [old.stride],
        "weight_filler": old.weight_filler if old.has("weight_filler") else None,
    }  # fmt: skip


_V0_PARAMETERS: dict[str, tuple[str, Callable[[Message], dict[str, Any]]]] = {
    "conv": ("convolution_param", _convolution),
    "im2col": ("convolution_param", _convolution),
    "innerproduct": ("inner_product_param", lambda old: {"num_output": old.num_output, "bias_term": old.biasterm}),
    "pool": (
        "pooling_param",
        lambda old: {"pool": old.pool, "kernel_size": old.kernelsize, "stride": old.stride, "pad": old.pad},
    ),
    "lrn": (
        "lrn_param",
        lambda old: {"local_size": old.local_size, "alpha": old.alpha, "beta": old.beta, "k": old.k},
    ),
    "dropout": ("dropout_param", lambda old: {"dropout_ratio": old.dropout_ratio}),
    "concat": ("concat_param", lambda old: {"concat_dim": old.concat_dim}),
    "data": ("data_param", lambda old: {"batch_size": old.batchsize, "crop_size": old.cropsize}),
    "images": (
        "image_data_param",
        lambda old: {
            "batch_size": old.batchsize,
            "crop_size": old.cropsize,
            "new_height": max(old.new_height, 0),
            "new_width": max(old.new_width, 0),
        },
    ),
}


def _from_v0(wrapped: Message, file: str | None) -> Message:
    old = wrapped.layer
    type_ = V0_TYPES.get(old.type)
    if type_ is None:
        raise MalformedModel(
            f"layer {old.name!r} of {file!r} has the type {old.type!r}, which no 2013 Caffe has",
            file=file,
            layer=old.name,
        )
    layer = LAYER(name=old.name, type=type_, bottom=list(wrapped.bottom), top=list(wrapped.top))
    if old.has("blobs"):
        layer.blobs = old.blobs
    if old.type in _V0_PARAMETERS:
        field, values = _V0_PARAMETERS[old.type]
        layer[field] = values(old)
    return layer
