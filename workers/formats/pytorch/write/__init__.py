"""ONNX -> PyTorch: a readable ``nn.Module``, its weights beside it.

One function an ONNX operator, in the family's file; ``net.py`` is what they write into, ``source.py`` makes the text.
"""

from __future__ import annotations

from importlib import import_module

import onnx_ir as ir

from workers.errors import Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Note, WriteRequest, Written
from workers.formats.pytorch.write import weights
from workers.formats.pytorch.write.attention import FUSED
from workers.formats.pytorch.write.integers import RULES, Ints
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import COMPARING, WRITES
from workers.formats.pytorch.write.source import WEIGHTS, assemble
from workers.hub.fuse import fuse
from workers.hub.legalise import legalise as legalise_for
from workers.hub.node import Node

FAMILIES = (
    "linear", "attention", "elementwise", "activation", "convolution", "padding", "pooling", "normalization",
    "reduction", "shape", "indexing", "conversion", "resize", "recurrent", "control", "sequence", "quantization",
    "detection", "signal", "random", "loss", "text_features",
)  # fmt: skip

for _family in FAMILIES:
    import_module(f"workers.formats.pytorch.write.{_family}")

REQUIREMENTS = ("numpy==2.4.6", "safetensors==0.8.0", "torch==2.13.0")

# What no rule can change: forms and element types that ONNX has, and that its opset 21 or PyTorch has not.
_TRAINS = "it belongs to training; torch.optim has its own"
_STORED = "PyTorch has no tensors of them"
NEVER = {
    **{f"ai.onnx.preview.training::{name}": _TRAINS for name in ("Adagrad", "Adam", "Gradient", "Momentum")},
    "ai.onnx.ml::LabelEncoder": "PyTorch has no tensors of strings",
    "ai.onnx.ml::TreeEnsemble": "decision trees are no network",
    "BitCast of floating-point numbers": "opset 21, the hub's, cannot take their bits",
    "CumProd along a computed axis": "opset 21, the hub's, has no CumProd, and a loop over the axis must know it",
    **{f"any operator on {name}": _STORED for name in ("strings", "FLOAT4E2M1", "FLOAT8E8M0", "INT2", "UINT2")},
}

# Operators that move elements without computing: PyTorch does these for every unsigned type.
MOVES = frozenset({
    "Cast", "CastLike", "Concat", "ConstantOfShape", "DequantizeLinear", "Expand", "Flatten", "Identity", "If", "Loop",
    "QuantizeLinear", "Reshape", "Scan", "Shape", "Size", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip


def legalise(model: ir.Model) -> list[Note]:
    """Rewrite ``model`` in place until the writer can say all of it; raises UnsupportedOperators.

    An element type that PyTorch has not is beyond any rule, and said before rules are tried.
    """
    nodes = [Node(raw) for raw in model.graph.all_nodes()]
    hopeless = [(node, WRITES.type_refused(node)) for node in nodes]
    refused = [Unsupported(node.layer, node.layer_type, reason) for node, reason in hopeless if reason is not None]
    if refused:
        raise UnsupportedOperators("pytorch", refused)
    return [*fuse(model), *legalise_for(model, WRITES, system="pytorch")]


def coverage() -> dict[str, str]:
    """ONNX operators: an empty string for one that is written, else the reason why not."""
    return {**{key: reason for key, reason in WRITES.coverage().items() if key != FUSED}, **NEVER}


def write(request: WriteRequest) -> Written:
    """Write ``model.py``, ``model.safetensors`` and ``requirements.txt`` into ``request.folder``."""
    changes = legalise(request.model)
    graph = request.model.graph
    net = NetWriter(graph, emit)
    total = len(graph)
    refused: list[Unsupported] = []
    for done, raw in enumerate(graph):
        node = Node(raw)
        request.progress(done, total, node.layer)
        try:
            emit(net, node)
        except UnsupportedLayer as error:
            refused.append(error.item)
    if refused:
        raise UnsupportedOperators("pytorch", refused)
    source = assemble(net, graph.name or request.name, _origin(request.model))
    (request.folder / "model.py").write_text(source.text, encoding="utf-8")
    (request.folder / "requirements.txt").write_text("".join(f"{line}\n" for line in REQUIREMENTS), encoding="utf-8")
    files = ["model.py"]
    if source.state:
        weights.save(source.state, request.folder / WEIGHTS)
        files.append(WEIGHTS)
    request.progress(total, total, "model.py")
    return Written((*files, "requirements.txt"), source.inputs, source.outputs, tuple(changes))


def emit(net: NetWriter, node: Node) -> None:
    """Write one node: as arithmetic on Python integers where it is that, else by its writing function."""
    if node.raw in net.skipped or _as_integers(net, node):
        return
    outer = net.carried, net.flipped
    net.carried, net.flipped = node.key not in MOVES, node.key in COMPARING
    try:
        WRITES.of(node)(net, node)
    finally:
        net.carried, net.flipped = outer


def _as_integers(net: NetWriter, node: Node) -> bool:
    rule = RULES.get(node.key)
    if rule is None or not any(net.is_ints(value) for value in node.inputs):
        return False
    given: list[Ints] = []
    for value in node.inputs:
        ints = net.as_ints(value)
        if ints is None:
            return False
        given.append(ints)
    result = rule(node, given)
    if result is None:
        return False
    net.bind_ints(node.outputs[0], result)
    return True


def _origin(model: ir.Model) -> str:
    producer = model.producer_name or "an ONNX model"
    return f"converted from {producer}" if producer != "onnxhub" else "converted by onnxhub"


__all__ = ["coverage", "legalise", "write"]
