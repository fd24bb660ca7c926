"""An exported program read: its nodes in order, each a call of an operator on tensors, numbers and sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from workers.errors import Unsupported
from workers.formats.pytorch.exported import SCALARS, Program
from workers.formats.pytorch.read import builtins
from workers.formats.pytorch.read.branching import choose, loop
from workers.formats.pytorch.read.dispatch import State, call, number_of
from workers.formats.pytorch.read.inputs import Input
from workers.formats.pytorch.read.layer import POISON, Layer
from workers.formats.pytorch.read.network import Progress, Shapes, Types, finish, start
from workers.formats.pytorch.read.program_inputs import broken, expression, one
from workers.formats.pytorch.read.scalars import NOT_HERE, ScanList, scalar_op
from workers.formats.pytorch.read.symbols import Sym
from workers.formats.pytorch.read.values import Tensor

_GETATTR = re.compile(r"getattr\(([^()]*), '([^']*)'\)")
_ROOT = re.compile(r"^(L\['\w+'\]|self)\.?")


# --- nodes -----------------------------------------------------------------------------------------------------------


class Reader:
    """Goes through a graph's nodes with the values of its names."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state

    def graph(self, graph: dict[str, Any], values: dict[str, Any], progress: Progress) -> list[Any]:
        nodes = graph.get("nodes")
        if not isinstance(nodes, list):
            raise broken(self.program, "has no nodes")
        for index, node in enumerate(nodes):
            progress(index, len(nodes), str(node.get("name") or node.get("target")))
            self.node(node, values)
        return [self.argument(output, values) for output in graph.get("outputs", [])]

    def node(self, node: dict[str, Any], values: dict[str, Any]) -> None:
        target = str(node.get("target"))
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for entry in node.get("inputs", []):
            value = self.argument(entry.get("arg"), values)
            if entry.get("kind") == 2 or (kwargs and entry.get("kind") is None):
                kwargs[str(entry.get("name"))] = value
            else:
                args.append(value)
        result = self.call(target, self.layer_name(node), args, kwargs, values)
        self.bind(node.get("outputs", []), result, values)

    def layer_name(self, node: dict[str, Any]) -> str:
        """The innermost module's path; an operator of a module with others in it has its own name behind that."""
        path = next((path for path in reversed(_paths(node)) if path), "")
        name = str(node.get("name") or _first_output(node))
        if not path:
            return self.state.scope.numbered(name)
        return self.state.scope.numbered(path if self._is_leaf(path) else f"{path}.{_stem(name)}")

    def _is_leaf(self, path: str) -> bool:
        return path not in self.state.scope.inner

    def call(self, target: str, layer: str, args: list[Any], kwargs: dict[str, Any], values: dict[str, Any]) -> Any:
        if POISON in args:
            return POISON
        if target.startswith("torch.ops.higher_order."):
            return self.higher_order(target.rpartition(".")[2], layer, args)
        if target.startswith("torch.ops."):
            namespace, _, rest = target.removeprefix("torch.ops.").partition(".")
            base, _, overload = rest.partition(".")
            name = f"{namespace}::{base}"
            found = builtins.call(self.state, name, args, kwargs)
            if found is NOT_HERE:
                found = call(self.state, name, layer, args, kwargs, "" if overload == "default" else overload)
            return found
        word = target.rpartition(".")[2]
        if word == "getitem":
            return builtins.call(self.state, "aten::__getitem__", args, {})
        args = [number_of(self.state, arg, "int") for arg in args]
        found = scalar_op(_WORDS.get(word, word), args)
        if found is NOT_HERE:
            self.state.scope.refused.append(Unsupported(layer, target, "this function on sizes is not known"))
            return POISON
        return found

    def bind(self, outputs: Sequence[Any], result: Any, values: dict[str, Any]) -> None:
        if len(outputs) == 1:
            form, value = one(outputs[0])
            if form in ("as_tensors", "as_optional_tensors"):
                items = result if isinstance(result, list | tuple) else [result] * len(value)
                for entry, item in zip(value, items, strict=False):
                    name = entry.get("name") or one(entry)[1].get("name")
                    values[str(name)] = item
                return
            result = result[0] if isinstance(result, list | tuple) and len(result) == 1 else result
            if isinstance(result, list | tuple) and not isinstance(result, ScanList):
                result = result[0]
            values[_name_of(form, value)] = self.named(form, value, result)
            return
        items = list(result) if isinstance(result, list | tuple) else [result] * len(outputs)
        for output, item in zip(outputs, items, strict=False):
            form, value = one(output)
            if form == "as_none":
                continue
            values[_name_of(form, value)] = self.named(form, value, item)

    def named(self, form: str, value: Any, result: Any) -> Any:
        """Tensors that stand where the graph has a number, and the other way round."""
        if form in ("as_sym_int", "as_sym_float", "as_sym_bool") and isinstance(result, Tensor):
            return number_of(self.state, result, {"as_sym_int": "int", "as_sym_float": "float"}.get(form, "bool"))
        return result

    def argument(self, arg: Any, values: dict[str, Any]) -> Any:
        form, value = one(arg)
        if form in _LITERALS:
            return _LITERALS[form](value)
        if form in ("as_tensor", "as_custom_obj"):
            return self.find(str(value if isinstance(value, str) else value["name"]), values)
        if form == "as_tensors":
            return ScanList(self.find(str(item["name"]), values) for item in value)
        if form in ("as_optional_tensors", "as_nested_tensors"):
            return ScanList(self.argument(item, values) for item in value)
        if form == "as_optional_tensor":
            return self.argument(value, values)
        if form in ("as_sym_int", "as_sym_bool", "as_sym_float"):
            return self.symbol(value, values)
        if form in ("as_sym_ints", "as_sym_floats", "as_sym_bools"):
            return ScanList(self.symbol(item, values) for item in value)
        raise broken(self.program, f"has an argument of the unknown form {form!r}")

    def find(self, name: str, values: dict[str, Any]) -> Any:
        if name not in values:
            raise broken(self.program, f"uses {name!r} before it is made")
        return values[name]

    def symbol(self, value: Any, values: dict[str, Any]) -> Any:
        if not isinstance(value, dict):
            return value
        form, inner = one(value)
        return self.find(str(inner), values) if form == "as_name" else inner

    # --- control flow -------------------------------------------------------------------------------------------------

    def higher_order(self, word: str, layer_name: str, args: list[Any]) -> Any:
        layer = Layer(layer_name, f"higher_order::{word}", self.state.scope)
        if word == "cond":
            return self.cond(layer, *args[:4])
        if word == "while_loop":
            return self.while_loop(layer, args[0], args[1], args[2], args[3] if len(args) > 3 else [])
        if word in ("wrap_with_set_grad_enabled", "wrap_with_autocast", "wrap_set_grad_enabled"):
            at = next(index for index, arg in enumerate(args) if isinstance(arg, dict))
            return self.inner(args[at], args[at + 1 :])
        self.state.scope.refused.append(layer.unsupported("this form of control flow is not read").item)
        return POISON

    def inner(self, graph: dict[str, Any], args: Sequence[Any]) -> list[Any]:
        values: dict[str, Any] = {}
        for entry, value in zip(graph.get("inputs", []), args, strict=False):
            form, body = one(entry)
            values[_name_of(form, body)] = value
        return self.graph(graph, values, lambda *_: None)

    def cond(self, layer: Layer, predicate: Any, then: Any, other: Any, operands: Any) -> Any:
        known = number_of(self.state, predicate, "bool")
        if not isinstance(known, Sym):
            return self.inner(then if known else other, operands)
        condition = known.scalar(self.state.g)
        return choose(
            self.state, layer, condition, lambda: self.inner(then, operands), lambda: self.inner(other, operands)
        )

    def while_loop(self, layer: Layer, test: Any, body: Any, carried: Any, extra: Any) -> Any:
        def goes_on(items: list[Any]) -> Any:
            return number_of(self.state, self.inner(test, [*items, *extra])[0], "bool")

        def once(step: Any, items: list[Any]) -> tuple[Any, list[Any]]:
            after = self.inner(body, [*items, *extra])
            return goes_on(after), list(after)

        return loop(self.state, layer, None, goes_on(list(carried)), list(carried), once)


