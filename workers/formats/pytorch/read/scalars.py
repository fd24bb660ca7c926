"""Operators on numbers, texts and lists: done at once where all is known, else on scalars of the graph."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from workers.formats.layer import cast
from workers.formats.pytorch.read.layer import BOOL, F32, I64
from workers.formats.pytorch.read.symbols import Expr, Sym, emit, expr_of, kind_of
from workers.hub.graph import GraphBuilder, Value

NOT_HERE = object()


class ScanList(list[Any]):
    """A list; ``scan`` is set when it has one item for each step of a loop: they are its rows.

    ``loop``: how many loops were being read when it was made.
    """

    scan: Value | None = None
    loop: int = 0


def number(value: Any) -> bool:
    return isinstance(value, bool | int | float | Sym)


# --- arithmetic ------------------------------------------------------------------------------------------------------


def _floordiv(a: Any, b: Any) -> Any:
    return a // b


def _true_div(a: Any, b: Any) -> float:
    return float(a) / float(b)


_PLAIN: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": _true_div, "truediv": _true_div,
    "floordiv": _floordiv, "floor_divide": _floordiv, "remainder": operator.mod, "mod": operator.mod,
    "neg": operator.neg, "pow": operator.pow, "abs": abs, "__lshift__": operator.lshift, "__rshift__": operator.rshift,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "__not__": operator.not_, "__and__": operator.and_, "__or__": operator.or_, "__xor__": operator.xor,
    "floor": math.floor, "ceil": math.ceil, "sqrt": math.sqrt, "log": math.log, "exp": math.exp, "sin": math.sin,
    "cos": math.cos, "tan": math.tan, "tanh": math.tanh, "log2": math.log2, "log10": math.log10, "trunc": math.trunc,
    "round": round, "min": min, "max": max, "fmod": math.fmod, "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Int": int, "Float": float, "Bool": bool, "ScalarImplicit": lambda x: x, "sym_int": int, "sym_float": float,
    "sym_not": operator.not_, "sym_min": min, "sym_max": max, "not_": operator.not_, "isnan": math.isnan,
    "isinf": math.isinf, "isfinite": math.isfinite, "gcd": math.gcd, "copysign": math.copysign, "atan": math.atan,
    "atan2": math.atan2, "asin": math.asin, "acos": math.acos, "sinh": math.sinh, "cosh": math.cosh, "erf": math.erf,
    "log1p": math.log1p, "expm1": math.expm1, "degrees": math.degrees, "radians": math.radians,
    "divmod": divmod, "int_": int, "sum": sum,
}  # fmt: skip
# Comparisons: which signs of a - b make them true, which make them false.
_SIGNS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "eq": ((0,), (1, -1)), "ne": ((1, -1), (0,)), "lt": ((-1,), (0, 1)), "le": ((-1, 0), (1,)),
    "gt": ((1,), (-1, 0)), "ge": ((0, 1), (-1,)),
}  # fmt: skip
_ONNX = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater",
    "ge": "GreaterOrEqual", "min": "Min", "max": "Max", "sym_min": "Min", "sym_max": "Max", "pow": "Pow",
}  # fmt: skip
_UNARY = {
    "neg": "Neg", "abs": "Abs", "floor": "Floor", "ceil": "Ceil", "sqrt": "Sqrt", "log": "Log", "exp": "Exp",
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "tanh": "Tanh", "sigmoid": "Sigmoid", "round": "Round", "erf": "Erf",
}  # fmt: skip
_ROUNDING = frozenset({"floor", "ceil", "round", "trunc"})
_TO = {"Int": "int", "sym_int": "int", "int_": "int", "Float": "float", "sym_float": "float", "Bool": "bool"}
SCALAR_OPS = frozenset(_PLAIN)


def scalar_op(name: str, args: Sequence[Any]) -> Any:
    """The result of an operator on numbers, NOT_HERE when it is none. Raises ValueError, ArithmeticError, TypeError."""
    if name not in _PLAIN:
        return NOT_HERE
    if name in ("min", "max") and len(args) == 1:
        args = list(args[0])
    if name == "sum":
        return reduce(lambda total, item: scalar_op("add", [total, item]), args[0], 0)
    if name in ("eq", "ne") and all(isinstance(arg, list | tuple) for arg in args):
        return _lists(name, *args)
    if not any(isinstance(arg, Sym) for arg in args):
        return _PLAIN[name](*args)
    if not all(number(arg) for arg in args):
        return NOT_HERE
    known = [_known(arg) for arg in args]
    if all(arg is not None for arg in known):
        return _PLAIN[name](*known)
    if len(args) == 1:
        return _unary(name, args[0])
    return _binary(name, args[0], args[1]) if len(args) == 2 else NOT_HERE


def _lists(name: str, a: Any, b: Any) -> Any:
    """Two lists, of sizes as a rule, compared item by item."""
    found: Any = len(a) == len(b)
    for x, y in zip(a, b, strict=False) if found else ():
        equal = scalar_op("eq", [x, y])
        found = equal if found is True else found if equal is True else scalar_op("__and__", [found, equal])
        if found is False:
            break
    return scalar_op("__not__", [found]) if name == "ne" else found


def _known(arg: Any) -> Any:
    if not isinstance(arg, Sym):
        return arg
    return arg.expr.constant if arg.expr is not None else None


def _binary(name: str, a: Any, b: Any) -> Any:
    x, y = (expr_of(arg) if kind_of(arg) != "float" else None for arg in (a, b))
    if name in _SIGNS:
        return _compare(name, a, b, x, y)
    if name in ("__and__", "__or__") and isinstance(a, bool) != isinstance(b, bool):
        truth, other = (a, b) if isinstance(a, bool) else (b, a)
        return other if truth == (name == "__and__") else truth
    if name in ("__and__", "__or__", "__xor__"):
        op = {"__and__": "And", "__or__": "Or", "__xor__": "Xor"}[name]
        return Sym("bool", lambda g: g.op(op, emit(g, a), emit(g, b)))
    if name in ("div", "truediv"):
        return Sym("float", lambda g: g.Div(emit(g, a, F32), emit(g, b, F32)))
    kind = "float" if "float" in (kind_of(a), kind_of(b)) else "int"
    if name in ("floordiv", "floor_divide"):
        return _floor_division(a, b, x, y, kind)
    if name in ("remainder", "mod", "fmod"):
        return _modulo(a, b, x, y, kind)
    if name in ("min", "max", "sym_min", "sym_max") and x is not None and y is not None:
        sign = (x - y).sign()
        if sign is not None:
            return (a if sign <= 0 else b) if name.endswith("min") else (a if sign >= 0 else b)
    if name not in _ONNX:
        return NOT_HERE
    expr = _polynomial(name, x, y)
    dtype = F32 if kind == "float" else I64
    return Sym(kind, lambda g: g.op(_ONNX[name], emit(g, a, dtype), emit(g, b, dtype)), expr)


def _polynomial(name: str, x: Expr | None, y: Expr | None) -> Expr | None:
    if x is None or y is None:
        return None
    if name == "pow":
        power = y.constant
        if power is None or not 0 <= power <= 8:
            return None
        made = Expr.of(1)
        for _ in range(power):
            made = made * x
        return made
    return {"add": lambda: x + y, "sub": lambda: x - y, "mul": lambda: x * y}.get(name, lambda: None)()


def _compare(name: str, a: Any, b: Any, x: Expr | None, y: Expr | None) -> Any:
    if x is not None and y is not None:
        sign = (x - y).sign()
        if sign is not None:
            return sign in _SIGNS[name][0]
    dtype = F32 if "float" in (kind_of(a), kind_of(b)) else I64
    if name == "ne":
        return Sym("bool", lambda g: g.Not(g.Equal(emit(g, a, dtype), emit(g, b, dtype))))
    return Sym("bool", lambda g: g.op(_ONNX[name], emit(g, a, dtype), emit(g, b, dtype)))


def _floor_division(a: Any, b: Any, x: Expr | None, y: Expr | None, kind: str) -> Any:
    if kind == "float":
        return Sym("float", lambda g: g.Floor(g.Div(emit(g, a, F32), emit(g, b, F32))))
    exact = x.over(y) if x is not None and y is not None else None
    named = exact if exact is not None or x is None or y is None else Expr.of(f"({x})//({y})")
    # ONNX divides integers towards zero; sizes are not negative.
    positive = y is not None and y.sign() == 1 and x is not None and x.sign() in (0, 1)

    def make(g: GraphBuilder) -> Value:
        p, q = emit(g, a, I64), emit(g, b, I64)
        if positive:
            return g.Div(p, q)
        return g.Div(g.Sub(p, g.Mod(p, q)), q)

    return Sym("int", make, named)


def _modulo(a: Any, b: Any, x: Expr | None, y: Expr | None, kind: str) -> Any:
    if kind == "int" and x is not None and y is not None and x.over(y) is not None:
        return 0
    if kind == "int":
        return Sym("int", lambda g: g.Mod(emit(g, a, I64), emit(g, b, I64)))

    def make(g: GraphBuilder) -> Value:
        p, q = emit(g, a, F32), emit(g, b, F32)
        return g.Sub(p, g.Mul(g.Floor(g.Div(p, q)), q))

    return Sym("float", make)


def _unary(name: str, a: Sym) -> Any:
    if name in ("__not__", "sym_not", "not_"):
        return Sym("bool", lambda g: g.Not(emit(g, a, BOOL)))
    if name in _TO:
        return _converted(a, _TO[name])
    if name == "ScalarImplicit":
        return a
    if name in _ROUNDING and a.kind == "int":
        return a
    if name == "trunc":
        return Sym("int", lambda g: g.Cast(emit(g, a, F32), to=I64))
    if name not in _UNARY:
        return NOT_HERE
    if name in ("neg", "abs"):
        expr = -a.expr if name == "neg" and a.expr is not None else None
        if name == "abs" and a.expr is not None and a.expr.sign() in (0, 1):
            return a
        return Sym(a.kind, lambda g: g.op(_UNARY[name], emit(g, a)), expr)
    kind = "int" if name in _ROUNDING else "float"
    return Sym(kind, lambda g: cast(g, g.op(_UNARY[name], emit(g, a, F32)), I64 if kind == "int" else F32))


def _converted(a: Sym, kind: str) -> Any:
    if a.kind == kind:
        return a
    dtype = {"int": I64, "float": F32, "bool": BOOL}[kind]
    return Sym(kind, lambda g: emit(g, a, dtype), a.expr if kind == "int" else None)
