"""What stands for TorchScript's objects, names and functions at work."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workers.errors import Unsupported, UnsupportedOperators


@dataclass(eq=False, slots=True)
class Obj:
    """A module or object: its class, its attributes, and the path to it (``layer1.0.conv1``)."""

    cls: str
    attrs: dict[str, Any]
    path: str = ""


@dataclass(frozen=True, slots=True)
class Dotted:
    """A dotted name: of an operator, a class or a function."""

    name: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an object, not yet called."""

    obj: Any
    name: str


class NamedRow(tuple[Any, ...]):
    """A named tuple."""

    fields: tuple[str, ...] = ()


@dataclass(slots=True)
class Frame:
    """A function at work: its variables, and the module whose layer it is part of."""

    names: dict[str, Any]
    module: str = ""


class Returned(Exception):
    """A function has come to its end with this value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def unsaid(frame: Frame, reason: str) -> Exception:
    return UnsupportedOperators("pytorch", [Unsupported(frame.module or "forward", "prim::If", reason)])


def assigned(body: Sequence[ast.stmt]) -> list[str]:
    """The variables that statements set, those of nested blocks included, in their order."""
    found: dict[str, None] = {}
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = None
    return list(found)


OPERATORS: dict[type, str] = {
    ast.Add: "aten::add", ast.Sub: "aten::sub", ast.Mult: "aten::mul", ast.Div: "aten::div", ast.Pow: "aten::pow",
    ast.FloorDiv: "aten::floordiv", ast.Mod: "aten::remainder", ast.MatMult: "aten::matmul", ast.Eq: "aten::eq",
    ast.NotEq: "aten::ne", ast.Lt: "aten::lt", ast.LtE: "aten::le", ast.Gt: "aten::gt", ast.GtE: "aten::ge",
    ast.Is: "aten::__is__", ast.IsNot: "aten::__isnot__", ast.In: "aten::__in__", ast.BitAnd: "aten::__and__",
    ast.BitOr: "aten::__or__", ast.BitXor: "aten::__xor__", ast.LShift: "aten::__lshift__",
    ast.RShift: "aten::__rshift__",
}  # fmt: skip
