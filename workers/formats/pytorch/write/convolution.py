"""Convolutions: ``nn.Conv1d`` to ``nn.Conv3d`` and their transposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import all_of, writes
from workers.formats.pytorch.write.weights import Weight, weight_of
from workers.hub.node import Node, shape_of


def spatial(node: Node) -> bool | str:
    """PyTorch convolves over one to three spatial axes."""
    if node.rank is None:
        return "the rank of its input is unknown"
    return node.rank in (3, 4, 5) or f"PyTorch has no convolution of an input of rank {node.rank}"


def kernel_known(node: Node) -> bool | str:
    return bool(kernel(node)) or "the size of its kernel is unknown"


def kernel(node: Node, weight: int = 1) -> tuple[int, ...]:
    """The kernel's spatial size, () when unknown."""
    given = node.ints("kernel_shape")
    shape = shape_of(node.x(weight))
    if given or shape is None:
        return given
    sizes = tuple(dim for dim in shape[2:] if isinstance(dim, int))
    return sizes if len(sizes) == len(shape) - 2 else ()


class Window:
    """Strides, dilations and pads of a sliding window, each written out for every axis."""

    def __init__(self, node: Node, size: Sequence[int]) -> None:
        axes = len(size)
        self.kernel = tuple(size)
        self.strides = node.ints("strides", (1,) * axes)
        self.dilations = node.ints("dilations", (1,) * axes)
        self.auto = node.s("auto_pad", "NOTSET")
        pads = node.ints("pads", (0,) * 2 * axes)
        if self.auto == "VALID":
            pads = (0,) * 2 * axes
        if self.auto in ("SAME_UPPER", "SAME_LOWER"):
            pads = self._same(node)
        self.begin, self.end = pads[:axes], pads[axes:]

    @classmethod
    def of(
        cls, size: Sequence[int], strides: Sequence[int], dilations: Sequence[int], begin: Sequence[int],
        end: Sequence[int],
    ) -> Window:  # fmt: skip
        window = cls.__new__(cls)
        window.kernel, window.strides, window.dilations = tuple(size), tuple(strides), tuple(dilations)
        window.begin, window.end, window.auto = tuple(begin), tuple(end), "NOTSET"
        return window

    def _same(self, node: Node) -> tuple[int, ...]:
        """Pads that give ceil(size / stride) windows; () as long as a size is free."""
        shape = shape_of(node.x(0)) or ()
        begin, end = [], []
        for size, kernel, stride, dilation in zip(shape[2:], self.kernel, self.strides, self.dilations, strict=False):
            if stride == 1:
                total = (kernel - 1) * dilation
            elif isinstance(size, int):
                total = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
            else:
                return ()
            small, large = total // 2, total - total // 2
            begin.append(small if self.auto == "SAME_UPPER" else large)
            end.append(large if self.auto == "SAME_UPPER" else small)
        return (*begin, *end)

    @property
    def symmetric(self) -> bool:
        return self.begin == self.end and (bool(self.begin) or not self.kernel)

    @property
    def free(self) -> bool:
        """The pads depend on sizes known only at run time."""
        return bool(self.kernel) and not self.begin

    def same(self, net: NetWriter, x: str) -> str:
        """The pads of SAME as an expression, for sizes known only at run time."""
        sizes = [list_of(each) for each in (self.kernel, self.strides, self.dilations)]
        return text.call(net.helper("same_pads"), x, *sizes, self.auto == "SAME_UPPER")

    def padding(self) -> str:
        """The argument of F.pad: both ends of the last axis come first."""
        pairs = zip(reversed(self.begin), reversed(self.end), strict=True)
        return text.tuple_of([str(pad) for pair in pairs for pad in pair])

    def padded(self, net: NetWriter, x: str, *, value: str | None = None) -> str:
        """``x`` with the pads added explicitly."""
        pads = f"{net.helper('ends')}({self.same(net, x)})" if self.free else self.padding()
        return text.call("F.pad", x, pads, value=value)


