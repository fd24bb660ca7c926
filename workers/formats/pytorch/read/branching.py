"""Branches and loops that only running decides: sub-graphs of If and Loop with what they change as outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from workers.errors import UnsupportedLayer
from workers.formats.pytorch.read.dispatch import State
from workers.formats.pytorch.read.layer import POISON, Layer
from workers.formats.pytorch.read.scalars import ScanList, number
from workers.formats.pytorch.read.symbols import TYPES, Sym, emit, kind_of, of_value
from workers.formats.pytorch.read.values import Affine, Tensor, now
from workers.hub.graph import GraphBuilder, Value

WIDENINGS = 4


class Uninitialised:
    """A variable of a branch that never uses it."""


UNINITIALISED = Uninitialised()


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A variable whose two branches cannot meet in one ONNX value; an error only if somebody reads it."""

    reason: str


class ModelRaises(Exception):
    """The model's own code raises an error with the inputs at hand."""


@dataclass(slots=True)
class Leaf:
    """One value that leaves a sub-graph: a tensor or a scalar of ``kind``."""

    value: Value
    kind: str
    affine: Affine | None = None


def leaf(g: GraphBuilder, item: Any) -> Leaf:
    if isinstance(item, Tensor):
        return Leaf(item.value, "tensor", item.affine)
    return Leaf(emit(g, item), kind_of(item))


def back(value: Value, like: Leaf) -> Any:
    """A sub-graph's output as what it stands for."""
    return Tensor(value, like.affine) if like.kind == "tensor" else of_value(value, like.kind)


def carries(item: Any) -> bool:
    return isinstance(item, Tensor) or number(item)


# --- If ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Branch:
    """One branch as read: its builder, its results, and the outer tensors that it changed with their new values."""

    g: GraphBuilder
    results: list[Any]
    changed: dict[Tensor, Value]


def branch(state: State, name: str, run: Callable[[], list[Any]]) -> Branch:
    """Read a branch into a sub-graph of its own and take its changes back."""
    outer, state.g = state.g, state.g.inner(name)
    state.kept.append(state.g)
    start = now()
    state.journal.append({})
    try:
        results = run()
    finally:
        before = state.journal.pop()
        inner, state.g = state.g, outer
        after = {tensor: tensor.value for tensor in before if tensor.born < start}
        for tensor, value in before.items():
            tensor.restore(value)
    return Branch(inner, results, after)


def choose(
    state: State, layer: Layer, condition: Value, then: Callable[[], list[Any]], other: Callable[[], list[Any]]
) -> list[Any]:
    """The results of whichever branch ``condition`` (shape []) tells; a branch that raises is taken as never chosen."""
    try:
        first = branch(state, "then", then)
    except ModelRaises:
        return other()
    try:
        second = branch(state, "else", other)
    except ModelRaises:
        return then()
    merger = _Merger(layer, first.g, second.g)
    results = [merger.merge(a, b) for a, b in zip(first.results, second.results, strict=True)]
    tensors = list(dict.fromkeys([*first.changed, *second.changed]))
    places = []
    for tensor in tensors:
        pair = [Tensor(part.changed.get(tensor, tensor.value)) for part in (first, second)]
        places.append(merger.merge(pair[0], pair[1]))
    if not merger.pairs:
        return results
    outputs = merger.finish(state.g, condition)
    for tensor, place in zip(tensors, places, strict=True):
        tensor.put(_filled(place, outputs, merger).value, state.changed)
    return [_filled(result, outputs, merger) for result in results]


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for the If node's output ``index`` until the node is made."""

    index: int


class _Merger:
    def __init__(self, layer: Layer, then: GraphBuilder, other: GraphBuilder) -> None:
        self.layer, self.then, self.other = layer, then, other
        self.pairs: list[tuple[Leaf, Leaf]] = []

    def merge(self, a: Any, b: Any) -> Any:
        """What both branches' results come to: themselves when equal, else places of outputs."""
        if a is b or isinstance(b, Uninitialised) or b is POISON:
            return a if not isinstance(b, Uninitialised) or a is not b else b
        if isinstance(a, Uninitialised) or a is POISON:
            return b if a is not POISON else a
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return self._tensors(a, b)
        if number(a) and number(b):
            return self._numbers(a, b)
        if isinstance(a, list | tuple) and type(a) is type(b) and len(a) == len(b):
            items = [self.merge(x, y) for x, y in zip(a, b, strict=True)]
            return ScanList(items) if isinstance(a, list) else tuple(items)
        if type(a) is type(b) and isinstance(a, str | bytes) and a == b:
            return a
        words = [("nothing" if item is None else f"a {type(item).__name__}") for item in (a, b)]
        return Unmerged(f"it is {words[0]} in one branch and {words[1]} in the other, and the data decides which")

    def _tensors(self, a: Tensor, b: Tensor) -> Any:
        if a.value is b.value and a.affine is b.affine:
            return a
        if a.value.dtype != b.value.dtype or (a.affine is None) != (b.affine is None):
            return Unmerged(f"it is {a.value.dtype} in one branch and {b.value.dtype} in the other")
        return self._pair(leaf(self.then, a), leaf(self.other, b))

    def _numbers(self, a: Any, b: Any) -> Any:
        if not isinstance(a, Sym) and not isinstance(b, Sym) and type(a) is type(b) and a == b:
            return a
        if isinstance(a, Sym) and isinstance(b, Sym) and a.expr is not None and a.expr == b.expr:
            return a
        if kind_of(a) != kind_of(b):
            return Unmerged(f"it is {kind_of(a)} in one branch and {kind_of(b)} in the other")
        return self._pair(leaf(self.then, a), leaf(self.other, b))

    def _pair(self, a: Leaf, b: Leaf) -> _Place:
        self.pairs.append((a, b))
        return _Place(len(self.pairs) - 1)

    def finish(self, g: GraphBuilder, condition: Value) -> list[Value]:
        for a, b in self.pairs:
            give(self.then, a.value)
            give(self.other, b.value)
        with g.layer(self.layer.name, self.layer.type):
            made = g.ops(
                "If", condition, outputs=len(self.pairs), then_branch=self.then.graph, else_branch=self.other.graph
            )
        for value, (a, b) in zip(made, self.pairs, strict=True):
            value.type = a.value.type
            value.shape = _common(a.value.shape, b.value.shape)
        return made


