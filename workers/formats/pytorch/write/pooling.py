"""Pooling: the modules of ``torch.nn`` where pads and rounding are torch's, else the same with explicit pads."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.convolution import Window, list_of, plain
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import all_of, rank_known, writes
from workers.formats.pytorch.write.types import D, torch_name
from workers.hub.node import Node, shape_of


def spatial(node: Node) -> bool | str:
    if node.rank is None:
        return "the rank of its input is unknown"
    return node.rank in (3, 4, 5) or f"PyTorch has no pooling of an input of rank {node.rank}"


def window_of(node: Node) -> Window:
    return Window(node, node.ints("kernel_shape"))


def small_pads(window: Window) -> bool:
    """torch pads both ends alike, by half a kernel at most."""
    return window.symmetric and all(2 * pad <= size for pad, size in zip(window.begin, window.kernel, strict=True))


def reaching(node: Node, window: Window) -> tuple[int, ...] | None:
    """Pads at the end that make every window of ceil_mode whole; None when a size is free."""
    shape = shape_of(node.x(0)) or ()
    ends = []
    for axis, size in enumerate(shape[2:]):
        if not isinstance(size, int):
            return None
        begin, stride = window.begin[axis], window.strides[axis]
        reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1
        count = -(-(size + begin + window.end[axis] - reach) // stride) + 1
        if (count - 1) * stride >= size + begin:
            count -= 1
        ends.append((count - 1) * stride + reach - size - begin)
    return tuple(ends)


def _ceil_sizes_known(node: Node) -> bool | str:
    window = window_of(node)
    if not node.i("ceil_mode") or (small_pads(window) and not window.free):
        return True
    known = bool(window.begin) and reaching(node, window) is not None
    return known or "it rounds up with pads that PyTorch has not, over a free axis"


def _one_output(node: Node) -> bool:
    return len(node.outputs) < 2 or not (node.outputs[1].uses() or node.outputs[1].is_graph_output())


@writes("MaxPool", only_if=all_of(spatial, _ceil_sizes_known))
def max_pool(net: NetWriter, node: Node) -> None:
    """Pads never win: they are minus infinity. Integers are pooled as floats, which hold 8 bits exactly."""
    window, ceil = window_of(node), bool(node.i("ceil_mode"))
    x, integer = net.x(node), node.dtype() in (D.INT8, D.UINT8)
    if integer:
        x = f"{x}.to(torch.float32)"
    if not _one_output(node):
        _max_pool_with_indices(net, node, window)
        return
    padding = plain(window.begin, 0) if window.begin else None
    if not small_pads(window) or window.free:
        if ceil:
            window.end, ceil = reaching(node, window) or window.end, False
        x, padding = window.padded(net, x, value='float("-inf")'), None
    axes = len(window.kernel)
    constructor = text.call(
        f"nn.MaxPool{axes}d", text.ints(window.kernel),
        stride=None if window.strides == window.kernel else text.ints(window.strides), padding=padding,
        dilation=plain(window.dilations, 1), ceil_mode=ceil or None,
    )  # fmt: skip
    result = f"{net.module(node, constructor, 'pool')}({x})"
    net.set(node, f"{result}.to({torch_name(node.dtype())})" if integer else result)


def _max_pool_with_indices(net: NetWriter, node: Node, window: Window) -> None:
    """ONNX counts the places over the whole tensor, torch within one channel."""
    if node.i("ceil_mode"):
        window.end = reaching(node, window) or window.end
    call = text.call(
        net.helper("max_pool_indices"), net.x(node), list_of(window.kernel), list_of(window.strides),
        list_of((*window.begin, *window.end)), list_of(window.dilations), bool(node.i("storage_order")),
    )  # fmt: skip
    net.set_all(node, call)


@writes("AveragePool", only_if=all_of(spatial, _ceil_sizes_known))
def average_pool(net: NetWriter, node: Node) -> None:
    window, ceil = window_of(node), bool(node.i("ceil_mode"))
    count = bool(node.i("count_include_pad"))
    axes = len(window.kernel)
    unpadded = not any(window.begin) and not any(window.end) and not window.free
    if small_pads(window) and all(dilation == 1 for dilation in window.dilations):
        net.layer(
            node, f"nn.AvgPool{axes}d", text.ints(window.kernel),
            stride=None if window.strides == window.kernel else text.ints(window.strides),
            padding=plain(window.begin, 0), ceil_mode=ceil or None,
            count_include_pad=False if not count and not unpadded else None, word="pool",
        )  # fmt: skip
        return
    if window.free:
        x = window.padded(net, net.x(node), value='float("nan")')
        pads: Sequence[int] = (0,) * 2 * axes
    else:
        x = net.x(node)
        pads = (*window.begin, *window.end)
    reach = reaching(node, window) if ceil and not window.free else window.end
    arguments = [list_of(window.kernel), list_of(window.strides), list_of(pads), list_of(window.dilations)]
    extra = [b - a for a, b in zip(window.end, reach or (), strict=True)] or [0] * axes
    net.set(node, text.call(net.helper("average_pool"), x, *arguments, list_of(extra), count))


GLOBAL = {"GlobalAveragePool": "Avg", "GlobalMaxPool": "Max"}


@writes(*GLOBAL, only_if=rank_known)
def global_pool(net: NetWriter, node: Node) -> None:
    rank = node.rank or 0
    if rank in (3, 4, 5):
        net.layer(node, f"nn.Adaptive{GLOBAL[node.op]}Pool{rank - 2}d", 1, word="pool")
        return
    function = "mean" if node.op == "GlobalAveragePool" else "amax"
    net.set(node, f"{net.x(node)}.{function}(dim={text.tuple_of([str(i) for i in range(2, rank)])}, keepdim=True)")


@writes("GlobalLpPool", only_if=rank_known)
def global_lp_pool(net: NetWriter, node: Node) -> None:
    dims = text.tuple_of([str(i) for i in range(2, node.rank or 0)])
    net.set(node, f"torch.linalg.vector_norm({net.x(node)}, ord={node.i('p', 2)}, dim={dims}, keepdim=True)")


@writes("LpPool", only_if=all_of(spatial, _ceil_sizes_known))
def lp_pool(net: NetWriter, node: Node) -> None:
    window = window_of(node)
    if node.i("ceil_mode"):
        window.end = reaching(node, window) or window.end
    x = net.x(node)
    if window.free or any(window.begin) or any(window.end):
        x = window.padded(net, x)
    arguments = [list_of(window.kernel), list_of(window.strides), list_of(window.dilations)]
    net.set(node, text.call(net.helper("lp_pool"), x, node.i("p", 2), *arguments))


@writes("MaxUnpool", only_if=rank_known)
def max_unpool(net: NetWriter, node: Node) -> None:
    """Puts every value back to its place in the whole tensor; zeros elsewhere."""
    window = window_of(node)
    arguments = [list_of(window.kernel), list_of(window.strides), list_of((*window.begin, *window.end))]
    size = net.ints(node, 2) if node.input(2) is not None else "None"
    net.set(node, text.call(net.helper("max_unpool"), net.x(node), net.x(node, 1), *arguments, size))
