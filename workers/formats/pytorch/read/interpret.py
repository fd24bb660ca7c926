"""TorchScript source, followed statement by statement: what is known is computed, what is not becomes nodes.

Nothing of it runs: the syntax tree is walked, names of operators are looked up among the reading functions, numbers
and lists are computed as Python's, branches on the data become If and Loop.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

from workers.errors import LimitExceeded, MalformedModel, Unsupported
from workers.formats.pytorch.read import builtins, literals
from workers.formats.pytorch.read.branching import UNINITIALISED, ModelRaises, Unmerged, choose, loop
from workers.formats.pytorch.read.dispatch import State, call, number_of
from workers.formats.pytorch.read.frames import (
    Dotted,
    Frame,
    Method,
    NamedRow,
    Obj,
    Returned,
    assigned,
    unsaid,
)  # fmt: skip
from workers.formats.pytorch.read.layer import POISON, Layer
from workers.formats.pytorch.read.scalars import NOT_HERE
from workers.formats.pytorch.read.symbols import Sym
from workers.formats.pytorch.read.values import Tensor
from workers.formats.pytorch.script import Sources

STATEMENTS = 5_000_000
ROUNDS = 4096
DEPTH = 200


class Interpreter:
    """Follows the functions of ``sources``; ``constants`` are the tensors called ``CONSTANTS.c0``..."""

    def __init__(self, state: State, sources: Sources, constants: Sequence[Any]) -> None:
        self.state = state
        self.sources = sources
        self.constants = constants
        self.statements = 0
        self.depth = 0
        self.watched: Sequence[ast.stmt] = ()
        self.told = 0
        self.progress: Callable[[int, int, str], None] = lambda *_: None

    def watch(self, body: Sequence[ast.stmt], progress: Callable[[int, int, str], None]) -> None:
        """Tell ``progress`` of every statement of ``body`` when its turn comes."""
        self.watched, self.progress = body, progress

    # --- functions ----------------------------------------------------------------------------------------------------

    def call_method(self, obj: Obj, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        cls = self.sources.classes.get(obj.cls)
        method = cls.methods.get(name) if cls is not None else None
        if method is None:
            raise MalformedModel(f"{obj.cls} has no method {name!r}", file=self.sources.file, layer=obj.path)
        return self.call_function(method, [obj, *args], kwargs, obj.path)

    def call_function(
        self, function: ast.FunctionDef, args: Sequence[Any], kwargs: dict[str, Any], module: str
    ) -> Any:  # fmt: skip
        parameters = function.args.args
        if len(args) > len(parameters) or self.depth > DEPTH:
            raise MalformedModel(f"{function.name!r} is called with too many arguments", file=self.sources.file)
        frame = Frame(dict(zip([p.arg for p in parameters], args, strict=False)), module)
        frame.names.update(kwargs)
        defaults = function.args.defaults
        for parameter, default in zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True):
            if parameter.arg not in frame.names:
                frame.names[parameter.arg] = self.value(frame, default)
        missing = [p.arg for p in parameters if p.arg not in frame.names]
        if missing:
            raise MalformedModel(f"{function.name!r} is called without {missing[0]!r}", file=self.sources.file)
        self.depth += 1
        try:
            self.block(frame, function.body)
        except Returned as ended:
            return ended.value
        finally:
            self.depth -= 1
        return None

    # --- statements ---------------------------------------------------------------------------------------------------

    def block(self, frame: Frame, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self.statements += 1
            if self.statements > STATEMENTS:
                raise LimitExceeded("nodes", "the model's source runs too long", limit=STATEMENTS)
            if body is self.watched and not self.state.journal:
                self.progress(self.told, len(body), ast.unparse(statement).partition("\n")[0][:80])
                self.told += 1
            handler = _STATEMENTS.get(type(statement))
            if handler is None:
                raise self.strange(statement)
            handler(self, frame, statement)

    def strange(self, node: ast.AST) -> MalformedModel:
        where = getattr(node, "lineno", 0)
        return MalformedModel(
            f"{self.sources.file!r}: line {where} of its source holds {type(node).__name__}, which is no TorchScript",
            file=self.sources.file,
        )

    def assign(self, frame: Frame, statement: ast.Assign) -> None:
        value = self.value(frame, statement.value)
        for target in statement.targets:
            self.store(frame, target, value)

    def store(self, frame: Frame, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            frame.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            self.unpack(frame, target.elts, value)
        elif isinstance(target, ast.Attribute):
            obj = self.value(frame, target.value)
            if isinstance(obj, Obj):
                if self.state.journal:
                    raise unsaid(frame, "it sets an attribute in a branch that the data decides")
                obj.attrs[target.attr] = value
        elif isinstance(target, ast.Subscript):
            args = [self.value(frame, target.value), self.value(frame, target.slice), value]
            self.operator(frame, "aten::_set_item", args, {})
        else:
            raise self.strange(target)

    def unpack(self, frame: Frame, targets: Sequence[ast.expr], value: Any) -> None:
        if value is POISON:
            items: Sequence[Any] = [POISON] * len(targets)
        elif isinstance(value, list | tuple) and len(value) == len(targets):
            items = value
        else:
            raise MalformedModel(
                f"{self.sources.file!r} takes a value apart that has other parts", file=self.sources.file
            )
        for target, item in zip(targets, items, strict=True):
            self.store(frame, target, item)

    def expression(self, frame: Frame, statement: ast.Expr) -> None:
        self.value(frame, statement.value)

    def annotated(self, frame: Frame, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self.store(frame, statement.target, self.value(frame, statement.value))

    def return_(self, frame: Frame, statement: ast.Return) -> None:
        raise Returned(None if statement.value is None else self.value(frame, statement.value))

    def nothing(self, frame: Frame, statement: ast.stmt) -> None:
        """``pass``, and what only training or tracing needs."""

    def assert_(self, frame: Frame, statement: ast.Assert | ast.Raise) -> None:
        if isinstance(statement, ast.Raise) or self.truth(self.value(frame, statement.test)) is False:
            raise ModelRaises("an assertion fails")

    def truth(self, value: Any) -> Any:
        """True or False where that is known, else a Sym."""
        if isinstance(value, Tensor):
            value = number_of(self.state, value, "bool")
        if isinstance(value, Sym):
            constant = value.expr.constant if value.expr is not None else None
            return value if constant is None else bool(constant)
        return bool(value)

    def if_(self, frame: Frame, statement: ast.If) -> None:
        condition = self.value(frame, statement.test)
        if condition is POISON:
            for name in assigned([*statement.body, *statement.orelse]):
                frame.names[name] = POISON
            return
        condition = self.truth(condition)
        if isinstance(condition, bool):
            self.block(frame, statement.body if condition else statement.orelse)
            return
        names = [name for name in assigned(statement.body) if name in assigned(statement.orelse)]
        self.branches(frame, condition, statement, names)

    def branches(self, frame: Frame, condition: Sym, statement: ast.If, names: list[str]) -> None:
        before = dict(frame.names)
        returned: list[bool] = []

        def side(body: Sequence[ast.stmt]) -> Callable[[], list[Any]]:
            def run() -> list[Any]:
                frame.names = dict(before)
                try:
                    self.block(frame, body)
                except Returned as ended:
                    returned.append(True)
                    return [ended.value]
                returned.append(False)
                return [frame.names[name] for name in names]

            return run

        layer = self.layer(frame, "prim::If")
        value = condition.scalar(self.state.g)
        results = choose(self.state, layer, value, side(statement.body), side(statement.orelse))
        if any(returned):
            if not all(returned):
                raise unsaid(frame, "it returns early in one branch that the data decides")
            raise Returned(results[0])
        after = frame.names
        frame.names = dict(before)
        names = names if len(results) == len(names) else []
        frame.names.update(zip(names, results, strict=True))
        for name in after:
            frame.names.setdefault(name, Unmerged("only one branch sets it"))

    def for_(self, frame: Frame, statement: ast.For) -> None:
        call_ = statement.iter
        if not (isinstance(call_, ast.Call) and isinstance(call_.func, ast.Name) and call_.func.id == "range"):
            raise self.strange(statement)
        trips = number_of(self.state, self.value(frame, call_.args[0]), "int") if len(call_.args) == 1 else None
        if len(call_.args) == 2 and isinstance(call_.args[0], ast.Constant):
            trips = number_of(self.state, self.value(frame, call_.args[1]), "int")
        if trips is POISON:
            return
        if isinstance(trips, bool | int):
            for step in range(self.rounds(trips)):
                self.store(frame, statement.target, step)
                self.block(frame, statement.body)
            return
        if not isinstance(trips, Sym):
            raise self.strange(statement)
        self.rolled(frame, trips, None, statement.body, statement.target)

    def while_(self, frame: Frame, statement: ast.While) -> None:
        count = 0
        while True:
            condition = self.value(frame, statement.test)
            if condition is POISON:
                return
            condition = self.truth(condition)
            if not isinstance(condition, bool):
                self.rolled(frame, None, statement.test, statement.body, None)
                return
            if not condition:
                return
            count = self.rounds(count + 1)
            self.block(frame, statement.body)

    def rounds(self, count: int) -> int:
        if count > ROUNDS:
            raise LimitExceeded("nodes", f"the model makes {count:,} rounds of a loop", limit=ROUNDS)
        return count

    def rolled(
        self, frame: Frame, trips: Any, test: ast.expr | None, body: Sequence[ast.stmt], target: ast.expr | None
    ) -> None:
        """A loop whose number of rounds only running tells."""
        names = [name for name in assigned(body) if name in frame.names]
        before = dict(frame.names)

        def once(step: Any, carried: list[Any]) -> tuple[Any, list[Any]]:
            frame.names = {**before, **dict(zip(names, carried, strict=True))}
            if target is not None:
                self.store(frame, target, step)
            self.block(frame, body)
            goes_on = True if test is None else self.truth(self.value(frame, test))
            return goes_on, [frame.names[name] for name in names]

        layer = self.layer(frame, "prim::Loop")
        condition = None if test is None else self.truth(self.value(frame, test))
        try:
            results = loop(self.state, layer, trips, condition, [before[name] for name in names], once)
        finally:
            frame.names = before
        frame.names.update(zip(names, results, strict=True))

    def layer(self, frame: Frame, type: str) -> Layer:
        word = type.rpartition("::")[2].lower()
        name = self.state.scope.numbered(f"{frame.module}.{word}" if frame.module else word)
        return Layer(name, type, self.state.scope)

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, frame: Frame, node: ast.expr) -> Any:
        handler = _EXPRESSIONS.get(type(node))
        if handler is None:
            raise self.strange(node)
        return handler(self, frame, node)

    def name(self, frame: Frame, node: ast.Name) -> Any:
        if node.id in frame.names:
            found = frame.names[node.id]
            if isinstance(found, Unmerged):
                self.state.scope.refused.append(Unsupported(node.id, "prim::If", found.reason))
                return POISON
            return found
        if node.id in ("inf", "infinity"):
            return math.inf
        return math.nan if node.id == "nan" else Dotted(node.id)

    def attribute(self, frame: Frame, node: ast.Attribute) -> Any:
        obj = self.value(frame, node.value)
        return self.attribute_of(frame, obj, node.attr)

    def attribute_of(self, frame: Frame, obj: Any, name: str) -> Any:
        if isinstance(obj, Dotted):
            if obj.name == "CONSTANTS":
                return self.constants[int(name[1:])]
            return Dotted(f"{obj.name}.{name}")
        if isinstance(obj, Obj):
            if name in obj.attrs:
                return obj.attrs[name]
            cls = self.sources.classes.get(obj.cls)
            if cls is not None and name in cls.constants:
                return self.value(frame, cls.constants[name])
            return Method(obj, name)
        if isinstance(obj, NamedRow) and name in obj.fields:
            return obj[obj.fields.index(name)]
        return POISON if obj is POISON else Method(obj, name)

    def subscript(self, frame: Frame, node: ast.Subscript) -> Any:
        obj = self.value(frame, node.value)
        if isinstance(obj, Dotted):
            return obj
        return self.operator(frame, "aten::__getitem__", [obj, self.value(frame, node.slice)], {})

    def call(self, frame: Frame, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id in _FORMS and node.func.id not in frame.names:
            return _FORMS[node.func.id](self, frame, node.args)
        function = self.value(frame, node.func)
        args = [self.value(frame, arg) for arg in node.args]
        kwargs = {word.arg: self.value(frame, word.value) for word in node.keywords if word.arg}
        if isinstance(function, Dotted):
            return self.named(frame, function.name, args, kwargs)
        if isinstance(function, Method):
            return self.method(frame, function, args, kwargs)
        return POISON if function is POISON else self.malformed("calls something that is no function")

    def malformed(self, what: str) -> Any:
        raise MalformedModel(f"the source in {self.sources.file!r} {what}", file=self.sources.file)

    def method(self, frame: Frame, method: Method, args: list[Any], kwargs: dict[str, Any]) -> Any:
        obj, name = method.obj, method.name
        if isinstance(obj, Obj):
            if name == "unpack" and "packed" in obj.attrs:
                return obj.attrs["packed"]
            return self.call_method(obj, name, args, kwargs)
        return self.operator(frame, f"aten::{name}", [obj, *args], kwargs)

    def named(self, frame: Frame, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call by dotted name: an operator, a class, a function of the archive."""
        parts = name.split(".")
        if parts[0] == "torch" and len(parts) == 2:
            return self.operator(frame, f"aten::{parts[1]}", args, kwargs)
        if parts[0] == "ops" and len(parts) == 3:
            return self.operator(frame, f"{parts[1]}::{parts[2]}", args, kwargs)
        if name in self.sources.functions:
            return self.call_function(self.sources.functions[name], args, kwargs, frame.module)
        if name.endswith(".__new__") and args and isinstance(args[0], Dotted):
            return Obj(args[0].name, {}, frame.module)
        cls = self.sources.classes.get(name)
        if cls is not None and cls.is_tuple:
            row = NamedRow([*args, *(kwargs[key] for key in cls.fields[len(args) :] if key in kwargs)])
            row.fields = tuple(cls.fields)
            return row
        if len(parts) == 1:
            return self.operator(frame, f"aten::{builtins.WORDS.get(name, name)}", args, kwargs)
        return self.operator(frame, name.replace(".", "::"), args, kwargs)

    def operator(self, frame: Frame, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        found = builtins.call(self.state, name, args, kwargs)
        if found is not NOT_HERE:
            return found
        base = name.partition("::")[2].strip("_")
        module = frame.module
        leaf = bool(module) and module not in self.state.scope.inner
        label = module if leaf else f"{module}.{base}" if module else base
        return call(self.state, name, self.state.scope.numbered(label), args, kwargs)


_STATEMENTS: dict[type, Callable[..., None]] = {
    ast.Assign: Interpreter.assign, ast.Expr: Interpreter.expression, ast.AnnAssign: Interpreter.annotated,
    ast.Return: Interpreter.return_, ast.Pass: Interpreter.nothing, ast.Raise: Interpreter.assert_,
    ast.Assert: Interpreter.assert_, ast.If: Interpreter.if_, ast.For: Interpreter.for_,
    ast.While: Interpreter.while_,
}  # fmt: skip
_EXPRESSIONS: dict[type, Callable[..., Any]] = {
    ast.Name: Interpreter.name, ast.Attribute: Interpreter.attribute, ast.Subscript: Interpreter.subscript,
    ast.Call: Interpreter.call, ast.Constant: literals.constant, ast.Tuple: literals.tuple_,
    ast.List: literals.list_, ast.Dict: literals.dict_, ast.UnaryOp: literals.unary,
    ast.BinOp: literals.binary, ast.Compare: literals.compare, ast.IfExp: literals.ternary,
    ast.BoolOp: literals.bool_op,
}  # fmt: skip
# Calls whose first argument is a type, or a name.
_FORMS: dict[str, Callable[[Interpreter, Frame, list[ast.expr]], Any]] = {
    "annotate": lambda it, frame, args: literals.annotation(it, frame, args),
    "unchecked_cast": lambda it, frame, args: it.value(frame, args[1]),
    "uninitialized": lambda it, frame, args: UNINITIALISED,
    "isinstance": lambda it, frame, args: builtins.is_instance(it.value(frame, args[0]), ast.unparse(args[1])),
    "getattr": lambda it, frame, args: it.attribute_of(frame, it.value(frame, args[0]), it.value(frame, args[1])),
}
