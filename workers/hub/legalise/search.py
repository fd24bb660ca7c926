"""The search for a form that a writer accepts: rules are tried in order, chained, and rolled back when they fail.

A node is replaced once all nodes of its replacement are accepted, if need be after being replaced themselves; a chain
uses a rule once and is at most ``DEPTH`` long, so the search ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from onnx.checker import ValidationError
from onnx.shape_inference import InferenceError

from workers.formats.contract import Note
from workers.formats.rules import Writes
from workers.hub.graph import GraphBuilder
from workers.hub.legalise.fold import fold
from workers.hub.legalise.functions import FUNCTION_BODY
from workers.hub.legalise.rule import RULES, Rule
from workers.hub.node import Node
from workers.hub.provenance import layer_of, layer_type_of

DEPTH = 10


class Search:
    """Makes the nodes of one graph acceptable to ``writes``, one at a time."""

    def __init__(self, graph: ir.Graph, writes: Writes) -> None:  # type: ignore[type-arg]
        self.graph = graph
        self.writes = writes
        self.builder = GraphBuilder(graph=graph)
        self.notes: list[Note] = []
        # Nodes inserted so far, in order: the tail since a mark is what an attempt made.
        self.journal: list[ir.Node] = []

    def replace(self, node: ir.Node, trail: tuple[str, ...] = ()) -> bool:
        """Put something acceptable in ``node``'s place; False, with the graph as it was, when no rule leads there."""
        if len(trail) >= DEPTH:
            return False
        if self._folded(node):
            return True
        candidates = [*RULES.get(Node(node).key, ()), FUNCTION_BODY]
        return any(rule.name not in trail and self._attempt(rule, node, trail) for rule in candidates)

    def _folded(self, node: ir.Node) -> bool:
        """Put the results of a node with constant inputs in its place; a graph output stays computed."""
        arrays = None if any(output.is_graph_output() for output in node.outputs) else fold(node)
        if arrays is None:
            return False
        g = self.builder.ahead_of(node)
        _take_over(list(node.outputs), [g.constant(array) for array in arrays])
        self.graph.remove(node, safe=True)
        return True

    def _attempt(self, rule: Rule, node: ir.Node, trail: tuple[str, ...]) -> bool:
        mark, notes, initializers = len(self.journal), len(self.notes), set(self.graph.initializers)
        g = self.builder.ahead_of(node)
        with g.layer(layer_of(node), layer_type_of(node)):
            results = _results(rule, g, node)
        self.journal += g.made
        # A replaced node hands the uses of its outputs on: a node beside the graph is such a use of the results.
        ends = ir.Node("onnxhub", "Results", results or [], num_outputs=0)
        accepted = results is not None and all(self._accepted(made, (*trail, rule.name)) for made in list(g.made))
        final = list(ends.inputs)
        for index in range(len(final)):
            ends.replace_input_with(index, None)
        if not accepted:
            self._undo(mark, notes, initializers)
            return False
        self._commit(node, final, mark)
        self.notes.insert(notes, Note(rule.name, rule.description, layer_of(node)))
        return True

    def _accepted(self, node: ir.Node, trail: tuple[str, ...]) -> bool:
        """Fold, accept as it stands, or replace a node that a rule made."""
        return self._folded(node) or self.writes.why_not(Node(node)) is None or self.replace(node, trail)

    def _undo(self, mark: int, notes: int, initializers: set[str]) -> None:
        tentative = [node for node in self.journal[mark:] if node.graph is self.graph]
        self.graph.remove(tentative, safe=True)
        del self.journal[mark:], self.notes[notes:]
        for name in set(self.graph.initializers) - initializers:
            del self.graph.initializers[name]

    def _commit(self, node: ir.Node, results: Sequence[ir.Value | None], mark: int) -> None:
        """Let the results take the outputs' uses and, when they are new, their names; drop the node."""
        fresh = {value for made in self.journal[mark:] if made.graph is self.graph for value in made.outputs}
        main = results[0].producer() if results and results[0] is not None else None
        outputs = list(node.outputs)
        _take_over(outputs, results)
        name = node.name
        self.graph.remove(node, safe=True)
        for old, new in zip(outputs, results, strict=True):
            if new is not None and new in fresh:
                new.name = old.name
                fresh.discard(new)
        if main is not None and main in self.journal[mark:]:
            main.name = name


def _results(rule: Rule, g: GraphBuilder, node: ir.Node) -> list[ir.Value | None] | None:
    """What the rule offers for every output; operators that do not take the types at hand are no offer."""
    try:
        results = rule.apply(g, Node(node))
    except (InferenceError, ValidationError):
        return None
    return None if results is None else _as_outputs(node, results, g)


def _as_outputs(node: ir.Node, results: ir.Value | Sequence[ir.Value | None], g: GraphBuilder) -> list[ir.Value | None]:
    """One value for every output of ``node``; a graph output must be a value of its own."""
    values = [results] if isinstance(results, ir.Value) else list(results)
    values += [None] * (len(node.outputs) - len(values))
    made = {value for new in g.made for value in new.outputs}
    for index, (output, value) in enumerate(zip(node.outputs, values, strict=True)):
        if value is None:
            if output.uses() or output.is_graph_output():
                raise ValueError(f"{node.name} ({node.op_type}): output {index} is in use and has no replacement")
        elif output.is_graph_output() and (value not in made or value in values[:index]):
            values[index] = g.Identity(value)
    return values


def _take_over(outputs: Sequence[ir.Value], results: Sequence[ir.Value | None]) -> None:
    for old, new in zip(outputs, results, strict=True):
        if new is None:
            continue
        if new.shape is None or (old.shape is not None and _known(old.shape) > _known(new.shape)):
            new.shape = old.shape
        if new.dtype is None:
            new.type = old.type
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)


def _known(shape: ir.Shape) -> int:
    return sum(isinstance(dim, int) or dim.value is not None for dim in shape)