def weights(node: Node, bias: int = 2) -> dict[str, Weight] | None:
    """The state of a convolution module, None when its weights are computed."""
    state = {"weight": node.const(1)}
    if state["weight"] is None or (node.input(bias) is not None and node.const(bias) is None):
        return None
    found = {"weight": weight_of(node.x(1))}
    if node.input(bias) is not None:
        found["bias"] = weight_of(node.x(bias))
    return found


def plain(values: Sequence[int], usual: int) -> str | None:
    """A keyword's value, None where it is the default."""
    return None if all(value == usual for value in values) else text.ints(values)


@writes("Conv", only_if=all_of(spatial, kernel_known))
def conv(net: NetWriter, node: Node) -> None:
    """Pads that differ at both ends, and those of SAME over free sizes, are added before the convolution."""
    window, group = Window(node, kernel(node)), node.i("group", 1)
    x, padding = net.x(node), plain(window.begin, 0)
    if not window.symmetric:
        x, padding = window.padded(net, x), None
    settings: dict[str, Any] = {
        "stride": plain(window.strides, 1),
        "padding": padding,
        "dilation": plain(window.dilations, 1),
    }
    groups = None if group == 1 else group
    axes, state = len(window.kernel), weights(node)
    if state is None:
        given = [value for value in (x, net.x(node, 1), net.opt(node, 2)) if value is not None]
        net.set(node, text.call(f"F.conv{axes}d", *given, **settings, groups=groups))
        return
    out, inner = state["weight"].shape[:2]
    bias_less = None if "bias" in state else False
    net.layer(
        node, f"nn.Conv{axes}d", inner * group, out, text.ints(window.kernel), **settings, groups=groups,
        bias=bias_less, word="conv", state=state, x=x,
    )  # fmt: skip


def _sizes_known(node: Node) -> bool | str:
    """``output_shape`` and SAME set the pads by the input's size."""
    shape = node.shape() or ()
    free = any(not isinstance(dim, int) for dim in shape[2:])
    relative = node.has("output_shape") or node.s("auto_pad", "NOTSET").startswith("SAME")
    return not (free and relative) or "its padding follows from output_shape, and its input has free axes"


