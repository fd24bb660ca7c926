"""Python text: literals, and lines of at most 120 characters laid out as formatters do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH = 120
CLOSING = {")": "(", "]": "[", "}": "{"}


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
    return short if np.asarray(float(short), scalar.dtype) == scalar else repr(float(scalar))


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


def wrap(text: str, indent: int = 0) -> list[str]:
    """``text`` as lines: split at its last brackets, the content on one line or one item a line."""
    pad = " " * indent
    if len(pad) + len(text) <= WIDTH:
        return [pad + text]
    opening, closing = _last_brackets(text)
    if opening < 0:
        return [pad + text]
    head, body, tail = text[: opening + 1], text[opening + 1 : closing], text[closing:]
    if " = " in head and _depth_ends(text, head) and tail not in (")", "]", "}"):
        name, expression = text.split(" = ", 1)
        return [f"{pad}{name} = (", *wrap(expression, indent + 4), f"{pad})"]
    if indent + 4 + len(body) <= WIDTH and not tail.startswith((") -> ", "]:")):
        return [pad + head, f"{pad}    {body}", pad + tail]
    lines = [pad + head]
    for item in split(body):
        *inner, last = wrap(item, indent + 4)
        lines += [*inner, f"{last},"]
    return [*lines, pad + tail]


def _depth_ends(text: str, head: str) -> bool:
    return text.index(" = ") < len(head)


def _last_brackets(text: str) -> tuple[int, int]:
    """Positions of the last outermost pair of brackets that has something in it, or (-1, -1)."""
    found, depth, start = (-1, -1), 0, -1
    for place, char in _outside_strings(text):
        if char in "([{":
            if depth == 0:
                start = place
            depth += 1
        elif char in CLOSING:
            depth -= 1
            if depth == 0 and place > start + 1:
                found = (start, place)
    return found


def split(body: str) -> list[str]:
    """The items between the commas at the top level."""
    items, depth, start = [], 0, 0
    for place, char in _outside_strings(body):
        if char in "([{":
            depth += 1
        elif char in CLOSING:
            depth -= 1
        elif char == "," and depth == 0:
            items.append(body[start:place].strip())
            start = place + 1
    rest = body[start:].strip()
    return [*items, rest] if rest else items


def _outside_strings(text: str) -> Iterator[tuple[int, str]]:
    """Every character of ``text`` that is not inside a double-quoted string; backslashes escape."""
    quoted = escaped = False
    for place, char in enumerate(text):
        if quoted:
            quoted, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            quoted = True
        else:
            yield place, char
