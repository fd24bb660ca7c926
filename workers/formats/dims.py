"""Sizes of axes that may be free: an integer, a product such as ``4*batch``, or None where nothing is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from workers.hub.node import Dim


def times(dims: Iterable[Dim]) -> Dim:
    """The product; None if any factor is unknown."""
    number, symbols = 1, list[str]()
    for dim in dims:
        if dim is None:
            return None
        factor, names = parts(dim)
        number *= factor
        symbols += names
    return _joined(number, symbols)


def over(dividend: Dim, divisor: Dim) -> Dim:
    """The quotient where it comes out even and can be said, else None."""
    if dividend is None or divisor is None:
        return None
    number, names = parts(dividend)
    factor, others = parts(divisor)
    left = Counter(names)
    left.subtract(others)
    if factor == 0 or number % factor or any(count < 0 for count in left.values()):
        return None
    return _joined(number // factor, list(left.elements()))


def symbols_of(dim: Dim) -> list[str]:
    return parts(dim)[1] if isinstance(dim, str) else []


def coefficient(dim: Dim) -> int:
    return parts(dim)[0] if dim is not None else 0


def parts(dim: int | str) -> tuple[int, list[str]]:
    """The number and the symbols of a product."""
    if isinstance(dim, int):
        return dim, []
    number, names = 1, []
    for part in dim.split("*"):
        if part.isdecimal():
            number *= int(part)
        else:
            names.append(part)
    return number, names


def _joined(number: int, names: list[str]) -> Dim:
    if not names or number == 0:
        return number
    return "*".join([str(number)] * (number != 1) + sorted(names))


def whole(dims: Sequence[Dim]) -> list[int] | None:
    """All sizes, if all are numbers."""
    found = [dim for dim in dims if isinstance(dim, int)]
    return found if len(found) == len(dims) else None
