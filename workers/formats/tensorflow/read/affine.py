"""Reading a loop's body backwards: activations, products, and affine functions of the step's input and the state.

x is ``Gather(source, counter)``; an affine function is a sum of x @ W, h @ U and constants, columns of such a sum, or
a product with [x, h] side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Value
from workers.formats.tensorflow.read.loops import Draft
from workers.formats.tensorflow.tensors import Array
from workers.hub.node import shape_of

Load = Callable[[], Array]
Columns = tuple[int, int] | None
ACTIVATIONS = {"Sigmoid": ("Sigmoid", 0.0, 0.0), "Tanh": ("Tanh", 0.0, 0.0), "Relu": ("Relu", 0.0, 0.0),
               "Softsign": ("Softsign", 0.0, 0.0), "Softplus": ("Softplus", 0.0, 0.0)}  # fmt: skip
PASSING = ("Identity", "Cast")


def unwrapped(value: Value) -> Value:
    """A value behind what only hands on."""
    while (node := value.producer()) is not None and node.op_type == "Identity" and node.inputs[0] is not None:
        value = node.inputs[0]
    return value


def mirrored(g: Builder, value: Value) -> Value | None:
    """z where ``value`` is 1 - z."""
    node = unwrapped(value).producer()
    if node is None or node.op_type != "Sub" or node.inputs[0] is None or node.inputs[1] is None:
        return None
    one = g.const(node.inputs[0]) if g.is_const(node.inputs[0]) else None
    return unwrapped(node.inputs[1]) if one is not None and one.size == 1 and float(one.reshape(())) == 1.0 else None


@dataclass(slots=True)
class Affine:
    """``x_parts``, ``h_parts``: weights [rows, columns] to be added up; ``biases`` vectors or numbers."""

    x_size: int = 0
    x_parts: list[Load] = field(default_factory=list)
    h_parts: list[Load] = field(default_factory=list)
    biases: list[Load] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.x_parts) == 1 and len(self.h_parts) == 1

    def input_weights(self, hidden: int) -> Array:
        return self.x_parts[0]().T

    def state_weights(self, hidden: int) -> Array:
        return self.h_parts[0]().T

    def bias(self, hidden: int) -> Array:
        """The sum of all constants; zeros where there are none."""
        total = np.zeros(hidden, np.float32)
        for load in self.biases:
            total = total + np.broadcast_to(load().reshape(-1), (hidden,))
        return total


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GRU's new state: ``after`` when the reset gate meets the product with h, not h itself."""

    inside: Affine
    reset: Value
    after: bool
    bias: Affine | None


