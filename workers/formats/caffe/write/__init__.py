"""The hub as a Caffe net: ``deploy.prototxt`` and ``model.caffemodel``.

The dialect is BVLC Caffe's; layers that only its master branch or the SSD fork have are noted. One small function an
ONNX operator; what ONNX spells with several operators and Caffe has as one layer is recognised first.
"""

from __future__ import annotations

from importlib import import_module

import onnx_ir as ir

from workers.formats.caffe.file import print_prototxt, write_caffemodel
from workers.formats.caffe.write.net import NetWriter, names, without_blobs
from workers.formats.caffe.write.recognise import recognise
from workers.formats.caffe.write.registry import writes
from workers.formats.contract import Note, WriteRequest, Written
from workers.hub.legalise import legalise as to_legal
from workers.hub.node import Node

FAMILIES = (
    "activation", "convolution", "detection", "elementwise", "indexing", "linear", "normalization", "pooling",
    "reduction", "refusals", "shape",
)  # fmt: skip
PROTOTXT, CAFFEMODEL = "deploy.prototxt", "model.caffemodel"

for _family in FAMILIES:
    import_module(f"workers.formats.caffe.write.{_family}")


def legalise(model: ir.Model) -> list[Note]:
    """Rewrite a hub model in place until every node is one that Caffe has. Raises UnsupportedOperators."""
    recognise(model)
    changes = to_legal(model, writes, system="caffe")
    recognise(model)
    return changes


def write(request: WriteRequest) -> Written:
    """Write the net into ``request.folder``; the hub model is used up. Raises UnsupportedOperators, InvalidOptions."""
    changes = legalise(request.model)
    graph = request.model.graph
    net = NetWriter(graph, graph.name or request.name)
    nodes = list(graph)
    for index, raw in enumerate(nodes):
        node = Node(raw)
        request.progress(index, len(nodes), node.layer)
        writes.of(node)(net, node)
    record = net.finish()
    (request.folder / PROTOTXT).write_text(print_prototxt(without_blobs(record)), encoding="utf-8")
    write_caffemodel(record, request.folder / CAFFEMODEL)
    return Written(
        files=(PROTOTXT, CAFFEMODEL),
        input_names=names(graph.inputs),
        output_names=tuple(net.output_names),
        changes=tuple(changes),
        notes=tuple(net.notes.values()),
    )


def coverage() -> dict[str, str]:
    """ONNX operators that are written as they are (an empty string), or the reason why not."""
    return {operator: reason for operator, reason in writes.coverage().items() if "::" not in operator}
