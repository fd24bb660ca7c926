"""The writer's table: ONNX operator -> the one function that writes it, and what every layer of Caffe has in common."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from workers.formats.caffe.write.net import NetWriter
from workers.formats.rules import Writes
from workers.hub.node import Node

Rule = Callable[[NetWriter, Node], None]

# The domain of the layers that Caffe has and ONNX spells with several operators; ``recognise`` makes such nodes.
DOMAIN = "caffe"
FLOAT = (ir.DataType.FLOAT, None)


class CaffeWrites(Writes[Rule]):
    """Blobs hold float32, whatever the layer."""

    def why_not(self, node: Node) -> str | None:
        reason = super().why_not(node)
        if reason is not None:
            return reason
        for value in node.outputs:
            if value.dtype not in FLOAT and (value.uses() or value.is_graph_output()):
                return f"Caffe's blobs hold float32 only, and this yields {value.dtype}"
        return None


writes = CaffeWrites("caffe")
