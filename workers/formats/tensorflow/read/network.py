"""A graph read node by node, only as far as its outputs need it; functions are read where they are called.

A ``Scope`` is one graph (or function body) being read into one builder. Branches and loop bodies of TF1, which lie in
the same graph, are read in a scope of their own that sees the values around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Signature, signature

import numpy as np
import onnx
import onnx_ir as ir

from workers.errors import LimitExceeded, MalformedModel, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Progress
from workers.formats.tensorflow.bundle import Stored
from workers.formats.tensorflow.dtypes import BF16, F32, ONNX, plain
from workers.formats.tensorflow.graph import Graph, Node, Ref, attr
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.frames import EXIT, MERGE, NEXT, Frames, frames_of
from workers.formats.tensorflow.read.layer import (
    BROKEN,
    DEAD,
    Entity,
    Layer,
    Opaque,
    Rule,
    Shared,
    Value,
    Variable,
    cast,
    handles,
    reads,
)
from workers.formats.tensorflow.read.pairs import complex_constant, is_pair, on_pairs
from workers.formats.tensorflow.read.ports import PORTS
from workers.formats.tensorflow.tensors import array_of

_SIGNATURES: dict[Rule, Signature] = {}
EXACT = frozenset(
    {"Cast", "Reshape", "Transpose", "Identity", "Squeeze", "ExpandDims", "Shape", "ShapeN", "Size", "Rank"}
)
"""Operators that leave the numbers as they are, or turn them into others themselves."""
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
DEPTH = 64
"""Functions within functions at most."""
NODES = 1_000_000
"""Nodes read in one model at most, those of functions counted at every call."""
Key = tuple[str, int]


@dataclass(slots=True)
class Run:
    """The state of one reading. ``pending`` are the nodes, by graph and name, that nobody has been told of yet."""

    shared: Shared
    variables: Mapping[str, Stored]
    progress: Progress
    pending: dict[tuple[str, str], str] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    refused: list[Unsupported] = field(default_factory=list)
    weights: dict[str, Value] = field(default_factory=dict)
    frames: dict[int, Frames] = field(default_factory=dict)

    def tell(self, graph: str, node: str, what: str) -> None:
        """Progress, once a node however often it is read."""
        if self.pending.pop((graph, node), None) is not None:
            self.progress(self.total - len(self.pending) - 1, self.total, what)


class Scope:
    """One graph being read. ``values`` holds what is known by (node, output)."""

    def __init__(
        self, run: Run, graph: Graph, g: Builder, values: Mapping[Key, Entity], prefix: str = "", depth: int = 0,
        parent: Scope | None = None,
    ) -> None:  # fmt: skip
        self.run = run
        self.graph = graph
        self.g = g
        self.values: dict[Key, Entity] = dict(values)
        self.prefix = prefix
        self.depth = depth
        self.parent = parent
        self.wanted: set[Key] = parent.wanted if parent is not None else set()
        if depth > DEPTH:
            raise LimitExceeded("depth", f"functions call each other more than {DEPTH} deep", limit=DEPTH)

    @property
    def frames(self) -> Frames:
        found = self.run.frames.get(id(self.graph))
        if found is None:
            found = self.run.frames[id(self.graph)] = frames_of(self.graph)
        return found

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def reach(self, refs: Iterable[Ref]) -> None:
        """Note which outputs the wanted ones hang on: of a call, only those are read in its function."""
        stack, seen = list(refs), set[str]()
        while stack:
            ref = stack.pop()
            self.wanted.add(self._key(ref))
            node = self.graph.nodes.get(ref.node)
            if node is not None and node.name not in seen:
                seen.add(node.name)
                stack.extend(node.inputs)

    def read(self, refs: Iterable[Ref], asked_by: str = "") -> list[Entity]:
        """The entities behind these references."""
        refs = list(refs)
        for ref in refs:
            self._demand(ref, asked_by)
        return [self._get(ref, asked_by) for ref in refs]

    def _key(self, ref: Ref) -> Key:
        if not ref.port:
            return ref.node, ref.index
        node = self.graph.nodes.get(ref.node)
        ports = PORTS.get(node.op) if node is not None else None
        if ports is None:
            return ref.node, ref.index
        if ref.port not in ports:
            raise MalformedModel(f"{ref.node!r} has no output {ref.port!r}", file=self.graph.file, layer=ref.node)
        return ref.node, ports.index(ref.port) + ref.index

    def find(self, key: Key) -> Entity | None:
        scope: Scope | None = self
        while scope is not None:
            if key in scope.values:
                return scope.values[key]
            scope = scope.parent
        return None

    def _get(self, ref: Ref, asked_by: str) -> Entity:
        found = self.find(self._key(ref))
        if found is None:
            raise MalformedModel(f"{asked_by!r} reads {ref}, an output that does not exist", file=self.graph.file)
        return found

    def _demand(self, ref: Ref, asked_by: str) -> None:
        """Read the node of ``ref`` and all it needs, without recursion: nets may be thousands of layers deep."""
        if self.find(self._key(ref)) is not None:
            return
        open_: set[str] = set()
        stack: list[tuple[Ref, str]] = [(ref, asked_by)]
        while stack:
            ref, asker = stack[-1]
            if self.find(self._key(ref)) is not None:
                stack.pop()
                continue
            node = self.graph.node(ref, asker)
            missing = [item for item in self._needs(node) if self.find(self._key(item)) is None]
            if not missing:
                self._node(node)
                open_.discard(node.name)
                stack.pop()
                if self.find(self._key(ref)) is None:
                    raise MalformedModel(f"{asker!r} reads {ref}, an output that does not exist", file=self.graph.file)
                continue
            if node.name in open_ and any(item.node in open_ for item in missing):
                raise MalformedModel(
                    f"the graph of {self.graph.file!r} runs in a circle through node {node.name!r}",
                    file=self.graph.file, layer=node.name,
                )  # fmt: skip
            open_.add(node.name)
            stack.extend((item, node.name) for item in reversed(missing))

    def _needs(self, node: Node) -> Sequence[Ref]:
        """What must be known before a node can be read."""
        if node.op in EXIT and node.name in self.frames.loops:
            return self.frames.loops[node.name].outside
        if node.op in MERGE and node.name in self.frames.branches:
            branch = self.frames.branches[node.name]
            predicate = self.find(self._key(branch.predicate))
            if predicate is None:
                return [branch.predicate]
            side = truth(self.g, predicate)
            return [branch.sides[side]] if side is not None else branch.outside
        choice = self.frames.choices.get(node.name) if node.op in MERGE else None
        if choice is not None:
            return [choice.index, *choice.outside]
        if node.op in NEXT or node.op in MERGE:
            return node.inputs[:1]
        return node.inputs[:1] if node.op in ("Print", "Assert") else node.inputs

    # --- one node -----------------------------------------------------------------------------------------------------

    def name_of(self, node: Node) -> str:
        return f"{self.prefix}{node.name}"

    def _node(self, node: Node) -> None:
        run = self.run
        run.done += 1
        if run.done > NODES:
            raise LimitExceeded("nodes", f"more than {NODES:,} nodes are read", limit=NODES)
        run.tell(self.graph.name, node.name, f"{self.name_of(node)} ({node.op})")
        inputs = [self._get(ref, node.name) for ref in self._needs(node)]
        layer = Layer(node, self.name_of(node), run.shared)
        results = self._results(node, layer, inputs)
        for index, entity in enumerate(results):
            self.values.setdefault((node.name, index), entity)

    def _results(self, node: Node, layer: Layer, inputs: Sequence[Entity]) -> Sequence[Entity]:
        special = handles.find(node.op)
        if special is None or node.op not in LIVES:
            for entity in (DEAD, BROKEN):
                if any(item is entity for item in inputs):
                    return [entity] * PLENTY
        start = len(self.g.made)
        try:
            with self.g.layer(layer.name, node.op):
                if special is not None:
                    _bind(special, layer, self, inputs)
                    return as_list(special(self, layer, *inputs))
                rule = reads.find(node.op, layer.name)
                if rule is None:
                    raise layer.unsupported(why_not(node.op))
                results = as_list(self._call(rule, layer, inputs))
        except UnsupportedLayer as error:
            run_refused(self.run, [error.item])
            return [BROKEN] * PLENTY
        except UnsupportedOperators as error:
            run_refused(self.run, error.items)
            return [BROKEN] * PLENTY
        except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
            raise layer.malformed(f"its inputs do not fit it: {_plain(error)}") from error
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise layer.malformed(f"its attributes and inputs do not fit each other: {_plain(error)}") from error
        self._name(layer, results, start)
        return results

    def _call(self, rule: Rule, layer: Layer, inputs: Sequence[Entity]) -> object:
        for entity in inputs:
            if not isinstance(entity, ir.Value) and not is_pair(entity):
                raise layer.unsupported(f"it works with {what_is(entity)}")
        _bind(rule, layer, self.g, inputs)
        if any(is_pair(entity) for entity in inputs):
            return on_pairs(self.g, layer, rule, inputs)
        if any(x.dtype == BF16 for x in inputs if isinstance(x, ir.Value)) and layer.type not in EXACT:
            return self._in_single(rule, layer, inputs)
        return rule(self.g, layer, *inputs)

    def _in_single(self, rule: Rule, layer: Layer, inputs: Sequence[Entity]) -> object:
        """bfloat16 is computed in float32 and rounded behind every operator, as TensorFlow's kernels do."""
        wide = [cast(self.g, x, F32) if isinstance(x, ir.Value) and x.dtype == BF16 else x for x in inputs]
        results = as_list(rule(self.g, layer, *wide))
        return [cast(self.g, x, BF16) if isinstance(x, ir.Value) and x.dtype == F32 else x for x in results]

    def _name(self, layer: Layer, results: Sequence[Entity], start: int) -> None:
        """The results that were made here get TensorFlow's name."""
        made = {id(value) for node in self.g.made[start:] for value in node.outputs}
        for index, value in enumerate(results):
            if isinstance(value, ir.Value) and id(value) in made:
                self.g.rename(value, layer.name if index == 0 else f"{layer.name}_{index}")

    # --- what handling functions use ----------------------------------------------------------------------------------

    def weight(self, variable: Variable, layer: Layer) -> Value:
        """A variable's value; refused with its name where no file has it."""
        if variable.stored is None:
            raise layer.malformed(f"the value of the variable {variable.name!r} is in no file of the upload")
        found = self.run.weights.get(variable.name)
        if found is None:
            tensor = variable.stored.tensor()
            found = self.run.weights[variable.name] = self.g.weight(variable.name, tensor)
        return found

    def call(
        self, name: str, layer: Layer, arguments: Sequence[Entity], g: Builder | None = None, *, all_: bool = True
    ) -> list[Entity]:  # fmt: skip
        """The outputs of a function with these arguments: all, or those of the node that are wanted."""
        function = self.graph.library.get(name)
        if function is None:
            raise layer.malformed(f"the function {name!r} is not in the file")
        if len(function.arguments) != len(arguments):
            raise layer.malformed(
                f"the function {name!r} takes {len(function.arguments)} arguments, not {len(arguments)}"
            )
        values = {(argument, 0): entity for argument, entity in zip(function.arguments, arguments, strict=True)}
        prefix = self.prefix if layer.type in CALLS and "PartitionedCall" in layer.node.name else f"{layer.name}/"
        inner = Scope(self.run, function.graph, g or self.g, values, prefix, self.depth + 1)
        chosen = {i: ref for i, (_, ref) in enumerate(function.outputs) if all_ or (layer.node.name, i) in self.wanted}
        inner.reach(chosen.values())
        found = dict(zip(chosen, inner.read(chosen.values(), layer.name), strict=True))
        unread = Opaque("an output that nothing reads", layer.name)
        return [found.get(index, unread) for index in range(len(function.outputs))]

    def within(self, g: Builder, values: Mapping[Key, Entity]) -> Scope:
        """A scope for a part of the same graph, in a builder of its own."""
        return Scope(self.run, self.graph, g, values, self.prefix, self.depth + 1, self)


