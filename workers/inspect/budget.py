"""How large a graph may be: asked before it is built, and again, by inferred shapes, before it is run.

A file of a few hundred bytes can declare a trillion elements, or a loop that never ends. What is checked here costs
nothing to check; what only running can tell is left to the limits of the process that runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from workers.errors import LimitExceeded, MalformedModel
from workers.hub.protos import graphs_of


@dataclass(frozen=True, slots=True)
class Budget:
    """``skeleton``: bytes of a file besides its weights; ``tensor``: elements of one stored tensor; ``value``: elements
    of one computed tensor, free axes counted as 1; ``trips``: rounds of a loop that has no other end."""

    nodes: int = 500_000
    initializers: int = 500_000
    skeleton: int = 512 << 20
    tensor: int = 1 << 36
    value: int = 1 << 32
    trips: int = 100_000_000
    dense_from_sparse: int = 1 << 30


BUDGET = Budget()


def check_declared(name: str, dims: Sequence[int], file: str, budget: Budget = BUDGET) -> int:
    """Elements of a tensor of these dimensions.

    Raises MalformedModel for negative dimensions or a product beyond int64, LimitExceeded beyond the budget.
    """
    elements = 1
    for dim in dims:
        if dim < 0:
            raise MalformedModel(f"tensor {name!r} has the dimension {dim}", file=file, layer=name)
        elements *= dim
    if elements >= 2**63:
        raise MalformedModel(f"tensor {name!r} of shape {list(dims)} has more elements than can be counted", file=file)
    if elements > budget.tensor:
        raise LimitExceeded(
            "memory", f"tensor {name!r} of shape {list(dims)} has {elements:,} elements", limit=budget.tensor, file=file
        )
    return elements


def check_model_proto(model: onnx.ModelProto, file: str, budget: Budget = BUDGET) -> None:
    """Count nodes and initialisers, nested graphs and functions included."""
    nodes = sum(len(function.node) for function in model.functions)
    initializers = 0
    for graph in graphs_of(model):
        nodes += len(graph.node)
        initializers += len(graph.initializer) + len(graph.sparse_initializer)
    if nodes > budget.nodes:
        raise LimitExceeded("nodes", f"{file!r} has {nodes:,} nodes", limit=budget.nodes, file=file)
    if initializers > budget.initializers:
        raise LimitExceeded(
            "nodes", f"{file!r} has {initializers:,} initialisers", limit=budget.initializers, file=file
        )


def check_runnable(model: ir.Model, budget: Budget = BUDGET) -> None:
    """Before a model is run: no value of it that is known to be huge, no loop that is known not to end.

    Shapes must have been inferred. Raises LimitExceeded naming the node.
    """
    for graph in model.graphs():
        for node in graph:
            for value in node.outputs:
                elements = _known_elements(value)
                if elements > budget.value:
                    raise LimitExceeded(
                        "memory",
                        f"{node.name!r} ({node.op_type}) would make {elements:,} elements",
                        limit=budget.value,
                        layer=node.name,
                    )
            if node.op_type == "Loop" and node.domain == "":
                _check_loop(node, budget)


def _known_elements(value: ir.Value) -> int:
    elements = 1
    for dim in value.shape or ():
        if isinstance(dim, int):
            elements *= dim
    return elements


def _check_loop(node: ir.Node, budget: Budget) -> None:
    """A loop whose condition never changes runs as often as its trip count says, or for ever."""
    if not _never_changes(node.attributes["body"].as_graph()):
        return
    trips = node.inputs[0]
    if trips is None:
        count = None
    elif trips.const_value is None:
        return
    else:
        count = int(trips.const_value.numpy().reshape(-1)[0])
    if count is None or count > budget.trips:
        how = "for ever" if count is None else f"{count:,} times"
        raise LimitExceeded("time", f"{node.name!r} (Loop) would run {how}", limit=budget.trips, layer=node.name)


def _never_changes(body: ir.Graph) -> bool:
    """Whether the body hands its condition on as it got it, or always says to go on."""
    condition = body.outputs[0]
    producer = condition.producer()
    while producer is not None and producer.op_type == "Identity" and producer.inputs[0] is not None:
        condition = producer.inputs[0]
        producer = condition.producer()
    if condition.const_value is not None:
        return bool(condition.const_value.numpy().all())
    return condition is body.inputs[1]