def give(g: GraphBuilder, value: Value) -> None:
    """Make ``value`` an output of the sub-graph ``g``; what comes from outside, or is given twice, through a copy."""
    node = value.producer()
    if node is None or node.graph is not g.graph or value.is_graph_output():
        shape, type_ = value.shape, value.type
        value = g.Identity(value)
        value.shape, value.type = shape, type_
    g.graph.outputs.append(value)


def _common(a: ir.Shape | None, b: ir.Shape | None) -> ir.Shape | None:
    if a is None or b is None or len(a) != len(b):
        return None
    return ir.Shape([x if x == y else None for x, y in zip(a, b, strict=True)])


def _filled(result: Any, outputs: Sequence[Value], merger: _Merger) -> Any:
    if isinstance(result, _Place):
        return back(outputs[result.index], merger.pairs[result.index][0])
    if isinstance(result, ScanList):
        return ScanList(_filled(item, outputs, merger) for item in result)
    if type(result) is tuple:
        return tuple(_filled(item, outputs, merger) for item in result)
    return result


# --- Loop ----------------------------------------------------------------------------------------------------------

# Called with the number of the round and the carried values: (goes on, carried values afterwards).
Body = Callable[[Any, list[Any]], tuple[Any, list[Any]]]


@dataclass(slots=True)
class _Round:
    """A loop's body as read once."""

    g: GraphBuilder
    inputs: list[Value]
    goes_on: Value
    after: list[Leaf]
    changed: dict[Tensor, Value]
    appended: dict[int, tuple[ScanList, list[Any]]]


def loop(state: State, layer: Layer, trips: Any, condition: Any, carried: list[Any], body: Body) -> list[Any]:
    """The carried values after the rounds. Lists that grow by one item a round become scans."""
    flat: list[Any] = []
    form = _flatten(carried, flat)
    tensors: list[Tensor] = []
    leaves = [leaf(state.g, item) for item in flat]
    for _ in range(WIDENINGS):
        found = _round(state, leaves, tensors, form, len(flat), body)
        new = [tensor for tensor in found.changed if tensor not in tensors]
        if new:
            tensors += new
            leaves += [Leaf(tensor.value, "tensor", tensor.affine) for tensor in new]
            continue
        wider = _widened(layer, leaves, found.after)
        if wider is None:
            return _loop_node(state, layer, trips, condition, leaves, tensors, form, len(flat), found)
        leaves = wider
    raise layer.unsupported("its variables change their shapes in every round")


def _flatten(item: Any, flat: list[Any]) -> Any:
    """``item`` with numbers and tensors moved to ``flat`` and their places in it instead."""
    if carries(item):
        flat.append(item)
        return _Place(len(flat) - 1)
    if isinstance(item, list | tuple):
        items = [_flatten(each, flat) for each in item]
        return tuple(items) if type(item) is tuple else ScanList(items) if isinstance(item, ScanList) else items
    return item


def _restored(form: Any, flat: Sequence[Any]) -> Any:
    if isinstance(form, _Place):
        return flat[form.index]
    if isinstance(form, ScanList):
        return ScanList(_restored(each, flat) for each in form)
    if isinstance(form, list):
        return [_restored(each, flat) for each in form]
    return tuple(_restored(each, flat) for each in form) if type(form) is tuple else form


