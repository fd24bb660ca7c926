"""``auto_pad`` becomes explicit pads wherever the sizes are known."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change

WINDOWED = frozenset({"Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"})
WEIGHTS = {"Conv": 1, "ConvTranspose": 1, "ConvInteger": 1, "QLinearConv": 3}


def resolve_padding(model: ir.Model, options: Options) -> list[Change]:
    """Write the pads that ``auto_pad`` stands for and drop it; SAME of an unknown size stays as it is."""
    resolved = []
    for raw in model.graph.all_nodes():
        if raw.op_type not in WINDOWED or raw.domain:
            continue
        node = Node(raw)
        mode = node.s("auto_pad", "NOTSET")
        if node.has("output_shape"):
            if _by_output_shape(node, mode):
                resolved.append(layer_of(raw))
            continue
        if mode == "NOTSET":
            raw.attributes.pop("auto_pad", None)
            continue
        pads = _pads(node, mode)
        if pads is not None:
            del raw.attributes["auto_pad"]
            raw.attributes["pads"] = ir.AttrInt64s("pads", pads)
            resolved.append(layer_of(raw))
    return changed("auto-pad", "Automatic padding was written out.", resolved)


PER_AXIS = ("strides", "dilations", "output_padding")


def _by_output_shape(node: Node, mode: str) -> bool:
    """``output_shape`` overrides the pads: they are what is too much, the larger half in front unless SAME_UPPER.

    Nothing is changed where the shape asks for more than there is, or the size is unknown.
    """
    kernel, spatial = _kernel(node), (node.shape() or ())[2:]
    wanted = node.ints("output_shape")[-len(spatial) :]
    if kernel is None or len(wanted) != len(kernel):
        return False
    begin, end = [], []
    for axis, (size, out) in enumerate(zip(spatial, wanted, strict=True)):
        if not isinstance(size, int):
            return False
        stride = node.ints("strides", [1] * len(kernel))[axis]
        reach = (kernel[axis] - 1) * node.ints("dilations", [1] * len(kernel))[axis] + 1
        total = stride * (size - 1) + node.ints("output_padding", [0] * len(kernel))[axis] + reach - out
        if total < 0:
            return False
        small, large = total // 2, total - total // 2
        begin.append(small if mode == "SAME_UPPER" else large)
        end.append(large if mode == "SAME_UPPER" else small)
    node.raw.attributes.pop("auto_pad", None)
    node.raw.attributes.pop("output_shape")
    node.raw.attributes["pads"] = ir.AttrInt64s("pads", begin + end)
    return True


def _pads(node: Node, mode: str) -> list[int] | None:
    kernel = _kernel(node)
    if kernel is None:
        return None
    if mode == "VALID":
        return [0] * (2 * len(kernel))
    spatial = (node.shape() or ())[2:]
    if len(spatial) != len(kernel) or not all(isinstance(size, int) for size in spatial):
        return None
    begin, end = [], []
    for axis, size in enumerate(spatial):
        assert isinstance(size, int)
        total = _total(node, axis, size, kernel[axis])
        small, large = total // 2, total - total // 2
        begin.append(small if mode == "SAME_UPPER" else large)
        end.append(large if mode == "SAME_UPPER" else small)
    return begin + end


def _total(node: Node, axis: int, size: int, kernel: int) -> int:
    """All padding of one axis: the output has ceil(size / stride) places (a transposed one size * stride)."""
    stride = node.ints("strides", [1] * (axis + 1))[axis]
    reach = (kernel - 1) * node.ints("dilations", [1] * (axis + 1))[axis] + 1
    if node.op == "ConvTranspose":
        extra = node.ints("output_padding", [0] * (axis + 1))[axis]
        return max(0, reach + extra - stride)
    return max(0, (-(-size // stride) - 1) * stride + reach - size)


def _kernel(node: Node) -> tuple[int, ...] | None:
    """The window's sizes, None where they are unknown, or strides and dilations are not as many or below one."""
    kernel = _sizes(node)
    settings = [node.ints(name) for name in PER_AXIS if node.has(name)]
    if kernel is None or any(len(setting) != len(kernel) for setting in settings):
        return None
    return kernel if min(node.ints("strides"), default=1) > 0 else None


def _sizes(node: Node) -> tuple[int, ...] | None:
    if node.has("kernel_shape"):
        return node.ints("kernel_shape")
    shape = node.shape(WEIGHTS.get(node.op, 1))
    if shape is None or not all(isinstance(dim, int) for dim in shape[2:]):
        return None
    return tuple(dim for dim in shape[2:] if isinstance(dim, int))
