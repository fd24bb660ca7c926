"""What Caffe2 computes in a model of training and onnxhub, at inference, does not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx_ir as ir

from workers.errors import ConversionError
from workers.formats.caffe2.assemble import assemble
from workers.formats.caffe2.operators import RANDOM, Operator
from workers.hub.provenance import layer_of
from workers.inspect.upload import Upload


def doubts(files: Iterable[Path], model: ir.Model) -> list[str]:
    """One sentence a layer whose word cannot be taken; usually none. Layers that ``model`` lost do not count."""
    try:
        source = assemble(Upload.of(*files))
    except ConversionError:
        return []
    kept = {layer_of(node) for node in model.graph.all_nodes()}
    training = any(op.gradient for op in source.predict)
    found = []
    for op in source.predict:
        if op.type == "Dropout" and not _is_test(op):
            found.append(f"layer {op.name!r} (Dropout) is in training mode: Caffe2 drops values at random.")
        elif op.type in RANDOM and op.name in kept:
            found.append(f"layer {op.name!r} ({op.type}) draws its values at random.")
        elif op.type == "SpatialBN" and training and not _is_test(op):
            found.append(f"layer {op.name!r} (SpatialBN) is in training mode: Caffe2 uses the statistics of the batch.")
    return found


def _is_test(op: Operator) -> bool:
    arg = op.args.get("is_test")
    return arg is not None and bool(arg.i)
