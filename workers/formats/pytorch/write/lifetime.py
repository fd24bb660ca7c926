"""Where ``forward`` lets go of tensors: a variable keeps its memory until it is assigned again or deleted."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

Statement = tuple[int, str]
NESTED = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def release(statements: Sequence[Statement], kept: set[str]) -> list[Statement]:
    """``statements`` (depth and text) with a ``del`` behind the last use of each variable of the outermost block.

    Left alone are the names in ``kept``, what a branch or a loop assigns, and what nested scopes name: a function may
    be called later, a comprehension has variables of its own. Ahead of the last statement, the return, none is needed.
    """
    groups = list(_groups(statements))
    assigned: set[str] = set()
    held = set(kept)
    last: dict[str, int] = {}
    for place, group in enumerate(groups):
        tree = ast.parse("\n".join(f"{'    ' * depth}{line}" for depth, line in group))
        if isinstance(tree.body[0], ast.Assign):
            assigned.update(*(_names(target, ast.Store) for target in tree.body[0].targets))
        else:
            held |= _names(tree, ast.Store)
        for node in ast.walk(tree):
            if isinstance(node, NESTED):
                held |= _names(node, ast.Load) | _names(node, ast.Store)
        for name in _names(tree, ast.Load) | _names(tree, ast.Store):
            last[name] = place
    ending: dict[int, list[str]] = {}
    for name, place in last.items():
        if name in assigned - held and name != "_" and place < len(groups) - 2:
            ending.setdefault(place, []).append(name)
    released: list[Statement] = []
    for place, group in enumerate(groups):
        released += group
        if place in ending:
            released.append((0, f"del {', '.join(sorted(ending[place]))}"))
    return released


def _groups(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """Statements of the outermost block, each with all that is indented below it, and with its ``else``."""
    group: list[Statement] = []
    for depth, line in statements:
        if group and depth == 0 and not line.startswith(("else", "elif ")):
            yield group
            group = []
        group.append((depth, line))
    if group:
        yield group


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
