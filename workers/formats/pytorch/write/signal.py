"""Signals: Fourier transforms and windows."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.formats.pytorch.write.types import torch_name
from workers.hub.node import Node

WINDOWS = {
    "BlackmanWindow": "torch.blackman_window",
    "HammingWindow": "torch.hamming_window",
    "HannWindow": "torch.hann_window",
}


@writes("DFT", only_if=rank_known)
def dft(net: NetWriter, node: Node) -> None:
    """The last axis holds a real number, or real and imaginary part."""
    axis = net.integer(node, 2) if node.input(2) is not None else "-2"
    length = net.integer(node, 1) if node.input(1) is not None else "None"
    flags = (bool(node.i("inverse")), bool(node.i("onesided")))
    net.set(node, text.call(net.helper("dft"), net.x(node), length, axis, *flags))


@writes("STFT", only_if=rank_known)
def stft(net: NetWriter, node: Node) -> None:
    window = net.opt(node, 2) or "None"
    length = net.integer(node, 3) if node.input(3) is not None else f"{window}.shape[0]"
    given = [net.x(node), net.integer(node, 1), window, length, bool(node.i("onesided", 1))]
    net.set(node, text.call(net.helper("stft"), *given))


@writes(*WINDOWS)
def window(net: NetWriter, node: Node) -> None:
    """ONNX's Hamming window has 25/46, torch's default 0.54."""
    dtype = torch_name(ir.DataType(node.i("output_datatype", 1)))
    settings = {"periodic": str(bool(node.i("periodic", 1)))}
    if node.op == "HammingWindow":
        settings |= {"alpha": "25 / 46", "beta": "21 / 46"}
    call = text.call(WINDOWS[node.op], net.integer(node, 0), **settings, dtype="torch.float64", device=net.device)
    net.set(node, f"{call}.to({dtype})")


@writes("MelWeightMatrix")
def mel_weight_matrix(net: NetWriter, node: Node) -> None:
    sizes = [net.integer(node, index) for index in range(3)]
    edges = [net.scalar(node.x(index), 1) or f"{net.plain(node.x(index))}.item()" for index in (3, 4)]
    dtype = torch_name(ir.DataType(node.i("output_datatype", 1)))
    net.set(node, text.call(net.helper("mel_weight_matrix"), *sizes, *edges, dtype))
