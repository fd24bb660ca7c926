"""Shape arithmetic as plain Python integers: ``x.reshape(x.shape[0], -1)`` instead of tensors of sizes.

ONNX computes shapes with tensor operators (Shape, Gather, Concat, Mul, ...). Where such a chain starts at a shape, it
is carried here as Python integers, which readers can follow and torch.export keeps symbolic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from workers.hub.node import Array, Node


@dataclass(frozen=True, slots=True)
class Int:
    """A Python integer in the text. ``natural``: known not to be negative. ``atom``: needs no brackets."""

    text: str
    natural: bool = False
    atom: bool = True

    def __str__(self) -> str:
        return self.text if self.atom else f"({self.text})"

    @property
    def value(self) -> int | None:
        """The number itself when it is a literal."""
        return int(self.text) if self.text.lstrip("-").isdecimal() else None


def literal(value: int) -> Int:
    return Int(str(value), value >= 0)


@dataclass(frozen=True, slots=True)
class Ints:
    """A tensor of int64 or int32 of rank 0 or 1 whose elements are Python integers."""

    items: tuple[Int, ...]
    scalar: bool
    dtype: ir.DataType = ir.DataType.INT64

    @property
    def text(self) -> str:
        if self.scalar:
            return self.items[0].text
        return f"[{', '.join(item.text for item in self.items)}]"


def from_constant(array: Array, dtype: ir.DataType) -> Ints | None:
    """A small constant of integers as Ints."""
    if array.dtype.kind != "i" or array.ndim > 1 or array.size > 64:
        return None
    return Ints(tuple(literal(int(value)) for value in np.atleast_1d(array)), array.ndim == 0, dtype)


Rule = Callable[[Node, Sequence[Ints]], Ints | None]
RULES: dict[str, Rule] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """Register how Ints go through an operator; the rule returns None where they cannot."""

    def add(function: Rule) -> Rule:
        for op in ops:
            RULES[op] = function
        return function

    return add


@rule("Identity")
def identity(node: Node, given: Sequence[Ints]) -> Ints:
    return given[0]


@rule("Cast")
def cast(node: Node, given: Sequence[Ints]) -> Ints | None:
    """Between int64 and int32 nothing changes: sizes fit."""
    to = ir.DataType(node.i("to"))
    if to not in (ir.DataType.INT64, ir.DataType.INT32) or any(not item.natural for item in given[0].items):
        return None
    return Ints(given[0].items, given[0].scalar, to)


@rule("Gather")
def gather(node: Node, given: Sequence[Ints]) -> Ints | None:
    data, indices = given
    places = [item.value for item in indices.items]
    if data.scalar or any(place is None or not -len(data.items) <= place < len(data.items) for place in places):
        return None
    return Ints(tuple(data.items[place] for place in places if place is not None), indices.scalar, data.dtype)


@rule("Slice")
def slice_(node: Node, given: Sequence[Ints]) -> Ints | None:
    data, starts, ends, *rest = given
    step = rest[1].items[0].value if len(rest) == 2 else 1
    start, end = starts.items[0].value, ends.items[0].value
    if data.scalar or start is None or end is None or not step:
        return None
    stop = None if step < 0 and end < -len(data.items) else end
    return Ints(data.items[start:stop:step], False, data.dtype)


@rule("Concat")
def concat(node: Node, given: Sequence[Ints]) -> Ints:
    return Ints(tuple(item for part in given for item in part.items), False, given[0].dtype)


@rule("Squeeze")
def squeeze(node: Node, given: Sequence[Ints]) -> Ints | None:
    return Ints(given[0].items, True, given[0].dtype) if len(given[0].items) == 1 else None


@rule("Unsqueeze")
def unsqueeze(node: Node, given: Sequence[Ints]) -> Ints | None:
    return Ints(given[0].items, False, given[0].dtype) if given[0].scalar and len(given[1].items) == 1 else None


@rule("Reshape")
def reshape(node: Node, given: Sequence[Ints]) -> Ints | None:
    data, shape = given
    if len(shape.items) == 1:
        return Ints(data.items, False, data.dtype)
    return Ints(data.items, True, data.dtype) if not shape.items and len(data.items) == 1 else None


@rule("Size")
def size(node: Node, given: Sequence[Ints]) -> Ints:
    return Ints((literal(len(given[0].items)),), True)


@rule("Shape")
def shape(node: Node, given: Sequence[Ints]) -> Ints | None:
    if node.i("start") or node.has("end"):
        return None
    return Ints(() if given[0].scalar else (literal(len(given[0].items)),), False)


@rule("ConstantOfShape")
def constant_of_shape(node: Node, given: Sequence[Ints]) -> Ints | None:
    """As many equal integers as the input says, when that is a literal."""
    attribute = node.raw.attributes.get("value")
    value = None if attribute is None else attribute.as_tensor().numpy()
    count = given[0].items[0].value if len(given[0].items) == 1 and not given[0].scalar else None
    if value is None or value.dtype.name not in ("int64", "int32") or count is None or count > 64:
        return None
    return Ints((literal(int(value.reshape(-1)[0])),) * count, False, ir.DataType.from_numpy(value.dtype))


@rule("ReduceProd")
def reduce_prod(node: Node, given: Sequence[Ints]) -> Ints | None:
    items = given[0].items
    if given[0].scalar or not items or not all(item.natural for item in items):
        return None
    product = Int(" * ".join(str(item) for item in items), True, len(items) == 1)
    return Ints((product,), not node.i("keepdims", 1), given[0].dtype)


SYMBOLS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "//", "Mod": "%"}


@rule(*SYMBOLS)
def arithmetic(node: Node, given: Sequence[Ints]) -> Ints | None:
    """Python's // and % round down, ONNX's towards zero: the same only where nothing is negative."""
    a, b = given
    if len(a.items) != len(b.items) and 1 not in (len(a.items), len(b.items)):
        return None
    size = max(len(a.items), len(b.items)) if a.items and b.items else 0
    items = []
    for x, y in zip(_spread(a.items, size), _spread(b.items, size), strict=True):
        if node.op in ("Div", "Mod") and not (x.natural and y.natural and y.value != 0):
            return None
        items.append(_operate(node.op, x, y))
    return Ints(tuple(items), a.scalar and b.scalar, a.dtype)


def _spread(items: tuple[Int, ...], size: int) -> tuple[Int, ...]:
    return items * size if len(items) == 1 and size != 1 else items


def _operate(op: str, x: Int, y: Int) -> Int:
    if x.value is not None and y.value is not None:
        a, b = x.value, y.value
        return literal({"Add": a + b, "Sub": a - b, "Mul": a * b}.get(op, 0) if op in ("Add", "Sub", "Mul")
                       else a // b if op == "Div" else a % b)  # fmt: skip
    if op in ("Mul", "Div") and y.value == 1:
        return x
    if op == "Mul" and x.value == 1:
        return y
    if op in ("Add", "Sub") and y.value == 0:
        return x
    return Int(f"{x} {SYMBOLS[op]} {y}", op != "Sub" and x.natural and y.natural, False)
