"""Definitions that only moved a parameter: from an attribute to an input, or from implied to spelt out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.normalise.opset.edit import attribute_to_input

Adapter = Callable[[GraphBuilder, Node], None]


def axes(g: GraphBuilder, node: Node) -> None:
    """No axes at all meant every axis, and still does."""
    if not node.ints("axes"):
        node.raw.attributes.pop("axes", None)
    attribute_to_input(g, node, "axes", 1, np.int64)


def split_sizes(g: GraphBuilder, node: Node) -> None:
    attribute_to_input(g, node, "split", 1, np.int64)


def split_count(g: GraphBuilder, node: Node) -> None:
    """Without sizes the parts are equal, as many as there are outputs; since opset 18 that number is told."""
    if node.input(1) is None:
        node.raw.attributes.add(_int("num_outputs", len(node.outputs)))


def clip(g: GraphBuilder, node: Node) -> None:
    """Bounds have the element type of the input."""
    dtype = _dtype(node)
    attribute_to_input(g, node, "min", 1, dtype, ())
    attribute_to_input(g, node, "max", 2, dtype, ())


def pad(g: GraphBuilder, node: Node) -> None:
    attribute_to_input(g, node, "pads", 1, np.int64)
    attribute_to_input(g, node, "value", 2, _dtype(node), ())


def slice_(g: GraphBuilder, node: Node) -> None:
    for index, name in enumerate(("starts", "ends", "axes"), 1):
        attribute_to_input(g, node, name, index, np.int64)


def top_k(g: GraphBuilder, node: Node) -> None:
    attribute_to_input(g, node, "k", 1, np.int64, (1,))


def dropout(g: GraphBuilder, node: Node) -> None:
    attribute_to_input(g, node, "ratio", 1, np.float32, ())


def dft(g: GraphBuilder, node: Node) -> None:
    """The axis, 1 where it was not told, became the third input."""
    node.raw.attributes.setdefault("axis", _int("axis", 1))
    attribute_to_input(g, node, "axis", 2, np.int64, ())


def upsample_scales(g: GraphBuilder, node: Node) -> None:
    attribute_to_input(g, node, "scales", 1, np.float32)


def grid_sample(g: GraphBuilder, node: Node) -> None:
    """The modes were called after the plane, and now go for any number of axes."""
    names = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}
    node.raw.attributes.add(_string("mode", names[node.s("mode", "bilinear")]))


def roi_align(g: GraphBuilder, node: Node) -> None:
    """Opset 10 did not shift by half a pixel; since 16 that is told, and the default is to shift."""
    node.raw.attributes.add(_string("coordinate_transformation_mode", "output_half_pixel"))


def scatter(g: GraphBuilder, node: Node) -> None:
    node.raw.op_type = "ScatterElements"


def _int(name: str, value: int) -> ir.Attr:
    return ir.AttrInt64(name, value)


def _string(name: str, value: str) -> ir.Attr:
    return ir.AttrString(name, value)


def _dtype(node: Node) -> np.dtype[np.generic]:
    dtype = node.dtype()
    return np.dtype(np.float32) if dtype is None else dtype.numpy()


REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
              "ReduceProd", "ReduceSumSquare")  # fmt: skip

ADAPTERS: dict[str, tuple[tuple[int, Adapter], ...]] = {
    **{name: ((18, axes),) for name in REDUCTIONS},
    "ReduceSum": ((13, axes),),
    "Squeeze": ((13, axes),),
    "Unsqueeze": ((13, axes),),
    "Split": ((13, split_sizes), (18, split_count)),
    "Clip": ((11, clip),),
    "Pad": ((11, pad),),
    "Slice": ((10, slice_),),
    "TopK": ((10, top_k),),
    "Dropout": ((12, dropout),),
    "DFT": ((20, dft),),
    "Upsample": ((9, upsample_scales),),
    "GridSample": ((20, grid_sample),),
    "RoiAlign": ((16, roi_align),),
    "Scatter": ((11, scatter),),
}
