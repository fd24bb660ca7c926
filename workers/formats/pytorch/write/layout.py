"""Lines of at most 120 characters, laid out as the usual formatters would."""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTH = 120
CLOSING = ")]}"
OPENING = "([{"
# Binary operators, the loosest binding first.
OPERATORS = (
    (" if ", " else "), (" or ",), (" and ",), (" == ", " != ", " < ", " <= ", " > ", " >= ", " is not ", " in "),
    (" | ",), (" ^ ",), (" & ",), (" << ", " >> "), (" + ", " - "), (" * ", " / ", " // ", " % ", " @ "),
)  # fmt: skip


def wrap(statement: str, indent: int = 0) -> list[str]:
    """One statement as lines: unbroken if it fits, else split in its last brackets or put into parentheses."""
    line = " " * indent + statement
    if len(line) <= WIDTH:
        return [line]
    if statement.startswith("def "):
        return _bracketed("", statement, "", indent, first=True) or [line]
    if statement.startswith("return ") and len(split(statement[7:])) > 1:
        return _exploded("return (", statement[7:], ")", indent)
    if statement.startswith("if "):
        return _expression("if ", statement[3:-1], ":", indent)
    if statement.startswith("for "):
        target, _, value = statement[4:-1].partition(" in ")
        lines = _exploded("for (", target, "", indent) if len(split(target)) > 1 else []
        return [*lines[:-1], *_expression(") in " if lines else f"for {target} in ", value, ":", indent)]
    target, equals, value = _assignment(statement)
    if not equals:
        keyword = "return " if statement.startswith("return ") else ""
        return _expression(keyword, statement.removeprefix(keyword), "", indent)
    targets = split(target)
    if len(targets) > 1 and (len(line) - len(value) > WIDTH or not _fits_to_bracket(line)):
        lines = _exploded("(", target, f") = {value}", indent)
        return [*lines[:-1], *_expression(") = ", value, "", indent)]
    return _expression(f"{target} = ", value, "", indent)


def _assignment(statement: str) -> tuple[str, str, str]:
    """Target, ``=`` and value; no target when the statement is not an assignment."""
    for place, char in _outside(statement):
        if char == "=" and statement[place - 1 : place + 2] == " = ":
            return statement[: place - 1], "=", statement[place + 2 :]
    return "", "", statement


def _fits_to_bracket(line: str) -> bool:
    return any(opening < WIDTH and closing > opening + 1 for opening, closing in _pairs(line))


def _expression(prefix: str, value: str, suffix: str, indent: int) -> list[str]:
    line = f"{' ' * indent}{prefix}{value}{suffix}"
    if len(line) <= WIDTH:
        return [line]
    operators, pad = _operators(value), " " * indent
    chained = len(re.findall(r"\)\.", value)) > 1 and indent + 4 + len(value) <= WIDTH
    if prefix and chained:
        return [f"{pad}{prefix}(", f"{pad}    {value}", f"{pad}){suffix}"]
    if len(operators) <= 1 and value.endswith((")", "]", "}")):
        split_up = _bracketed(prefix, value, suffix, indent)
        if split_up is not None:
            return split_up
    if not prefix:
        return _bracketed(prefix, value, suffix, indent) or [line]
    return [f"{pad}{prefix}(", *_broken(value, indent + 4), f"{pad}){suffix}"]


def _broken(value: str, indent: int) -> list[str]:
    """An expression in brackets of its own: on one line, or one line an operand of the loosest operator."""
    if indent + len(value) <= WIDTH:
        return [" " * indent + value]
    operators = _operators(value)
    if not operators:
        return _bracketed("", value, "", indent) or [" " * indent + value]
    places = [place + 1 for place, _ in operators]
    parts = [value[start:end].strip() for start, end in zip([0, *places], [*places, None], strict=True)]
    lines = []
    for part in parts:
        lines += [" " * indent + part] if indent + len(part) <= WIDTH else _bracketed("", part, "", indent) or [part]
    return lines


def _bracketed(prefix: str, value: str, suffix: str, indent: int, *, first: bool = False) -> list[str] | None:
    """Split inside the last brackets that begin early enough (the first ones, of a definition); None without such."""
    pad = " " * indent
    pairs = [pair for pair in _pairs(value) if first or pair[1] > pair[0] + 1]
    for opening, closing in pairs[:1] if first else reversed(pairs):
        head, body = f"{pad}{prefix}{value[: opening + 1]}", value[opening + 1 : closing]
        tail = f"{value[closing:]}{suffix}"
        if len(head) <= WIDTH and indent + len(tail) <= WIDTH:
            if indent + 4 + len(body) <= WIDTH and not _is_display(value, opening):
                return [head, f"{pad}    {body}", pad + tail]
            return _exploded(head[len(pad) :], body, tail, indent)
    return None


def _is_display(value: str, opening: int) -> bool:
    """Whether the bracket begins a list or a dict, whose items go on lines of their own, and not a call or an index."""
    return value[opening] != "(" and not re.match(r"[\w)\]\"]", value[opening - 1 : opening])


def _exploded(head: str, body: str, tail: str, indent: int) -> list[str]:
    """One item a line, each with a comma."""
    pad = " " * indent
    items = split(body)
    if len(items) == 1:
        return [pad + head, *_broken(items[0], indent + 4), pad + tail]
    lines = [pad + head]
    for item in items:
        keyword = re.match(r"\*{0,2}[A-Za-z_]\w*=(?!=)", item)
        name = keyword.group(0) if keyword else ""
        *inner, last = _expression(name, item[len(name) :], ",", indent + 4) if name else _item(item, indent + 4)
        lines += [*inner, last if last.endswith(",") else f"{last},"]
    return [*lines, pad + tail]


def _item(item: str, indent: int) -> list[str]:
    if indent + len(item) < WIDTH:
        return [" " * indent + item]
    operators = _operators(item)
    if len(operators) > 1 or (operators and not item.endswith((")", "]", "}"))):
        return _broken(item, indent)
    return _bracketed("", item, "", indent) or _broken(item, indent)


def _operators(value: str) -> list[tuple[int, str]]:
    """The loosest operators outside of all brackets, with their places."""
    top = {place for place, _ in _outside(value)}
    for group in OPERATORS:
        found = []
        for operator in group:
            found += [(m.start(), operator) for m in re.finditer(re.escape(operator), value) if m.start() in top]
        if found:
            return sorted(found)
    return []


def _pairs(text: str) -> list[tuple[int, int]]:
    pairs, start = [], -1
    for place, char in _outside(text):
        if char in OPENING:
            start = place
        elif char in CLOSING:
            pairs.append((start, place))
    return pairs


def split(body: str) -> list[str]:
    """The items between the commas outside of all brackets."""
    places = [place for place, char in _outside(body) if char == ","]
    parts = [body[start:end].strip() for start, end in zip([0, *(p + 1 for p in places)], [*places, None], strict=True)]
    return [part for part in parts if part]


def _outside(text: str) -> Iterator[tuple[int, str]]:
    """The characters outside of strings and of brackets, and the outermost brackets themselves."""
    quoted = escaped = False
    depth = 0
    for place, char in enumerate(text):
        if quoted:
            quoted, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in OPENING:
            depth += 1
            if depth == 1:
                yield place, char
        elif char in CLOSING:
            depth -= 1
            if depth == 0:
                yield place, char
        elif depth == 0:
            yield place, char
