"""Python text: literals and calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def number(value: Any) -> str:
    """A literal that gives exactly ``value`` (a numpy scalar or a Python number) back in its own type."""
    scalar = np.asarray(value)[()]
    if scalar.dtype.kind == "b":
        return str(bool(scalar))
    if scalar.dtype.kind in "iu":
        return str(int(scalar))
    if scalar.dtype.kind == "c":
        return repr(complex(scalar))
    if not np.isfinite(scalar):
        return f'float("{float(scalar)}")'
    # The shortest text of a float32; half floats are computed with in float32, so that theirs must be exact.
    short = str(scalar) if scalar.dtype in (np.float32, np.float64) else repr(float(scalar))
    # The shortest text of the largest float32 is, as a double, a little larger than that: torch would refuse it.
    same = (
        np.float64(short) == scalar if abs(float(scalar)) > 3.4e38 else np.asarray(float(short), scalar.dtype) == scalar
    )
    return (short if same else repr(float(scalar))).replace("e+", "e")


def floating(value: float) -> str:
    """A float attribute: ONNX keeps them in single precision, the shortest text of which is what was meant."""
    return number(np.float32(value))


def array(values: npt.NDArray[Any]) -> str:
    """Nested lists of literals."""
    if values.ndim == 0:
        return number(values)
    return f"[{', '.join(array(item) for item in values)}]"


def ints(values: Sequence[int]) -> str:
    """One number where all are the same, as people write ``kernel_size=3``; else a tuple."""
    if values and all(value == values[0] for value in values):
        return str(values[0])
    return tuple_of([str(value) for value in values])


def tuple_of(items: Sequence[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def call(function: str, *arguments: Any, **keywords: Any) -> str:
    """``function(a, b, key=value)``; arguments are expressions or plain values; keywords that are None are left out."""
    given = [_argument(argument) for argument in arguments]
    given += [f"{key}={_argument(value)}" for key, value in keywords.items() if value is not None]
    return f"{function}({', '.join(given)})"


def _argument(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, tuple | list):
        return tuple_of([_argument(item) for item in value])
    return number(value)
