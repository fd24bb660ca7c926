"""The model comes to speak opset 21: older ones through ONNX's converter, newer ones where the words mean the same.

Upwards ONNX's own converter is sound. It runs on the skeleton: weights are stubs that find their data again by name.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from workers.errors import Unsupported, UnsupportedVersion
from workers.hub import OPSET, provenance
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.schemas import untaken_type
from workers.hub.skeleton import is_large, skeleton
from workers.options import Options
from workers.report.schema import Change

OLDEST = 7


def convert_opset(model: ir.Model, options: Options) -> list[Change]:
    """Convert to opset 21. Raises UnsupportedVersion naming the nodes that stand in the way."""
    version = model.opset_imports.get("", OPSET)
    nodes = list(model.graph.all_nodes())
    for node in nodes:
        node.version = None
    if version == OPSET:
        return []
    if version < OLDEST:
        raise UnsupportedVersion(
            f"the model is of opset {version}; opset {OLDEST} is the oldest that is read",
            hint="Convert it with onnx.version_converter first.",
        )
    if version > OPSET:
        _accept_newer(nodes, version)
    else:
        _upgrade(model, version)
    model.opset_imports[""] = OPSET
    where = [f"opset {version}"]
    return changed("opset", f"The model was brought from opset {version} to {OPSET}.", where)


def _accept_newer(nodes: list[ir.Node], version: int) -> None:
    """An operator of a newer opset is taken as it is when opset 21 has it with the same inputs and attributes."""
    refused = [
        Unsupported(provenance.layer_of(node), node.op_type, f"opset 21 has no such {node.op_type}")
        for node in nodes
        if node.domain == "" and not _same_words(node, version)
    ]
    if refused:
        raise UnsupportedVersion(
            f"the model is of opset {version}, and opset {OPSET} cannot say {'; '.join(map(str, refused))}",
            hint=f"Export it at opset {OPSET} or older.",
            unsupported=[{"layer": r.layer, "op": r.type, "reason": r.reason} for r in refused],
        )


def _same_words(node: ir.Node, version: int) -> bool:
    if not onnx.defs.has(node.op_type, version, "") or not onnx.defs.has(node.op_type, OPSET, ""):
        return False
    newer = onnx.defs.get_schema(node.op_type, version, "")
    ours = onnx.defs.get_schema(node.op_type, OPSET, "")
    if newer.since_version == ours.since_version:
        return True
    if len(node.inputs) > len(ours.inputs) and ours.max_input < len(node.inputs):
        return False
    changed_default = any(
        name in ours.attributes and ours.attributes[name].default_value != attribute.default_value
        for name, attribute in newer.attributes.items()
    )
    if not set(node.attributes) <= set(ours.attributes) or changed_default:
        return False
    return untaken_type(Node(node), ours) is None and not _means_more(Node(node))


def _means_more(node: Node) -> bool:
    """Newer opsets gave these words a meaning that opset 21 has not: fmod=0 of floating-point numbers."""
    floating = node.dtype() in (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
    return node.op == "Mod" and floating and not node.i("fmod")


def _upgrade(model: ir.Model, version: int) -> None:
    """ONNX's converter forgets the metadata of nodes and knows no stubs: both are put back by name."""
    scans = [provenance.layer_of(node) for node in model.graph.all_nodes() if node.op_type == "Scan" and version < 9]
    if scans:
        raise UnsupportedVersion(
            f"Scan of opset 8 ({', '.join(scans)}) has a batch axis that later ones have not",
            layer=scans[0],
            hint="Export the model at opset 9 or newer.",
        )
    large = {
        name: value.const_value
        for graph in model.graphs()
        for name, value in graph.initializers.items()
        if is_large(value.const_value)
    }
    known = {}
    for index, node in enumerate(model.graph.all_nodes()):
        known[f"node{index}"] = (node.name, dict(node.metadata_props))
        node.name = f"node{index}"
    try:
        converted = onnx.version_converter.convert_version(skeleton(model), OPSET)
    except (RuntimeError, ValueError) as error:
        words = " ".join(str(error).split())[:400]
        raise UnsupportedVersion(
            f"the model is of opset {version} and cannot be brought to {OPSET}: {words}"
        ) from error
    fresh = ir.serde.deserialize_model(converted)
    for graph in fresh.graphs():
        for name, value in graph.initializers.items():
            if name in large:
                value.const_value = large[name]
        _restore(graph, known)
    model.graph = fresh.graph


def _restore(graph: ir.Graph, known: dict[str, tuple[str | None, dict[str, str]]]) -> None:
    """Names and sources; a node that the converter added belongs to the nearest node behind it."""
    source: dict[str, str] = {}
    for node in reversed(graph):
        name, metadata = known.get(node.name or "", (None, source))
        node.name = name
        node.metadata_props.update(metadata)
        source = metadata
