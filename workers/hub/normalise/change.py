"""How a pass tells what it did."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from workers.hub.provenance import layer_of
from workers.report.schema import Change

A_FEW = 5


def changed(name: str, detail: str, where: Sequence[str]) -> list[Change]:
    """One change about the layers (or tensors) ``where``, or none when there are none."""
    if not where:
        return []
    distinct = list(dict.fromkeys(where))
    return [Change(name=name, detail=detail, count=len(where), layers=distinct[:A_FEW])]


def layers(nodes: Sequence[ir.Node]) -> list[str]:
    """The source layers of the nodes, one each."""
    return [layer_of(node) for node in nodes]
