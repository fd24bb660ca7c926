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
        count = _count(size, window, axis, window.end[axis], ceil=True)
        reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1
        ends.append((count - 1) * window.strides[axis] + reach - size - window.begin[axis])
    return tuple(ends)


def _count(size: int, window: Window, axis: int, end: int, *, ceil: bool) -> int:
    """Windows along an axis. Rounding up, one that would start in the padding at the end is dropped."""
    begin, stride = window.begin[axis], window.strides[axis]
    room = size + begin + end - (window.kernel[axis] - 1) * window.dilations[axis] - 1
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + begin else count


def rounding(sizes: Sequence[int | str | None], window: Window, begin: Sequence[int], *, ceil: bool) -> bool | None:
    """The ceil_mode under which torch, padding both ends by ``begin``, has the windows of ``window``; None for neither.

    What a window holds beyond the input never counts, so that equally many windows are equal ones.
    """
    like = Window.of(window.kernel, window.strides, window.dilations, begin, begin)
    if window.free or not small_pads(like) or not all(isinstance(size, int) for size in sizes):
        return None
    known = [size for size in sizes if isinstance(size, int)]
    wanted = [_count(size, window, axis, window.end[axis], ceil=ceil) for axis, size in enumerate(known)]
    for up in (False, True):
        if wanted == [_count(size, like, axis, like.end[axis], ceil=up) for axis, size in enumerate(known)]:
            return up
    return None


def sizes_of(node: Node) -> tuple[int | str | None, ...]:
    return (shape_of(node.x(0)) or ())[2:]


def _ceil_sizes_known(node: Node) -> bool | str:
    window = window_of(node)
    if not node.i("ceil_mode") or (small_pads(window) and not window.free):
        return True
    known = bool(window.begin) and reaching(node, window) is not None
    return known or "it rounds up with pads that PyTorch has not, over a free axis"


def pads_for_pool(node: Node, begin: Sequence[int], end: Sequence[int]) -> bool:
    """Whether a Pad of zeros over the spatial axes goes into the average pooling that alone reads it.

    torch then counts those zeros, and not what the pooling's own pads add at the end: as Caffe's pooling does.
    """
    output = node.outputs[0]
    uses = tuple(output.uses())
    if len(uses) != 1 or output.is_graph_output() or tuple(begin) != tuple(end):
        return False
    pool = Node(uses[0].node)
    if pool.key != "AveragePool" or pool.raw.graph is not node.raw.graph:
        return False
    window = window_of(pool)
    plain = not any(window.begin) and (window.symmetric or not pool.i("count_include_pad")) and not pool.i("ceil_mode")
    return plain and all(d == 1 for d in window.dilations) and merged_rounding(node, window, begin) is not None


def merged_rounding(pad: Node, window: Window, outer: Sequence[int]) -> bool | None:
    """torch's ceil_mode when the zeros of ``pad`` become the pooling's own padding."""
    ends = [own + more for own, more in zip(window.end, outer, strict=True)]
    whole = Window.of(window.kernel, window.strides, window.dilations, outer, ends)
    return rounding(sizes_of(pad), whole, outer, ceil=False)


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
    like = None if window.symmetric or window.free else rounding(sizes_of(node), window, window.begin, ceil=ceil)
    if like is not None:
        ceil = like
    elif not small_pads(window) or window.free:
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
    """torch's own where pads are alike; ceil_mode's last windows count what lies inside the padded input only."""
    window, ceil, axes = window_of(node), bool(node.i("ceil_mode")), len(node.ints("kernel_shape"))
    count = bool(node.i("count_include_pad"))
    outer = net.pads_ahead.get(node.x(0))
    if outer is not None:
        pad = node.x(0).producer()
        assert pad is not None
        ceil, count = bool(merged_rounding(Node(pad), window, outer)), True
        window = Window.of(window.kernel, window.strides, window.dilations, outer, outer)
    elif not count and not window.symmetric and not window.free:
        like = rounding(sizes_of(node), window, window.begin, ceil=ceil)
        if like is not None:
            window, ceil = Window.of(window.kernel, window.strides, window.dilations, window.begin, window.begin), like
    if small_pads(window) and all(dilation == 1 for dilation in window.dilations):
        padded = any(window.begin)
        net.layer(
            node, f"nn.AvgPool{axes}d", text.ints(window.kernel),
            stride=None if window.strides == window.kernel else text.ints(window.strides),
            padding=plain(window.begin, 0), ceil_mode=ceil or None,
            count_include_pad=False if padded and not count else None, word="pool",
        )  # fmt: skip
        return
    _average_by_count(net, node, window, count=count, ceil=ceil)


def _average_by_count(net: NetWriter, node: Node, window: Window, *, count: bool, ceil: bool) -> None:
    """Sums over windows divided by how many of their elements count."""
    x = net.x(node)
    pads = window.same(net, x) if window.free else list_of((*window.begin, *window.end))
    beyond = [0] * len(window.kernel)
    if ceil:
        beyond = [whole - end for whole, end in zip(reaching(node, window) or (), window.end, strict=True)]
    arguments = [list_of(window.kernel), list_of(window.strides), pads, list_of(window.dilations)]
    net.set(node, text.call(net.helper("average_pool"), x, *arguments, list_of(beyond), count))


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
