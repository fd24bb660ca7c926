"""A loop as ONNX's Loop: what is carried, what is seen from around, and which lists are filled a step at a time.

A list that a body only reads is seen from around; one that is written at the place of the loop's counter becomes a
scan output; any other is carried as one tensor. A body that is a recurrent layer's becomes that layer (``cells``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.dtypes import BOOL, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Layer, Opaque, TensorList, Value, Variable, cast, whole
from workers.formats.tensorflow.read.lists import ReadInLoop, materialise
from workers.formats.tensorflow.read.network import Scope, what_is
from workers.hub.node import Dim, shape_of


@dataclass(frozen=True, slots=True)
class Body:
    """``step`` yields the next values, ``test`` whether there is a next round, both from the values of one round."""

    step: Callable[[Builder, Sequence[Entity]], list[Entity]]
    test: Callable[[Builder, Sequence[Entity]], Entity]


@dataclass(slots=True)
class Draft:
    """One reading of a loop's body. ``inputs`` and ``results`` by variable; ``written`` are scanned lists' items,
    ``placed`` lists that keep one place only: the place, and the variable that has the same value.
    """

    g: Builder
    inputs: dict[int, Value]
    results: dict[int, Value] = field(default_factory=dict)
    written: dict[int, Value] = field(default_factory=dict)
    placed: dict[int, tuple[Value, int]] = field(default_factory=dict)
    goes_on: Value | None = None


def loop(scope: Scope, layer: Layer, starts: Sequence[Entity], same: Sequence[bool], body: Body) -> list[Entity]:
    """The variables after the last round."""
    from workers.formats.tensorflow.read.cells import recurrent

    fixed = [kept or isinstance(x, Variable | Opaque) for kept, x in zip(same, starts, strict=True)]
    dense: set[int] = set()
    while True:
        try:
            begin = [_dense(scope.g, layer, x) if index in dense else x for index, x in enumerate(starts)]
            draft = _settled(scope, layer, begin, fixed, body)
            break
        except ReadInLoop as error:
            if error.mark in dense:
                raise layer.unsupported("one of its lists is read and written in a way that Loop cannot say") from error
            dense.add(error.mark)
    found = recurrent(scope, layer, begin, draft)
    if found is None:
        found = _emit(scope, layer, begin, draft, body)
    for index, (place, twin) in draft.placed.items():
        item, start = found[twin], starts[index]
        assert isinstance(start, TensorList) and isinstance(item, ir.Value)
        found[index] = replace(start, writes=(*start.writes, (place, item)))
    results: list[Entity] = []
    for index, x in enumerate(starts):
        result = found.get(index, x)
        if index in dense and isinstance(result, ir.Value) and isinstance(x, TensorList):
            result = TensorList(x.dtype, result, (), None, x.element)
        results.append(result)
    return results


def _dense(g: Builder, layer: Layer, x: Entity) -> Entity:
    return materialise(g, layer, x) if isinstance(x, TensorList) else x


# --- reading the body -------------------------------------------------------------------------------------------------


def _settled(scope: Scope, layer: Layer, starts: Sequence[Entity], fixed: Sequence[bool], body: Body) -> Draft:
    """The body, read with the shapes that its variables keep from round to round."""
    shapes = {i: shape_of(x) for i, x in enumerate(starts) if isinstance(x, ir.Value) and not fixed[i]}
    for _ in range(4):
        draft = _draft(scope, layer, starts, fixed, shapes, body)
        wider = {i: _common(shapes[i], shape_of(value)) for i, value in draft.results.items()}
        if wider == shapes:
            return draft
        shapes = wider
    raise layer.unsupported("the shapes of its variables change from round to round")


def _common(a: tuple[Dim, ...] | None, b: tuple[Dim, ...] | None) -> tuple[Dim, ...] | None:
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))


def _draft(
    scope: Scope, layer: Layer, starts: Sequence[Entity], fixed: Sequence[bool],
    shapes: dict[int, tuple[Dim, ...] | None], body: Body,
) -> Draft:  # fmt: skip
    g = scope.g.inner(f"{layer.name}_body")
    _input(g, f"{layer.name}_iteration", (), I64)
    _input(g, f"{layer.name}_goes_on", (), BOOL)
    draft = Draft(g, {})
    bound: list[Entity] = []
    for index, x in enumerate(starts):
        if isinstance(x, ir.Value) and not fixed[index]:
            draft.inputs[index] = _input(g, f"{layer.name}_{index}", shapes[index], layer.element(x))
            bound.append(draft.inputs[index])
        elif isinstance(x, TensorList) and not fixed[index]:
            bound.append(TensorList(x.dtype, None, (), x.size, x.element, mark=index))
        else:
            bound.append(x)
    after = body.step(g, bound)
    written: list[tuple[int, Entity]] = []
    for index, result in enumerate(after):
        if index in draft.inputs:
            if isinstance(result, TensorList):
                result = materialise(g, layer, result)
            if not isinstance(result, ir.Value):
                raise layer.unsupported(f"a variable becomes {what_is(result)} in its body")
            draft.results[index] = cast(g, result, layer.element(draft.inputs[index]))
        elif isinstance(bound[index], TensorList) and not fixed[index]:
            written.append((index, result))
    for index, result in written:
        _written(g, draft, index, result, starts)
    draft.goes_on = boolean_value(g, layer, body.test(g, after))
    return draft


def _input(g: Builder, name: str, shape: Sequence[Dim] | None, dtype: ir.DataType) -> Value:
    value = g.input(name, shape if shape is not None else [], dtype)
    if shape is None:
        value.shape = None
    return value


def boolean_value(g: Builder, layer: Layer, x: Entity) -> Value:
    if not isinstance(x, ir.Value):
        raise layer.unsupported(f"its condition is {what_is(x)}")
    flag = cast(g, x, BOOL)
    return g.Reshape(flag, g.constant(np.zeros(0, np.int64))) if shape_of(flag) != () else flag


def _written(g: Builder, draft: Draft, index: int, result: Entity, starts: Sequence[Entity]) -> None:
    """A list written once a round, at the counter's place or behind the last item, is a scan output.

    One that is always written at the same place with a variable's next value holds that variable's last value.
    """
    start = starts[index]
    fresh = isinstance(start, TensorList) and start.dense is None and not start.writes
    if not fresh or not isinstance(result, TensorList) or result.mark != index or len(result.writes) != 1:
        raise ReadInLoop(index)
    place, item = result.writes[0]
    if place is not None and g.numbers(place) is not None:
        twin = next((i for i, value in draft.results.items() if value is item), None)
        if twin is None:
            raise ReadInLoop(index)
        draft.placed[index] = (place, twin)
        return
    counter = counter_index(draft, place) if place is not None else None
    if place is not None and (counter is None or not counts(g, draft, counter, starts[counter])):
        raise ReadInLoop(index)
    draft.written[index] = item


def counter_index(draft: Draft, place: Value) -> int | None:
    """The variable that ``place`` is, if its body adds one to it every round (its start is checked later)."""
    while (producer := place.producer()) is not None and producer.op_type in ("Cast", "Identity", "Reshape"):
        inner = producer.inputs[0]
        if inner is None:
            break
        place = inner
    return next((index for index, value in draft.inputs.items() if value is place), None)


def counts(g: Builder, draft: Draft, index: int, start: Entity) -> bool:
    """Whether the variable starts at 0 and grows by 1."""
    if not isinstance(start, ir.Value) or g.numbers(start) != (0,) or index not in draft.results:
        return False
    node = draft.results[index].producer()
    if node is None or node.op_type != "Add":
        return False
    one = [value for value in node.inputs if value is not draft.inputs[index]]
    return len(one) == 1 and g.numbers(one[0]) == (1,)


# --- writing it -------------------------------------------------------------------------------------------------------


def bounds(scope: Scope, starts: Sequence[Entity], draft: Draft) -> list[Value] | None:
    """The numbers that counters run up to, if nothing else ends the loop; None otherwise."""
    found: list[Value] = []
    stack = [draft.goes_on]
    while stack:
        value = stack.pop()
        node = value.producer() if value is not None else None
        if node is None:
            return None
        if node.op_type in ("And", "Identity", "Reshape", "Squeeze"):
            stack.extend(node.inputs if node.op_type == "And" else node.inputs[:1])
            continue
        if node.op_type != "Less" or node.inputs[0] is None or node.inputs[1] is None:
            return None
        after = node.inputs[0]
        index = next((i for i, result in draft.results.items() if result is after), None)
        inside = node.inputs[1].producer()
        if index is None or not counts(scope.g, draft, index, starts[index]):
            return None
        if inside is not None and inside.graph is draft.g.graph:
            return None
        found.append(node.inputs[1])
    return found


def trips(scope: Scope, starts: Sequence[Entity], draft: Draft) -> Value | None:
    """The number of rounds, where counters alone decide; None otherwise."""
    found = bounds(scope, starts, draft)
    if not found:
        return None
    g = scope.g
    total = whole(g, found[0])
    for other in found[1:]:
        other = whole(g, other)
        if other is not total:
            numbers = g.numbers(other)
            total = total if numbers == (2**31 - 1,) else g.Min(total, other)
    return g.Reshape(total, g.constant(np.zeros(0, np.int64)))


def _emit(scope: Scope, layer: Layer, starts: Sequence[Entity], draft: Draft, body: Body) -> dict[int, Entity]:
    from workers.formats.tensorflow.read.control import own

    g, inner = scope.g, draft.g
    rounds = trips(scope, starts, draft)
    first = g.constant(np.array(True)) if rounds is not None else boolean_value(g, layer, body.test(g, starts))
    assert draft.goes_on is not None
    goes_on = inner.graph.inputs[1] if rounds is not None else draft.goes_on
    with inner.layer(layer.name, layer.type):
        for value in (goes_on, *draft.results.values(), *draft.written.values()):
            inner.graph.outputs.append(own(inner, value))
    carried = [x for x in (starts[index] for index in draft.results) if isinstance(x, ir.Value)]
    outputs = g.ops("Loop", rounds, first, *carried, outputs=len(draft.results) + len(draft.written), body=inner.graph)
    found: dict[int, Entity] = {}
    for output, index in zip(outputs, [*draft.results, *draft.written], strict=True):
        value = draft.results[index] if index in draft.results else draft.written[index]
        shape = shape_of(draft.inputs[index]) if index in draft.results else shape_of(value)
        output.type = ir.TensorType(layer.element(value))
        if index in draft.written and shape is not None:
            shape = (_count(g, rounds), *shape)
        output.shape = ir.Shape(shape) if shape is not None else None
        found[index] = output if index in draft.results else listed(scope, layer, starts[index], output, rounds)
    return found


def _count(g: Builder, rounds: Value | None) -> Dim:
    known = g.contents(rounds)
    return known.items[0] if known is not None else None


def listed(scope: Scope, layer: Layer, start: Entity, scanned: Value, rounds: Value | None) -> TensorList:
    """The list after the loop; places that no round reached are zeros."""
    assert isinstance(start, TensorList)
    g = scope.g
    if start.size is None:
        return replace(start, dense=scanned, size=None, mark=None)
    size = whole(g, start.size)
    same = rounds is not None and (
        g.Reshape(size, g.constant(np.zeros(0, np.int64))) is rounds
        or (g.contents(size) is not None and _count(g, rounds) is not None and _count(g, rounds) == _count(g, size))
    )
    if not same:
        dims = g.Shape(scanned)
        missing = g.Max(g.Sub(g.Reshape(size, [1]), g.Slice(dims, [0], [1])), [0])
        rest = g.Concat(missing, g.Slice(dims, [1], [2**31 - 1]), axis=0)
        rank = len(layer.shape(scanned))
        zeros = g.Expand(np.zeros([1] * rank, layer.element(scanned).numpy()), rest)
        scanned = g.Concat(scanned, zeros, axis=0)
    return replace(start, dense=scanned, mark=None)
