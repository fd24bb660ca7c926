"""Training leaves the graph: dropout lets everything through, normalisation uses its stored statistics."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def leave_training(model: ir.Model, options: Options) -> list[Change]:
    """Turn Dropout into Identity and BatchNormalization of training mode into that of inference.

    A mask that something reads, and statistics that something reads, keep their node as it is.
    """
    left = []
    for graph in model.graphs():
        for node in list(graph):
            if node.domain == "" and _is_unread(node) and (_dropout(node, graph) or _normalization(node)):
                left.append(layer_of(node))
    return changed("inference", "Layers were taken from training to inference.", left)


def _is_unread(node: ir.Node) -> bool:
    """Only the first output is read."""
    return not any(value.uses() or value.is_graph_output() for value in node.outputs[1:])


def _dropout(node: ir.Node, graph: ir.Graph) -> bool:
    if node.op_type != "Dropout":
        return False
    training = Node(node).const(2)
    if len(node.inputs) > 2 and node.inputs[2] is not None and (training is None or bool(np.any(training))):
        return False  # the model itself asks for training at run time
    identity = ir.Node("", "Identity", [node.inputs[0]], num_outputs=1, name=node.name)
    identity.metadata_props.update(node.metadata_props)
    output, fresh = node.outputs[0], identity.outputs[0]
    fresh.type, fresh.shape = output.type, output.shape
    graph.insert_before(node, identity)
    name, output.name = output.name, f"{output.name}_dropout"
    fresh.name = name
    output.replace_all_uses_with(fresh, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    return True


def _normalization(node: ir.Node) -> bool:
    if node.op_type != "BatchNormalization" or not Node(node).i("training_mode"):
        return False
    node.attributes["training_mode"] = ir.AttrInt64("training_mode", 0)
    node.resize_outputs(1)
    return True
