"""The SSD fork's last layer."""

from __future__ import annotations

from workers.formats.caffe.write.net import SSD, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.node import Node


@writes("caffe::DetectionOutput")
def detection_output(net: NetWriter, node: Node) -> None:
    """Bottoms: locations and confidences, a row an image, and the prior boxes, which are a Parameter here."""
    net.needs(SSD, "DetectionOutput")
    parameter: dict[str, object] = {
        "num_classes": node.i("num_classes"),
        "share_location": bool(node.i("share_location")),
        "background_label_id": node.i("background_label_id"),
        "nms_param": {"nms_threshold": node.f("nms_threshold"), "top_k": node.i("top_k")},
        "code_type": node.s("code_type"),
        "keep_top_k": node.i("keep_top_k"),
    }
    if node.has("confidence_threshold"):
        parameter["confidence_threshold"] = node.f("confidence_threshold")
    net.layer("DetectionOutput", node, [node.x(index) for index in range(3)], detection_output_param=parameter)
