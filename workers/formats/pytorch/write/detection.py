"""Detection: non-maximum suppression and regions of interest, without torchvision."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.hub.node import Node


def _number(net: NetWriter, node: Node, index: int, default: str) -> str:
    value = node.input(index)
    if value is None:
        return default
    return net.scalar(value, 1) or f"{net.plain(value)}.item()"


@writes("NonMaxSuppression")
def non_max_suppression(net: NetWriter, node: Node) -> None:
    call = text.call(
        net.helper("non_max_suppression"), net.x(node, 0), net.x(node, 1), _number(net, node, 2, "0"),
        _number(net, node, 3, "0.0"), _number(net, node, 4, "None"), bool(node.i("center_point_box")),
    )  # fmt: skip
    net.set(node, call)


@writes("MaxRoiPool")
def max_roi_pool(net: NetWriter, node: Node) -> None:
    given = [net.x(node, 0), net.x(node, 1), node.ints("pooled_shape"), text.floating(node.f("spatial_scale", 1.0))]
    net.set(node, text.call(net.helper("max_roi_pool"), *given))


@writes("RoiAlign")
def roi_align(net: NetWriter, node: Node) -> None:
    call = text.call(
        net.helper("roi_align"), net.x(node, 0), net.x(node, 1), net.x(node, 2),
        (node.i("output_height", 1), node.i("output_width", 1)), text.floating(node.f("spatial_scale", 1.0)),
        node.i("sampling_ratio"), f'"{node.s("mode", "avg")}"',
        node.s("coordinate_transformation_mode", "half_pixel") == "half_pixel",
    )  # fmt: skip
    net.set(node, call)
