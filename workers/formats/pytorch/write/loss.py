"""Losses, as torch.nn.functional has them."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import D
from workers.hub.node import Node


def settings(net: NetWriter, node: Node) -> dict[str, str | None]:
    """torch ignores the class -100 unless told otherwise, ONNX none: both mean the same, as no class is negative."""
    reduction = node.s("reduction", "mean")
    return {
        "weight": net.opt(node, 2),
        "ignore_index": str(node.i("ignore_index")) if node.has("ignore_index") else None,
        "reduction": None if reduction == "mean" else f'"{reduction}"',
    }


def target(net: NetWriter, node: Node) -> str:
    value = net.x(node, 1)
    return value if node.dtype(1) is D.INT64 else f"{value}.to(torch.int64)"


@writes("NegativeLogLikelihoodLoss")
def negative_log_likelihood_loss(net: NetWriter, node: Node) -> None:
    net.set(node, text.call("F.nll_loss", net.x(node), target(net, node), **settings(net, node)))


@writes("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy_loss(net: NetWriter, node: Node) -> None:
    if net.used(node, 1):
        net.set(node, f"F.log_softmax({net.x(node)}, dim=1)", 1)
        net.set(node, text.call("F.nll_loss", net.name_of(node.outputs[1]), target(net, node), **settings(net, node)))
    else:
        net.set(node, text.call("F.cross_entropy", net.x(node), target(net, node), **settings(net, node)))


@writes("Dropout")
def dropout(net: NetWriter, node: Node) -> None:
    """Nothing is dropped at inference; the module is kept for those who train on."""
    net.layer(node, "nn.Dropout", text.floating(_ratio(node)), word="drop")
    if net.used(node, 1):
        net.set(node, f"torch.ones_like({net.x(node)}, dtype=torch.bool)", 1)


def _ratio(node: Node) -> float:
    ratio = node.const(1)
    return 0.5 if ratio is None else float(ratio.reshape(-1)[0])