def _round(
    state: State, leaves: list[Leaf], tensors: list[Tensor], form: Any, count: int, body: Body
) -> _Round:  # fmt: skip
    g = state.g.inner("body")
    state.kept.append(g)
    start = now()
    step = _input(g, "round", ir.DataType.INT64, ir.Shape([]))
    _input(g, "goes_on", ir.DataType.BOOL, ir.Shape([]))
    stand_ins = [_input(g, "carried", each.value.dtype or TYPES["float"], each.value.shape) for each in leaves]
    values = [back(value, each) for value, each in zip(stand_ins, leaves, strict=True)]
    appended: dict[int, tuple[ScanList, list[Any]]] = {}
    state.appended.append(appended)
    # Outer tensors that the body changes begin each round as the carried value.
    held = [tensor.value for tensor in tensors]
    for tensor, value in zip(tensors, stand_ins[count:], strict=True):
        tensor.restore(value)

    def run() -> list[Any]:
        state.kept.append(state.g)
        goes_on, after = body(of_value(step, "int"), _restored(form, values[:count]))
        flat: list[Any] = []
        _flatten(after, flat)
        return [emit(state.g, goes_on, ir.DataType.BOOL), *(leaf(state.g, item) for item in flat)]

    outer, state.g = state.g, g
    state.journal.append({})
    try:
        results = run()
    finally:
        state.appended.pop()
        before = state.journal.pop()
        state.g = outer
        changed = {tensor: tensor.value for tensor in before}
        for tensor, value in before.items():
            tensor.restore(value)
        for tensor, value in zip(tensors, held, strict=True):
            tensor.restore(value)
    after = [*results[1:], *(Leaf(changed.get(t, v), "tensor", t.affine) for t, v in
                             zip(tensors, stand_ins[count:], strict=True))]  # fmt: skip
    outside = {tensor: value for tensor, value in changed.items() if tensor.born < start}
    return _Round(g, stand_ins, results[0], after, outside, appended)


def _input(g: GraphBuilder, name: str, dtype: ir.DataType, shape: ir.Shape | None) -> Value:
    unique = g.rename(ir.Value(name=""), name).name
    value = ir.Value(name=unique, shape=shape, type=ir.TensorType(dtype))
    g.graph.inputs.append(value)
    return value


def _widened(layer: Layer, before: list[Leaf], after: list[Leaf]) -> list[Leaf] | None:
    """The carried values with sizes left open that a round changes; None when none does."""
    if len(before) != len(after):
        raise layer.unsupported("the number of its variables changes from round to round")
    found, changed = [], False
    for a, b in zip(before, after, strict=True):
        if a.value.dtype != b.value.dtype or a.kind != b.kind:
            raise layer.unsupported(f"one of its variables is {a.value.dtype} before and {b.value.dtype} after a round")
        shape = _common(a.value.shape, b.value.shape)
        if shape is None and a.value.shape is not None:
            raise layer.unsupported("one of its variables changes its number of axes from round to round")
        if shape != a.value.shape:
            changed = True
            stand_in = ir.Value(name=a.value.name, shape=shape, type=a.value.type)
            found.append(Leaf(stand_in, a.kind, a.affine))
            layer.scope.wider[id(stand_in)] = (stand_in, a.value)
        else:
            found.append(a)
    return found if changed else None


def _loop_node(
    state: State, layer: Layer, trips: Any, condition: Any, leaves: list[Leaf], tensors: list[Tensor], form: Any,
    count: int, found: _Round,
) -> list[Any]:  # fmt: skip
    g = state.g
    inner = found.g
    give(inner, found.goes_on)
    for each in found.after:
        give(inner, each.value)
    scans = _scans(layer, inner, found.appended)
    if not leaves and not scans:
        return list(_restored(form, []))
    first = [_narrow(layer, each.value) for each in leaves]
    with g.layer(layer.name, layer.type):
        made = g.ops(
            "Loop", None if trips is None else emit(g, trips, ir.DataType.INT64),
            None if condition is None else emit(g, condition, ir.DataType.BOOL), *first,
            outputs=len(leaves) + len(scans), body=inner.graph,
        )  # fmt: skip
    for value, each in zip(made, leaves, strict=False):
        value.type, value.shape = each.value.type, each.value.shape
    for value, (target, item) in zip(made[len(leaves) :], scans, strict=True):
        value.type = item.type
        value.shape = None if item.shape is None else ir.Shape([None, *item.shape])
        target.scan = value
    for value, tensor in zip(made[count : len(leaves)], tensors, strict=True):
        tensor.put(value, state.changed)
    result = _restored(form, [back(value, each) for value, each in zip(made[:count], leaves[:count], strict=True)])
    return list(result)


def _narrow(layer: Layer, value: Value) -> Value:
    """The value that a widened one stands for."""
    while id(value) in layer.scope.wider:
        value = layer.scope.wider[id(value)][1]
    return value


def _scans(
    layer: Layer, inner: GraphBuilder, appended: dict[int, tuple[ScanList, list[Any]]]
) -> list[tuple[ScanList, Value]]:
    found = []
    for target, items in appended.values():
        if len(items) != 1 or not isinstance(items[0], Tensor) or target or target.scan is not None:
            raise UnsupportedLayer(
                "pytorch", layer.name, layer.type, "a list grows in it by something else than one tensor a round"
            )
        give(inner, items[0].value)
        found.append((target, items[0].value))
    return found
