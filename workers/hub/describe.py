"""What a hub model is, in the words of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.node import Node
from workers.hub.provenance import layer_of, layer_type_of
from workers.report.schema import Change, File, Hub, Tensor

NAMES = {"FLOAT": "float32", "DOUBLE": "float64"}
"""Element types as numpy, and so every sample file, calls them."""


def describe(model: ir.Model, changes: Sequence[Change], files: Sequence[File]) -> Hub:
    """Inputs, outputs, counts, and histograms of operators and of source layers by type, the most frequent first."""
    operators: Counter[str] = Counter()
    layers: dict[tuple[str, str], None] = {}
    for graph in model.graphs():
        for node in graph:
            operators[Node(node).key] += 1
            layers[layer_type_of(node), layer_of(node)] = None
    return Hub(
        opset=model.opset_imports.get("", OPSET),
        inputs=[tensor(value) for value in model.graph.inputs],
        outputs=[tensor(value) for value in model.graph.outputs],
        nodes=operators.total(),
        parameters=parameters(model),
        operators=_ranked(operators),
        layers=_ranked(Counter(type_ for type_, _ in layers)),
        changes=list(changes),
        files=list(files),
    )


def tensor(value: ir.Value) -> Tensor:
    """A graph input or output: sequences and optionals by the type of what is in them."""
    shape = None if value.shape is None else [dim if isinstance(dim, int) else dim.value for dim in value.shape]
    kind = "" if value.type is None or isinstance(value.type, ir.TensorType) else f"{type(value.type).__name__} of "
    return Tensor(
        name=value.name or "",
        dtype=kind + (NAMES.get(value.dtype.name, value.dtype.name.lower()) if value.dtype else "?"),
        shape=shape,
    )


def parameters(model: ir.Model) -> int:
    """Elements of the floating-point initialisers: the numbers that were learnt, not axes and shapes."""
    return sum(
        value.const_value.size
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None and value.const_value.dtype.is_floating_point()
    )


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