class Transposed:
    """Pads at both ends and output padding of a transposed convolution, axis by axis."""

    def __init__(self, node: Node) -> None:
        size = kernel(node)
        axes = len(size)
        self.kernel = size
        self.strides = node.ints("strides", (1,) * axes)
        self.dilations = node.ints("dilations", (1,) * axes)
        self.extra = node.ints("output_padding", (0,) * axes)
        auto = node.s("auto_pad", "NOTSET")
        pads = node.ints("pads", (0,) * 2 * axes) if auto == "NOTSET" else (0,) * 2 * axes
        self.begin, self.end = pads[:axes], pads[axes:]
        target = node.ints("output_shape")[-axes:]
        if target or auto.startswith("SAME"):
            self._from_output(node, target, upper=auto == "SAME_UPPER")

    def _from_output(self, node: Node, target: Sequence[int], *, upper: bool) -> None:
        """Pads that give the wanted size; a size too large is reached by zeros behind, a negative pad."""
        shape = (node.shape() or ())[2:]
        begin, end = [], []
        for axis, (size, stride) in enumerate(zip(shape, self.strides, strict=True)):
            assert isinstance(size, int)  # by the rule's condition
            reach = (self.kernel[axis] - 1) * self.dilations[axis] + 1
            wanted = target[axis] if target else size * stride
            total = stride * (size - 1) + self.extra[axis] + reach - wanted
            begin.append(0 if total < 0 else total // 2 if upper else total - total // 2)
            end.append(total - begin[-1])
        self.begin, self.end = tuple(begin), tuple(end)

    @property
    def output_padding(self) -> tuple[int, ...]:
        """What torch calls it when it pads both ends by ``begin``."""
        return tuple(extra + b - e for extra, b, e in zip(self.extra, self.begin, self.end, strict=True))

    @property
    def direct(self) -> bool:
        """torch wants output_padding to be less than the stride or the dilation."""
        limits = (max(stride, dilation) for stride, dilation in zip(self.strides, self.dilations, strict=True))
        return all(0 <= extra < limit for extra, limit in zip(self.output_padding, limits, strict=True))


def _expressible(node: Node) -> bool | str:
    plan = Transposed(node)
    limits = (max(stride, dilation) for stride, dilation in zip(plan.strides, plan.dilations, strict=True))
    fits = plan.direct or all(extra < limit for extra, limit in zip(plan.extra, limits, strict=True))
    return fits or "its output_padding is not less than its stride or dilation"


@writes("ConvTranspose", only_if=all_of(spatial, kernel_known, _sizes_known, _expressible))
def conv_transpose(net: NetWriter, node: Node) -> None:
    """Where torch cannot say the pads, the whole result is computed and its ends are cut off."""
    plan, group = Transposed(node), node.i("group", 1)
    begin, extra = (plan.begin, plan.output_padding) if plan.direct else ((0,) * len(plan.kernel), plan.extra)
    settings: dict[str, Any] = {
        "stride": plain(plan.strides, 1),
        "padding": plain(begin, 0),
        "output_padding": plain(extra, 0),
        "groups": None if group == 1 else str(group),
        "dilation": plain(plan.dilations, 1),
    }
    axes, state = len(plan.kernel), weights(node)
    if state is None:
        given = [value for value in (net.x(node), net.x(node, 1), net.opt(node, 2)) if value is not None]
        net.set(node, text.call(f"F.conv_transpose{axes}d", *given, **settings))
    else:
        inner, out = state["weight"].shape[:2]
        net.layer(
            node, f"nn.ConvTranspose{axes}d", inner, out * group, text.ints(plan.kernel), **settings,
            bias=None if "bias" in state else False, word="deconv", state=state,
        )  # fmt: skip
    if not plan.direct:
        pairs = zip(reversed(plan.begin), reversed(plan.end), strict=True)
        cut = text.tuple_of([str(-pad) for pair in pairs for pad in pair])
        net.line(f"{net.name_of(node.outputs[0])} = F.pad({net.name_of(node.outputs[0])}, {cut})")


@writes("DeformConv", only_if=lambda n: n.rank == 4 or "only deformable convolution over two spatial axes is written")
def deform_conv(net: NetWriter, node: Node) -> None:
    window = Window(node, kernel(node))
    net.set(
        node,
        text.call(
            net.helper("deform_conv2d"), net.x(node), net.parameter(node, 1), net.x(node, 2),
            net.opt(node, 3) or "None", net.opt(node, 4) or "None", stride=window.strides,
            pads=(*window.begin, *window.end), dilation=window.dilations, groups=node.i("group", 1),
            offset_groups=node.i("offset_group", 1),
        ),
    )  # fmt: skip


@writes("Col2Im")
def col2im(net: NetWriter, node: Node) -> None:
    """The sum of overlapping blocks: F.fold over two axes, else index by index."""
    block, image = net.as_ints(node.x(2)), net.as_ints(node.x(1))
    axes = len(block.items) if block is not None else 0
    pads = node.ints("pads", (0,) * 2 * axes)
    strides, dilations = node.ints("strides", (1,) * axes), node.ints("dilations", (1,) * axes)
    if axes == 2 and image is not None and pads[:2] == pads[2:]:
        settings = {"dilation": plain(dilations, 1), "padding": plain(pads[:2], 0), "stride": plain(strides, 1)}
        sizes = [net.ints(node, index) for index in (1, 2)]
        net.set(node, text.call("F.fold", net.x(node), *sizes, **settings))
        return
    given = [net.ints(node, 1), net.ints(node, 2), list_of(dilations), list_of(pads), list_of(strides)]
    net.set(node, text.call(net.helper("col2im"), net.x(node), *given))


def list_of(values: Sequence[int]) -> str:
    return f"[{', '.join(str(value) for value in values)}]"