class Reading:
    """``feed`` is the value that counts as the step's input, in place of a step of a sequence."""

    def __init__(self, g: Builder, draft: Draft, counters: Sequence[int], feed: Value | None = None) -> None:
        self.feed = unwrapped(feed) if feed is not None else None
        self.g = g
        self.draft = draft
        self.counters = {id(draft.inputs[index]) for index in counters}
        self.source: Value | None = None

    # --- pieces -------------------------------------------------------------------------------------------------------

    def pairs(self, value: Value, op_type: str) -> Iterator[tuple[Value, Value]]:
        """The operands of a product or a sum in both orders."""
        node = unwrapped(value).producer()
        if node is not None and node.op_type == op_type and node.inputs[0] is not None and node.inputs[1] is not None:
            one, two = node.inputs[0], node.inputs[1]
            yield one, two
            yield two, one

    def activation(self, value: Value) -> tuple[tuple[str, float, float], Value] | None:
        """(activation, what it is applied to); columns of an activation are an activation of columns (see select)."""
        value = unwrapped(value)
        node = value.producer()
        if node is None or node.inputs[0] is None:
            return None
        if node.op_type in ACTIVATIONS:
            return ACTIVATIONS[node.op_type], node.inputs[0]
        if node.op_type in ("Clip", "Mul", "Div"):
            return self._hard_sigmoid(node)
        if node.op_type in ("Split", "Slice"):
            inner = node.inputs[0].producer()
            if inner is not None and inner.op_type in ACTIVATIONS:
                return ACTIVATIONS[inner.op_type], value
        return None

    def _hard_sigmoid(self, node: ir.Node) -> tuple[tuple[str, float, float], Value] | None:
        """clip(alpha * x + beta, 0, 1), or clip(x + beta, 0, n) / n."""
        share = 1.0
        if node.op_type in ("Mul", "Div"):
            inner = node.inputs[0].producer() if node.inputs[0] is not None else None
            factor = self.number(node.inputs[1])
            if inner is None or inner.op_type != "Clip" or not factor:
                return None
            share, node = (factor if node.op_type == "Mul" else 1 / factor), inner
        low, high = (self.number(value) for value in (*node.inputs[1:3], None, None)[:2])
        if low != 0.0 or high is None or abs(high * share - 1.0) > 1e-6 or node.inputs[0] is None:
            return None
        for inside, beta in self.pairs(node.inputs[0], "Add"):
            shift = self.number(beta)
            if shift is None:
                continue
            for x, alpha in self.pairs(inside, "Mul"):
                slope = self.number(alpha)
                if slope is not None:
                    return ("HardSigmoid", slope * share, shift * share), x
            return ("HardSigmoid", share, shift * share), inside
        return None

    def number(self, value: Value | None) -> float | None:
        if value is None or not self.g.is_const(value):
            return None
        array = self.g.const(value)
        return float(array.reshape(())) if array is not None and array.size == 1 else None

    def is_x(self, value: Value) -> bool:
        """Whether a value is the step's input; all of them must be of one source."""
        if self.feed is not None:
            self.source = self.feed if unwrapped(value) is self.feed else self.source
            return unwrapped(value) is self.feed
        node = unwrapped(value).producer()
        if node is None or node.op_type not in ("Gather",) or node.inputs[0] is None or node.inputs[1] is None:
            return False
        place = node.inputs[1]
        while (inner := place.producer()) is not None and inner.op_type in PASSING and inner.inputs[0] is not None:
            place = inner.inputs[0]
        outer = node.inputs[0]
        inside = outer.producer() is not None and outer.producer().graph is self.draft.g.graph  # type: ignore[union-attr]
        shape = shape_of(outer)
        if id(place) not in self.counters or inside or shape is None or len(shape) != 3:
            return False
        if self.source is None:
            self.source = outer
        return self.source is outer

    # --- affine functions ---------------------------------------------------------------------------------------------

    def affine(self, value: Value, h: Value) -> Affine | None:
        found = Affine()
        return found if self._collect(value, h, None, found) else None

    def _collect(self, value: Value, h: Value, columns: Columns, into: Affine) -> bool:
        value = unwrapped(value)
        if self.g.is_const(value):
            into.biases.append(self._vector(value, columns))
            return True
        node = value.producer()
        if node is None or any(item is None for item in node.inputs[:2]):
            return False
        if node.op_type == "Add":
            return all(self._collect(item, h, columns, into) for item in node.inputs if item is not None)
        if node.op_type in ("Split", "Slice"):
            inner = self._columns(node, value)
            source = node.inputs[0]
            if inner is None or source is None:
                return False
            if source.producer() is not None and source.producer().op_type in ACTIVATIONS:  # type: ignore[union-attr]
                source = source.producer().inputs[0]  # type: ignore[union-attr]
            first = columns or (0, inner[1] - inner[0])
            return source is not None and self._collect(source, h, (inner[0] + first[0], inner[0] + first[1]), into)
        return node.op_type == "MatMul" and self._product(node, h, columns, into)

    def _vector(self, value: Value, columns: Columns) -> Load:
        def load() -> Array:
            array = self.g.const(value)
            assert array is not None
            flat = array.reshape(-1)
            return flat if columns is None or flat.size == 1 else flat[columns[0] : columns[1]]

        return load

    def _columns(self, node: ir.Node, value: Value) -> tuple[int, int] | None:
        """Which columns (the last axis) of its input a Split or Slice hands on."""
        source = node.inputs[0]
        shape = shape_of(source) if source is not None else None
        if shape is None:
            return None
        if node.op_type == "Split":
            axis = node.attributes["axis"].as_int()
            sizes = self.g.numbers(node.inputs[1]) if len(node.inputs) > 1 else None
            if axis not in (-1, len(shape) - 1) or sizes is None:
                return None
            place = next(index for index, output in enumerate(node.outputs) if output is value)
            return sum(sizes[:place]), sum(sizes[: place + 1])
        parts = [self.g.numbers(item) for item in node.inputs[1:4]]
        if len(parts) != 3 or any(part is None or len(part) != 1 for part in parts) or len(node.inputs) > 4:
            return None
        (start,), (stop,), (axis,) = (part or (0,) for part in parts)
        width = shape[-1]
        if axis not in (-1, len(shape) - 1) or not isinstance(width, int):
            return None
        chosen = range(width)[start:stop]
        return (chosen.start, chosen.stop) if len(chosen) else None

    def _product(self, node: ir.Node, h: Value, columns: Columns, into: Affine) -> bool:
        left, right = node.inputs[0], node.inputs[1]
        if left is None or right is None or not self.g.is_const(right):
            return False
        rows = shape_of(right)
        if rows is None or len(rows) != 2 or not isinstance(rows[0], int):
            return False
        left = unwrapped(left)
        if left is h:
            into.h_parts.append(self._matrix(right, (0, rows[0]), columns))
            return True
        if self.is_x(left):
            into.x_size = rows[0]
            into.x_parts.append(self._matrix(right, (0, rows[0]), columns))
            return True
        return self._side_by_side(left, right, h, columns, into)

    def _side_by_side(self, left: Value, right: Value, h: Value, columns: Columns, into: Affine) -> bool:
        """[x, h] @ W of TF1's cells: the upper rows belong to x."""
        node = left.producer()
        if node is None or node.op_type != "Concat" or len(node.inputs) != 2:
            return False
        x, state = node.inputs[0], node.inputs[1]
        rows, shape = shape_of(right), shape_of(x) if x is not None else None
        if x is None or state is None or unwrapped(state) is not h or rows is None or shape is None:
            return False
        split, total = shape[-1], rows[0]
        if not self.is_x(x) or not isinstance(split, int) or not isinstance(total, int):
            return False
        into.x_size = split
        into.x_parts.append(self._matrix(right, (0, split), columns))
        into.h_parts.append(self._matrix(right, (split, total), columns))
        return True

    def _matrix(self, value: Value, rows: tuple[int, int], columns: Columns) -> Load:
        def load() -> Array:
            array = self.g.const(value)
            assert array is not None
            part = array[rows[0] : rows[1]]
            return part if columns is None else part[:, columns[0] : columns[1]]

        return load

    # --- a GRU's candidate --------------------------------------------------------------------------------------------

    def candidate(self, value: Value, h: Value) -> Candidate | None:
        """x @ W + b + (r * h) @ U, or x @ W + b + r * (h @ U + b')."""
        found = self._reset_after(value, h)
        return found if found is not None else self._reset_before(value, h)

    def _terms(self, value: Value) -> list[Value]:
        node = unwrapped(value).producer()
        if node is None or node.op_type != "Add":
            return [unwrapped(value)]
        return [term for item in node.inputs if item is not None for term in self._terms(item)]

    def _reset_after(self, value: Value, h: Value) -> Candidate | None:
        terms = self._terms(value)
        for place, term in enumerate(terms):
            for reset, product in self.pairs(term, "Mul"):
                inner, outer = self.affine(product, h), Affine()
                rest = terms[:place] + terms[place + 1 :]
                if inner is None or len(inner.h_parts) != 1 or inner.x_parts:
                    continue
                if all(self._collect(item, h, None, outer) for item in rest) and len(outer.x_parts) == 1:
                    whole = Affine(outer.x_size, outer.x_parts, inner.h_parts, outer.biases)
                    return Candidate(whole, reset, True, Affine(biases=inner.biases))
        return None

    def _reset_before(self, value: Value, h: Value) -> Candidate | None:
        for product in self._products(value):
            left = product.inputs[0]
            node = unwrapped(left).producer() if left is not None else None
            held = node.inputs[1] if node is not None and node.op_type == "Concat" and len(node.inputs) == 2 else left
            if held is None:
                continue
            for reset, state in self.pairs(held, "Mul"):
                inside = self.affine(value, unwrapped(held)) if unwrapped(state) is h else None
                if inside is not None:
                    return Candidate(inside, reset, False, None)
        return None

    def _products(self, value: Value) -> Iterator[ir.Node]:
        """The matrix products under sums and columns."""
        node = unwrapped(value).producer()
        if node is None:
            return
        if node.op_type == "MatMul":
            yield node
        elif node.op_type in ("Add", "Split", "Slice"):
            for item in node.inputs if node.op_type == "Add" else node.inputs[:1]:
                if item is not None:
                    yield from self._products(item)