PLENTY = 64
"""Outputs that a node without results stands for."""


def _bind(rule: Rule, layer: Layer, first: object, inputs: Sequence[Entity]) -> None:
    """Refuse a node with more or fewer inputs than its type takes."""
    form = _SIGNATURES.setdefault(rule, signature(rule))
    try:
        form.bind(first, layer, *inputs)
    except TypeError:
        wanted = len(form.parameters) - 2
        raise layer.malformed(f"it has {len(inputs)} inputs where the type takes {wanted}") from None


LIVES = ("Merge", "RefMerge", "Switch", "RefSwitch", "_SwitchN")


def run_refused(run: Run, items: Iterable[Unsupported]) -> None:
    run.refused.extend(item for item in items if item not in run.refused)


def why_not(op: str) -> str:
    return handles.refused[op] if op in handles.refused else reads.why_not(op)


def as_list(results: object) -> list[Entity]:
    return list(results) if isinstance(results, list | tuple) else [results]  # type: ignore[list-item]


def what_is(entity: Entity) -> str:
    if isinstance(entity, Variable):
        return f"the handle of the variable {entity.name!r}"
    return f"{entity.what} ({entity.layer!r})" if isinstance(entity, Opaque) else "a list of tensors"


def truth(g: Builder, entity: Entity) -> int | None:
    """A predicate that is known: 0 or 1; numbers count as true when they are not 0, tensors when they have elements."""
    if not isinstance(entity, ir.Value) or not g.is_const(entity):
        return None
    array = g.const(entity)
    assert array is not None
    return int(bool(array.reshape(())) if array.size == 1 else array.size > 0)


def _plain(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1][:300] if lines else type(error).__name__


def constant(scope: Scope, layer: Layer) -> Entity:
    """A Const: numbers as an initialiser, a view on the file; strings stay outside of the graph."""
    tensor = attr(layer.node, "value", "tensor")
    if tensor is None:
        raise layer.malformed("it has no value")
    dtype = plain(tensor.dtype)
    array = array_of(tensor, layer.name, layer.shared.file)
    if dtype in ("DT_COMPLEX64", "DT_COMPLEX128"):
        return complex_constant(scope.g, layer, array)
    if dtype not in ONNX or dtype == "DT_STRING":
        return Opaque("strings" if dtype == "DT_STRING" else dtype, layer.name, array)
    if array.size <= 64:
        return scope.g.constant(np.array(array))
    return scope.g.weight(layer.name, array)
