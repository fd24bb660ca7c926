"""Quantised arithmetic: real numbers in, integers out, exactly as ONNX rounds and saturates."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.conversion import converted
from workers.formats.pytorch.write.convolution import Window, kernel, list_of
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import FLOAT8, RANGE, D, torch_name
from workers.hub.node import Node


def spread(net: NetWriter, node: Node, index: int) -> str:
    """A scale or zero point shaped so that it broadcasts against the tensor: whole, by axis, or by block."""
    value = net.plain(node.x(index))
    shape, rank = node.shape(index), node.rank
    axis, block = node.i("axis", 1), node.i("block_size")
    if block:
        return f"{value}.repeat_interleave({block}, dim={axis}).narrow({axis}, 0, {net.plain(node.x(0))}.shape[{axis}])"
    if shape is None or not shape or shape == (1,) or rank is None or rank == 1:
        return value
    trailing = rank - 1 - axis % rank
    return f"{value}.view({', '.join(['-1', *['1'] * trailing])})" if trailing else value


def _scales_shaped(node: Node) -> bool | str:
    return (node.shape(1) is not None and node.rank is not None) or "the rank of its input or scale is unknown"


@writes("QuantizeLinear", only_if=_scales_shaped)
def quantize_linear(net: NetWriter, node: Node) -> None:
    target = node.outputs[0].dtype or D.UINT8
    x = net.plain(node.x(0))
    scaled = f"{x} / {spread(net, node, 1)}"
    if target in FLOAT8:
        net.set(node, converted(net, f"({scaled})", target, source=node.dtype(), saturate=bool(node.i("saturate", 1))))
        return
    low, high = RANGE[target]
    rounded = f"torch.round({scaled})"
    if node.input(2) is not None:
        rounded = f"{rounded} + {spread(net, node, 2)}"
    net.set(node, f"torch.clamp({rounded}, {low}, {high}).to({torch_name(target)})")


@writes("DequantizeLinear", only_if=_scales_shaped)
def dequantize_linear(net: NetWriter, node: Node) -> None:
    dtype = torch_name(node.dtype(1))
    value = f"{net.plain(node.x(0))}.to({dtype})"
    if node.input(2) is not None:
        value = f"({value} - {spread(net, node, 2)}.to({dtype}))"
    net.set(node, f"{value} * {spread(net, node, 1)}")


@writes("DynamicQuantizeLinear")
def dynamic_quantize_linear(net: NetWriter, node: Node) -> None:
    net.set_all(node, text.call(net.helper("quantize_dynamically"), net.x(node)))


def centred(net: NetWriter, node: Node, index: int, zero: int, *, rows: bool = False) -> str:
    """An integer tensor less its zero point, as float64, in which products of 8-bit integers add up exactly."""
    value = f"{net.plain(node.x(index))}.to(torch.float64)"
    if node.input(zero) is None:
        return value
    point = net.plain(node.x(zero))
    shape = node.shape(zero)
    if rows and shape is not None and len(shape) == 1 and shape != (1,):
        point = f"{point}.unsqueeze(-1)"
    return f"({value} - {point})"


@writes("MatMulInteger")
def mat_mul_integer(net: NetWriter, node: Node) -> None:
    a, b = centred(net, node, 0, 2, rows=True), centred(net, node, 1, 3)
    net.set(node, f"torch.matmul({a}, {b}).to(torch.int32)")


@writes("QLinearMatMul")
def qlinear_mat_mul(net: NetWriter, node: Node) -> None:
    product = net.fresh("product")
    rows = node.shape(1)
    a, b = centred(net, node, 0, 2, rows=True), centred(net, node, 3, 5)
    scale = net.plain(node.x(1))
    if rows is not None and len(rows) == 1 and rows != (1,):
        scale = f"{scale}.unsqueeze(-1)"
    net.line(f"{product} = torch.matmul({a}, {b})")
    scale = f"{scale}.to(torch.float64) * {net.plain(node.x(4))} / {net.plain(node.x(6))}"
    _requantize(net, node, product, scale, 7)


def _requantize(net: NetWriter, node: Node, product: str, scale: str, zero: int) -> None:
    target = node.outputs[0].dtype or D.UINT8
    low, high = RANGE[target]
    rounded = f"torch.round({product} * ({scale})) + {net.plain(node.x(zero))}"
    net.set(node, f"torch.clamp({rounded}, {low}, {high}).to({torch_name(target)})")


def _convolvable(node: Node) -> bool | str:
    weight = 1 if node.op == "ConvInteger" else 3
    if node.rank not in (3, 4, 5):
        return "PyTorch convolves over one to three axes"
    window = Window(node, kernel(node, weight))
    return (bool(window.kernel) and not window.free) or "its kernel or its padding is unknown"


def _convolution(net: NetWriter, node: Node, weight: int, x: str, w: str, bias: str | None) -> str:
    window = Window(node, kernel(node, weight))
    padded = f"F.pad({x}, {window.padding()})" if any((*window.begin, *window.end)) else x
    group = node.i("group", 1)
    return text.call(
        f"F.conv{len(window.kernel)}d", padded, w, bias=bias, stride=list_of(window.strides),
        dilation=list_of(window.dilations), groups=None if group == 1 else group,
    )  # fmt: skip


def _per_channel(net: NetWriter, node: Node, index: int, rank: int) -> str:
    """A value a tensor, or one an output channel of the weight."""
    value, shape = net.plain(node.x(index)), node.shape(index)
    if shape is None or shape in ((), (1,)):
        return value
    return f"{value}.view({', '.join(['-1', *['1'] * (rank - 1)])})"


@writes("ConvInteger", only_if=_convolvable)
def conv_integer(net: NetWriter, node: Node) -> None:
    """Padding is zero after the zero point was taken off."""
    weight = f"{net.plain(node.x(1))}.to(torch.float64)"
    if node.input(3) is not None:
        weight = f"({weight} - {_per_channel(net, node, 3, node.rank or 4)})"
    net.set(node, f"{_convolution(net, node, 1, centred(net, node, 0, 2), weight, None)}.to(torch.int32)")


@writes("QLinearConv", only_if=_convolvable)
def qlinear_conv(net: NetWriter, node: Node) -> None:
    rank = node.rank or 4
    weight = f"({net.plain(node.x(3))}.to(torch.float64) - {_per_channel(net, node, 5, rank)})"
    bias = f"{net.plain(node.x(8))}.to(torch.float64)" if node.input(8) is not None else None
    product = net.fresh("product")
    net.line(f"{product} = {_convolution(net, node, 3, centred(net, node, 0, 2), weight, bias)}")
    factor = f"{net.plain(node.x(1))}.to(torch.float64) * {_per_channel(net, node, 4, rank - 1)}"
    scale = f"{factor} / {net.plain(node.x(6))}"
    _requantize(net, node, product, scale, 7)
