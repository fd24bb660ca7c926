"""Resize says all of its axes: onnxruntime forgets the others' when it moves a Transpose behind one that names some."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.errors import CheckerFailed
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change

ROI, SCALES, SIZES = 1, 2, 3


def name_all_axes(model: ir.Model, options: Options) -> list[Change]:
    """Factors and sizes for every axis in order, those that were not named being 1 and what they are.

    A policy that keeps proportions looks at the named axes only, and regions are given by them: such nodes stay.
    Raises CheckerFailed for a node with more or fewer numbers than axes.
    """
    spelt = []
    for graph in model.graphs():
        builder = GraphBuilder(graph=graph)
        for raw in list(graph):
            node = Node(raw)
            if node.key != "Resize" or not node.has("axes") or node.rank is None or not _plain(node):
                continue
            g = builder.ahead_of(raw)
            with g.layer(layer_of(raw), layer_type_of(raw)):
                _spell(g, node, [axis % node.rank for axis in node.ints("axes")])
            spelt.append(layer_of(raw))
    return changed("resize-axes", "Resizing of some axes was said for all of them.", spelt)


def _plain(node: Node) -> bool:
    crops = node.s("coordinate_transformation_mode") == "tf_crop_and_resize"
    return node.s("keep_aspect_ratio_policy", "stretch") == "stretch" and not crops


def _spell(g: GraphBuilder, node: Node, axes: list[int]) -> None:
    rank = node.rank or 0
    sized = node.input(SIZES) is not None
    place = SIZES if sized else SCALES
    given = node.const(place)
    if given is not None and given.size != len(axes):
        layer = layer_of(node.raw)
        raise CheckerFailed(f"{layer!r} (Resize) names {len(axes)} axes and has {given.size} numbers", layer=layer)
    if given is not None and not sized:
        scales = np.ones(rank, np.float32)
        scales[axes] = given
        full = g.constant(scales)
    else:
        full = _joined(g, node, axes, node.x(place), g.Shape(node.x()) if sized else g.constant(np.ones(rank, "f4")))
    node.raw.replace_input_with(place, full)
    if node.input(ROI) is not None:
        node.raw.replace_input_with(ROI, None)
    node.raw.attributes.pop("axes")


def _joined(g: GraphBuilder, node: Node, axes: list[int], given: Value, others: Value) -> Value:
    """``given`` for ``axes``, ``others`` for the rest: small constants, if all sizes are known, in the end."""
    parts = []
    for axis in range(node.rank or 0):
        source, at = (given, axes.index(axis)) if axis in axes else (others, axis)
        parts.append(g.Slice(source, [at], [at + 1], [0]))
    return g.Concat(*parts, axis=0)
