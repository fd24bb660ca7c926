"""Sizes that are not numbers: free axes and what shape arithmetic makes of them, as text such as ``12*batch``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.hub.node import Dim


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of the elements of a small integer tensor: a number, the name of a free axis, or None."""

    items: tuple[Dim, ...]
    scalar: bool = False

    @property
    def numbers(self) -> tuple[int, ...] | None:
        """All elements, when all of them are numbers."""
        found = tuple(item for item in self.items if isinstance(item, int))
        return found if len(found) == len(self.items) else None


def _parts(dim: Dim) -> tuple[int, list[str]] | None:
    """A size as a number times names."""
    if dim is None:
        return None
    if isinstance(dim, int):
        return dim, []
    first, *rest = dim.split("*")
    if first.isdecimal():
        return int(first), rest
    return 1, [first, *rest]


def _joined(number: int, names: Sequence[str]) -> Dim:
    if not names or number == 0:
        return number
    return "*".join([*([str(number)] if number != 1 else []), *sorted(names)])


def times(a: Dim, b: Dim) -> Dim:
    """The product of two sizes; None when one is unknown or negative beside a name."""
    one, two = _parts(a), _parts(b)
    if one is None or two is None:
        return 0 if a == 0 or b == 0 else None
    number = one[0] * two[0]
    if number < 0 and (one[1] or two[1]):
        return None
    return _joined(number, one[1] + two[1])


def over(a: Dim, b: Dim) -> Dim:
    """The quotient of two sizes where it comes out even or both are numbers, else None."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b > 0 and a >= 0 else None
    one, two = _parts(a), _parts(b)
    if one is None or two is None or two[0] <= 0 or one[0] % two[0]:
        return None
    names = list(one[1])
    for name in two[1]:
        if name not in names:
            return None
        names.remove(name)
    return _joined(one[0] // two[0], names)


def plus(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if a == 0 else a if b == 0 else None


def minus(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return a if b == 0 else 0 if a is not None and a == b else None


def product(dims: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for dim in dims:
        total = times(total, dim)
    return total
