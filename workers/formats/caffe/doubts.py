"""What OpenCV's Caffe importer is known to compute otherwise than Caffe, found in the very layers of a model.

Each row was seen: the layer run in OpenCV 4.14 (as the toolchain re-spells it) against Caffe's recorded outputs or its
formula. What OpenCV lacks altogether needs no row: it refuses that itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import onnx_ir as ir

from workers.errors import ConversionError
from workers.formats.caffe.assemble import assemble
from workers.inspect.schema import Message
from workers.inspect.upload import Upload

Doubt = Callable[[Message], bool]


def _log(layer: Message) -> bool:
    p = layer.log_param
    return (p.base, p.scale, p.shift) != (-1, 1, 0)


def _mvn(layer: Message) -> bool:
    return bool(layer.mvn_param.normalize_variance and layer.mvn_param.eps > 1e-7)


def _deconvolution(layer: Message) -> bool:
    return any(step != 1 for step in layer.convolution_param.dilation)


def _interp(layer: Message) -> bool:
    p = layer.interp_param
    return bool(p.pad_beg or p.pad_end or p.shrink_factor != 1)


def _prior_box(layer: Message) -> bool:
    return any(layer.prior_box_param.has(field) for field in ("img_size", "img_h", "img_w", "step_h", "step_w"))


def _slice(layer: Message) -> bool:
    return not layer.slice_param.has("slice_point")


def _relu6(layer: Message) -> bool:
    return bool(layer.relu6_param.n != 6)


DOUBTS: tuple[tuple[str, Doubt, str], ...] = (
    ("Log", _log, "OpenCV takes the natural logarithm and leaves base, scale and shift out"),
    ("MVN", _mvn, "OpenCV adds eps under the root, Caffe to the standard deviation"),
    ("Deconvolution", _deconvolution, "OpenCV leaves the dilation of a Deconvolution out"),
    ("Interp", _interp, "OpenCV leaves the pads and the shrink factor of Interp out"),
    ("PriorBox", _prior_box, "OpenCV does not use img_size, img_h, img_w, step_h and step_w as Caffe does"),
    ("Reorg", lambda layer: bool(layer.reorg_param.reverse), "OpenCV leaves 'reverse' of Reorg out"),
    ("ReLU6", _relu6, "OpenCV clips at 6 whatever n says"),
    ("Slice", _slice, "OpenCV cuts a Slice without points into as many parts as are read, Caffe into one a top"),
    (
        "Scale",
        lambda layer: len(layer.bottom) > 1 and layer.scale_param.bias_term,
        "OpenCV leaves the bias of a Scale with two bottoms out",
    ),
    (
        "DetectionOutput",
        lambda layer: True,
        "where nothing is detected OpenCV returns other rows than Caffe, which has one row of -1 an image",
    ),
)


def doubts(files: Iterable[Path], model: ir.Model) -> list[str]:
    """One sentence a layer of the Caffe model in ``files`` on what OpenCV computes otherwise; usually none.

    The files say more than the hub ``model`` made from them, where PriorBox is a constant and Slice a Split.
    """
    try:
        net = assemble(Upload.of(*files)).graph
    except ConversionError:
        return []
    return [
        f"layer {layer.name!r} ({layer.type}): {words}"
        for layer in net.layer
        for type_, applies, words in DOUBTS
        if layer.type == type_ and applies(layer)
    ]
