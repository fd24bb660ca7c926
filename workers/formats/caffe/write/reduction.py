"""Reduction over all axes from one on, the batch included; other reductions are poolings."""

from __future__ import annotations

from workers.formats.caffe.write.net import NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.legalise.reduction import reduced_axes
from workers.hub.node import Node

OPERATIONS = {"ReduceSum": "SUM", "ReduceL1": "ASUM", "ReduceSumSquare": "SUMSQ", "ReduceMean": "MEAN"}


def _whole_tail(node: Node) -> bool | str:
    axes, rank = reduced_axes(node), node.rank
    if not axes or rank is None or axes != tuple(range(axes[0], rank)):
        return "Caffe reduces all axes from one on"
    if node.i("keepdims", 1):
        return "Caffe's Reduction drops the axes that it reduces"
    # Where a pooling says the same, it does: far more programs run a Caffe pooling than a Reduction.
    return axes[0] == 0 or "a pooling says it too"


@writes(*OPERATIONS, only_if=_whole_tail)
def reduction(net: NetWriter, node: Node) -> None:
    axes = reduced_axes(node) or (0,)
    parameter: dict[str, object] = {"operation": OPERATIONS[node.op]}
    if axes[0]:
        parameter["axis"] = axes[0]
    net.layer("Reduction", node, reduction_param=parameter)
