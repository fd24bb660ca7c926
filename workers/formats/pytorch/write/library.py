"""The helper functions that a written module may need, kept as text: nothing here runs or imports torch.

``helpers/<family>.txt`` holds plain Python functions. A written file gets those that it calls, and what these call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Helper:
    name: str
    text: str
    names: frozenset[str]


@cache
def helpers() -> dict[str, Helper]:
    """Every helper by name, in the order of the families and of the functions in them."""
    found: dict[str, Helper] = {}
    folder = files("workers.formats.pytorch.write") / "helpers"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".txt"):
            continue
        text = entry.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                used = frozenset(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                body = "\n".join(lines[first - 1 : node.end_lineno])
                found[node.name] = Helper(node.name, body, used)
    return found


def closure(names: Iterable[str]) -> list[Helper]:
    """The helpers called ``names`` and all that they need, in the library's order."""
    library = helpers()
    wanted: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += [other for other in library[name].names if other in library]
    return [helper for name, helper in library.items() if name in wanted]
