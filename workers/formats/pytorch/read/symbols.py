"""Sizes that are known only when the model runs: polynomials of the free axes, and the scalars computed from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value


@dataclass(frozen=True, slots=True)
class Expr:
    """A polynomial with integer coefficients over the names of free axes, each of which is at least 1."""

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @staticmethod
    def of(value: int | str) -> Expr:
        if isinstance(value, int):
            return Expr(((((), value),)) if value else ())
        return Expr((((value,), 1),))

    @staticmethod
    def _from(terms: Mapping[tuple[str, ...], int]) -> Expr:
        return Expr(tuple(sorted((names, factor) for names, factor in terms.items() if factor)))

    def __add__(self, other: Expr) -> Expr:
        terms = dict(self.terms)
        for names, factor in other.terms:
            terms[names] = terms.get(names, 0) + factor
        return Expr._from(terms)

    def __mul__(self, other: Expr) -> Expr:
        terms: dict[tuple[str, ...], int] = {}
        for a, x in self.terms:
            for b, y in other.terms:
                names = tuple(sorted((*a, *b)))
                terms[names] = terms.get(names, 0) + x * y
        return Expr._from(terms)

    def __neg__(self) -> Expr:
        return Expr(tuple((names, -factor) for names, factor in self.terms))

    def __sub__(self, other: Expr) -> Expr:
        return self + -other

    def over(self, other: Expr) -> Expr | None:
        """The quotient when ``other`` is one term that divides every term, else None."""
        if len(other.terms) != 1:
            return Expr.of(1) if self == other and self.terms else None
        names, factor = other.terms[0]
        found: dict[tuple[str, ...], int] = {}
        for own, amount in self.terms:
            rest = list(own)
            for name in names:
                if name not in rest:
                    return None
                rest.remove(name)
            if amount % factor:
                return None
            found[tuple(rest)] = amount // factor
        return Expr._from(found)

    @property
    def constant(self) -> int | None:
        """The number, if no free axis is in it."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    def sign(self) -> int | None:
        """-1, 0 or 1 when it is that whatever sizes the axes have, else None."""
        if not self.terms:
            return 0
        free = [factor for names, factor in self.terms if names]
        at_one = sum(factor for _, factor in self.terms)
        if all(factor > 0 for factor in free) and at_one > 0:
            return 1
        if all(factor < 0 for factor in free) and at_one < 0:
            return -1
        return None

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts: list[tuple[str, str]] = []
        for names, factor in sorted(self.terms, key=lambda term: (-len(term[0]), term[0])):
            text = "*".join(names)
            text = str(abs(factor)) if not text else text if abs(factor) == 1 else f"{abs(factor)}*{text}"
            parts.append(("-" if factor < 0 else "+" if parts else "", text))
        return " ".join(f"{sign} {text}" if sign and index else f"{sign}{text}" for index, (sign, text) in
                        enumerate(parts))  # fmt: skip


Make = Callable[[GraphBuilder], Value]


@dataclass(eq=False, slots=True)
class Sym:
    """A scalar of ``kind`` int, float or bool that only running tells. Its nodes are made when somebody asks.

    ``make`` gives it as a tensor without axes; ``vector`` (optional) as one of a single element.
    """

    kind: str
    make: Make
    expr: Expr | None = None
    as_vector: Make | None = None
    _made: dict[tuple[int, bool], Value] = field(default_factory=dict)

    def scalar(self, g: GraphBuilder) -> Value:
        """The scalar in ``g``'s graph, shape []."""
        key = (id(g.graph), False)
        if key not in self._made:
            self._made[key] = self.make(g)
        return self._made[key]

    def vector(self, g: GraphBuilder) -> Value:
        """The scalar with shape [1], int64."""
        key = (id(g.graph), True)
        if key not in self._made:
            made = self.as_vector(g) if self.as_vector else g.Reshape(self.scalar(g), [1])
            self._made[key] = made
        return self._made[key]


TYPES = {"int": ir.DataType.INT64, "float": ir.DataType.FLOAT, "bool": ir.DataType.BOOL}


def of_value(value: Value, kind: str) -> Sym:
    """A tensor without axes as a scalar."""
    return Sym(kind, lambda g: value)


def axis_size(value: Value, axis: int, expr: Expr | None) -> Sym:
    """The size of one axis, asked of the tensor itself."""

    def vector(g: GraphBuilder) -> Value:
        return g.Shape(value, start=axis, end=axis + 1)

    return Sym("int", lambda g: g.Squeeze(vector(g), [0]), expr, vector)


def expr_of(number: Any) -> Expr | None:
    """The polynomial behind an integer, if it has one."""
    if isinstance(number, Sym):
        return number.expr
    return Expr.of(int(number)) if isinstance(number, int) else None


def kind_of(number: Any) -> str:
    if isinstance(number, Sym):
        return number.kind
    return "bool" if isinstance(number, bool) else "int" if isinstance(number, int) else "float"


def emit(g: GraphBuilder, number: Any, dtype: ir.DataType | None = None) -> Value:
    """A number as a tensor without axes, of its own kind's type or ``dtype``."""
    if isinstance(number, Sym):
        value = number.scalar(g)
        return value if dtype is None or value.dtype == dtype else g.Cast(value, to=dtype)
    dtype = dtype or TYPES[kind_of(number)]
    return g.constant(_array(number, dtype))


def _array(number: Any, dtype: ir.DataType) -> Any:
    return np.asarray(number).astype(dtype.numpy())
