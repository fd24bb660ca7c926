"""Literals and operators of TorchScript's source: the expressions that need nothing but their parts."""

from __future__ import annotations

import ast
from typing import Any, Protocol

from workers.formats.pytorch.read.branching import choose
from workers.formats.pytorch.read.dispatch import State, number_of
from workers.formats.pytorch.read.frames import OPERATORS, Frame
from workers.formats.pytorch.read.layer import Layer
from workers.formats.pytorch.read.scalars import ScanList


class Evaluator(Protocol):
    """What expressions ask of the interpreter."""

    state: State

    def value(self, frame: Frame, node: ast.expr) -> Any: ...

    def truth(self, value: Any) -> Any: ...

    def operator(self, frame: Frame, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    def layer(self, frame: Frame, type: str) -> Layer: ...

    def strange(self, node: ast.AST) -> Exception: ...


def constant(it: Evaluator, frame: Frame, node: ast.Constant) -> Any:
    return node.value


def tuple_(it: Evaluator, frame: Frame, node: ast.Tuple) -> Any:
    return tuple(it.value(frame, item) for item in node.elts)


def list_(it: Evaluator, frame: Frame, node: ast.List) -> Any:
    made = ScanList(it.value(frame, item) for item in node.elts)
    made.loop = len(it.state.appended)
    return made


def dict_(it: Evaluator, frame: Frame, node: ast.Dict) -> Any:
    pairs = zip(node.keys, node.values, strict=True)
    return {it.value(frame, key): it.value(frame, value) for key, value in pairs if key is not None}


def unary(it: Evaluator, frame: Frame, node: ast.UnaryOp) -> Any:
    name = {ast.USub: "aten::neg", ast.Not: "aten::__not__", ast.Invert: "aten::bitwise_not"}.get(type(node.op))
    value = it.value(frame, node.operand)
    return value if name is None else it.operator(frame, name, [value], {})


def binary(it: Evaluator, frame: Frame, node: ast.BinOp) -> Any:
    name = OPERATORS.get(type(node.op))
    if name is None:
        raise it.strange(node)
    return it.operator(frame, name, [it.value(frame, node.left), it.value(frame, node.right)], {})


def compare(it: Evaluator, frame: Frame, node: ast.Compare) -> Any:
    name = OPERATORS.get(type(node.ops[0]))
    if name is None or len(node.ops) != 1:
        raise it.strange(node)
    args = [it.value(frame, node.left), it.value(frame, node.comparators[0])]
    return it.operator(frame, name, args, {})


def ternary(it: Evaluator, frame: Frame, node: ast.IfExp) -> Any:
    condition = it.truth(it.value(frame, node.test))
    if isinstance(condition, bool):
        return it.value(frame, node.body if condition else node.orelse)
    layer = it.layer(frame, "prim::If")
    sides = [lambda: [it.value(frame, node.body)], lambda: [it.value(frame, node.orelse)]]
    return choose(it.state, layer, condition.scalar(it.state.g), *sides)[0]


def bool_op(it: Evaluator, frame: Frame, node: ast.BoolOp) -> Any:
    name = "aten::__and__" if isinstance(node.op, ast.And) else "aten::__or__"
    found = it.value(frame, node.values[0])
    for item in node.values[1:]:
        if isinstance(found, bool) and found is isinstance(node.op, ast.Or):
            return found
        found = it.operator(frame, name, [found, it.value(frame, item)], {})
    return found


def annotation(it: Evaluator, frame: Frame, args: list[ast.expr]) -> Any:
    """``annotate(int, x)`` takes the number out of a tensor; other types only help the compiler."""
    kind = args[0].id if isinstance(args[0], ast.Name) else ""
    value = it.value(frame, args[1])
    return number_of(it.state, value, kind) if kind in ("int", "float", "bool") else value
