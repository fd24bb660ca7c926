"""Random numbers: drawn anew at every call; a seed in the graph cannot give the same ones in another framework."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.convolution import list_of
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import torch_name
from workers.hub.node import Node


def _dtype(node: Node) -> str:
    dtype = ir.DataType(node.i("dtype")) if node.has("dtype") else node.outputs[0].dtype
    return torch_name(dtype)


@writes("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
def random_(net: NetWriter, node: Node) -> None:
    shape = f"{net.x(node)}.shape" if node.op.endswith("Like") else list_of(node.ints("shape"))
    if "Normal" in node.op:
        drawn = text.call("torch.randn", shape, dtype=_dtype(node), device=net.device)
        scale, offset = node.f("scale", 1.0), node.f("mean")
    else:
        drawn = text.call("torch.rand", shape, dtype=_dtype(node), device=net.device)
        low, high = node.f("low"), node.f("high", 1.0)
        scale, offset = high - low, low
    net.set(node, f"{text.floating(scale)} * {drawn} + {text.floating(offset)}")


@writes("Bernoulli")
def bernoulli(net: NetWriter, node: Node) -> None:
    net.set(node, f"torch.bernoulli({net.x(node)}).to({_dtype(node)})")


@writes("Multinomial")
def multinomial(net: NetWriter, node: Node) -> None:
    """The input holds logarithms of probabilities."""
    drawn = text.call("torch.multinomial", f"{net.x(node)}.softmax(1)", node.i("sample_size", 1), replacement=True)
    net.set(node, f"{drawn}.to({torch_name(ir.DataType(node.i('dtype', 6)))})")
