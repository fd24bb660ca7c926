"""Inputs that ONNX wants as scalars, where a model has lists of one number: every runtime takes those too."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change

# Operator -> inputs that are scalars; ONNX's own function bodies give Range lists.
SCALARS = {"Range": (0, 1, 2)}


def make_scalars(model: ir.Model, options: Options) -> list[Change]:
    """Reshape lists of one number to scalars in front of the operators that want them."""
    made = []
    for graph in model.graphs():
        builder: GraphBuilder | None = None
        for raw in list(graph):
            node = Node(raw)
            lists = [index for index in SCALARS.get(raw.op_type, ()) if raw.domain == "" and node.shape(index) == (1,)]
            for index in lists:
                builder = builder or GraphBuilder(graph=graph)
                g = builder.ahead_of(raw)
                array = node.const(index)
                with g.layer(layer_of(raw), layer_type_of(raw)):
                    scalar = g.Reshape(node.x(index), np.zeros(0, np.int64)) if array is None else g.constant(array[0])
                raw.replace_input_with(index, scalar)
                made.append(layer_of(raw))
    return changed("scalars", "Lists of one number became scalars where ONNX wants those.", made)