_LITERALS: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda value: None, "as_memory_format": lambda value: None, "as_layout": lambda value: None,
    "as_device": lambda value: None, "as_scalar_type": lambda value: SCALARS.get(value, -1),
    "as_graph": lambda value: value.get("graph") if isinstance(value, dict) else None,
    "as_int": lambda value: value, "as_bool": lambda value: value, "as_string": lambda value: value,
    "as_float": float, "as_ints": ScanList, "as_floats": ScanList, "as_bools": ScanList, "as_strings": ScanList,
}  # fmt: skip
_WORDS = {"truediv": "truediv", "sym_not": "sym_not", "and_": "__and__", "or_": "__or__", "IntTrueDiv": "truediv",
          "FloorDiv": "floordiv", "sym_sqrt": "sqrt", "sym_ite": "sym_ite", "PythonMod": "mod"}  # fmt: skip


def _name_of(form: str, value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name") or value.get("as_name") or "")
    return str(value)


def _first_output(node: dict[str, Any]) -> str:
    for output in node.get("outputs", []):
        form, value = one(output)
        return _name_of(form, value) if isinstance(value, dict) else form
    return str(node.get("target"))


def _stem(name: str) -> str:
    head, _, tail = name.rpartition("_")
    return head if head and tail.isdigit() else name


def _paths(node: dict[str, Any]) -> list[str]:
    """Paths of the modules around a node, the outermost first: ``key,path,class`` items, in torch 2.1
    ``key:(path,class)``, the path written as Python reaches it."""
    found = []
    for item in str((node.get("metadata") or {}).get("nn_module_stack", "")).split(";"):
        old = item.partition(":(")[2]
        path = old.rpartition(",")[0] if old else item.split(",")[1] if item.count(",") > 1 else ""
        if old or item.count(",") > 2:
            path = old.rpartition(",")[0] if old else item.partition(",")[2].rpartition(",")[0]
        while (simpler := _GETATTR.sub(r"\1.\2", path)) != path:
            path = simpler
        found.append(_ROOT.sub("", path).split("@")[0])
    return found


# --- the whole -------------------------------------------------------------------------------------------------------


def run(program: Program, items: Sequence[Input], shapes: Shapes, types: Types, progress: Progress) -> State:
    state, given = start(program.file, items, shapes, types, lambda *_: None)
    reader = Reader(program, state)
    for node in program.graph.get("nodes", []):
        _note_modules(state, node)
    values = _bound(program, state, list(given.values()))
    for name in program.graph.get("constants") or ():
        values[name] = _weight(program, state, name, "constant")
    _sizes(program, state, values)
    with state.g.layer("graph", "ExportedProgram"):
        outputs = reader.graph(program.graph, values, progress)
    kept = [
        output for output, spec in zip(outputs, program.signature.get("output_specs", []), strict=False)
        if one(spec)[0] == "user_output"
    ]  # fmt: skip
    finish(state, kept if program.signature.get("output_specs") else outputs)
    return state


def _note_modules(state: State, node: dict[str, Any]) -> None:
    """Modules with another one inside them on the way to some node."""
    paths = _paths(node)
    state.scope.inner.update(path for path, deeper in pairwise(paths) if deeper != path)


def _bound(program: Program, state: State, given: list[Any]) -> dict[str, Any]:
    """The graph's inputs by name: weights from the file, the user's inputs, and numbers that were baked in."""
    values: dict[str, Any] = {}
    rest = iter(given)
    for spec in program.signature.get("input_specs", []):
        kind, body = one(spec)
        form, arg = one(body["arg"]) if "as_" in str(list(body.get("arg", {}))) else ("as_tensor", body["arg"])
        name = _name_of(form, arg)
        if kind == "user_input":
            if form in ("as_tensor", "as_sym_int", "as_sym_float"):
                values[name] = next(rest)
        elif kind == "constant_input":
            values[str(body.get("name"))] = one(body["value"])[1] if isinstance(body.get("value"), dict) else None
        else:
            key = str(body.get("parameter_name") or body.get("buffer_name") or body.get("tensor_constant_name") or "")
            values[name] = _weight(program, state, key, kind)
    return values


def _weight(program: Program, state: State, key: str, kind: str) -> Any:
    array = program.arrays.get(key)
    if array is None:
        if kind in ("token", "custom_obj"):
            return None
        raise broken(program, f"has no data for its {kind} {key!r}")
    return Tensor(state.scope.root.weight(key, array))


def _sizes(program: Program, state: State, values: dict[str, Any]) -> None:
    """The symbols of free axes (``s31``) as sizes of the inputs that have them."""
    for name, meta in program.graph.get("tensor_values", {}).items():
        tensor = values.get(name)
        if not isinstance(tensor, Tensor) or not isinstance(meta, dict):
            continue
        for axis, size in enumerate(meta.get("sizes", [])):
            form, value = one(size)
            text = expression(value) if form == "as_expr" else ""
            if text.isidentifier() and text not in values:
                layer = Layer(name, "input", state.scope)
                values[text] = layer.dim(tensor.value, axis)
