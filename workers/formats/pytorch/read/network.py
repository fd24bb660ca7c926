"""A TorchScript file read: its module object made, ``forward`` followed, its results made the graph's outputs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

from workers.errors import InvalidOptions, MalformedModel, UnsafeModel, UnsupportedOperators
from workers.formats.pytorch.read import packed
from workers.formats.pytorch.read.branching import ModelRaises
from workers.formats.pytorch.read.dispatch import State, plain
from workers.formats.pytorch.read.frames import Frame, Obj
from workers.formats.pytorch.read.inputs import NO_DEFAULT, Input, Parameter
from workers.formats.pytorch.read.interpret import Interpreter
from workers.formats.pytorch.read.layer import POISON, Scope
from workers.formats.pytorch.read.scalars import ScanList, number
from workers.formats.pytorch.read.symbols import emit, of_value
from workers.formats.pytorch.read.values import Affine, Tensor
from workers.formats.pytorch.script import ScriptFile
from workers.formats.pytorch.tensors import Stored
from workers.formats.pytorch.unpickle import Opaque
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Dim

Shapes = dict[str, list[Dim]]
Types = dict[str, ir.DataType]
Progress = Callable[[int, int, str], None]


def start(file: str, items: Sequence[Input], shapes: Shapes, types: Types, progress: Progress) -> tuple[
    State, dict[str, Any]
]:  # fmt: skip
    """A new graph with these inputs, and what stands for each of them."""
    g = GraphBuilder()
    scope = Scope(file, g)
    values: dict[str, Any] = {}
    for item in items:
        dtype = types.get(item.name, item.dtype)
        if dtype is None:
            scope.open.add(item.name)
        shape = shapes[item.name]
        if len(shape) == 3 and shape[0] == "batch" and isinstance(shape[1], int):
            scope.batch_first.add(item.name)
        value = g.input(item.name, shape, dtype or ir.DataType.FLOAT)
        values[item.name] = Tensor(value) if item.kind == "tensor" else of_value(value, item.kind)
    return State(scope, g, progress), values


def run_script(
    file: ScriptFile, parameters: Sequence[Parameter], shapes: Shapes, types: Types, progress: Progress, entry: str
) -> State:  # fmt: skip
    """Follow ``entry`` (forward). Raises UnsupportedOperators with everything that cannot be read."""
    items = [item for parameter in parameters for item in parameter.inputs]
    state, values = start(file.archive.name, items, shapes, types, lambda *_: None)
    state.scope.version = int(file.version) if file.version.isdecimal() else state.scope.version
    loader = _Loader(file, state)
    interpreter = Interpreter(state, file.sources, loader.constants())
    loader.interpreter = interpreter
    root = loader.object(file.root, "")
    function = file.sources.classes[root.cls].methods[entry]
    args = [_argument(interpreter, parameter, values) for parameter in parameters]
    interpreter.watch(function.body, progress)
    try:
        with state.g.layer(entry, "TorchScript"):
            result = interpreter.call_method(root, entry, args, {})
    except ModelRaises as error:
        raise InvalidOptions(
            f"the model raises an error with inputs of these shapes: {error}", file=state.scope.file,
            hint="Give the shapes that it is made for in the option 'input_shapes'.",
        ) from error  # fmt: skip
    finish(state, result)
    return state


def _argument(interpreter: Interpreter, parameter: Parameter, values: dict[str, Any]) -> Any:
    given = [values[item.name] for item in parameter.inputs]
    if parameter.group == "Dict":
        return dict(zip(parameter.keys or [], given, strict=True))
    if parameter.group == "Tuple":
        return tuple(given)
    if parameter.group:
        return ScanList(given)
    if given:
        return given[0]
    if parameter.value is NO_DEFAULT or not isinstance(parameter.value, ast.expr):
        return None
    return interpreter.value(Frame({}), parameter.value)


class _Loader:
    """Pickled records -> objects: modules with their paths, tensors as weights under their names."""

    def __init__(self, file: ScriptFile, state: State) -> None:
        self.file = file
        self.state = state
        self.made: dict[int, Any] = {}
        self.interpreter: Interpreter | None = None

    def constants(self) -> list[Any]:
        found = [
            self.tensor(item, f"CONSTANTS.c{index}", "constants") if isinstance(item, Stored) else self.value(item, "")
            for index, item in enumerate(self.file.constants)
        ]
        for tensor in found:
            known = GraphBuilder.const(tensor.value) if isinstance(tensor, Tensor) else None
            if known is not None and known.shape == () and known.dtype.name in ("float64", "int64", "bool"):
                self.state.scope.wrapped[tensor] = known.item()
        return found

    def object(self, record: Any, path: str) -> Obj:
        if not isinstance(record, Opaque) or not str(record.cls).startswith("__torch__."):
            raise MalformedModel(f"{self.file.archive.name!r} holds no module", file=self.file.archive.name)
        found = self.value(record, path)
        if not isinstance(found, Obj) or found.cls not in self.file.sources.classes:
            raise MalformedModel(f"the class {record.cls} has no source", file=self.file.archive.name)
        return found

    def value(self, record: Any, path: str) -> Any:
        if isinstance(record, Stored):
            return self.tensor(record, path, "data")
        if isinstance(record, Opaque):
            return self.instance(record, path)
        if isinstance(record, dict):
            return {key: self.value(item, f"{path}.{key}") for key, item in record.items()}
        if isinstance(record, list):
            return ScanList(self.value(item, f"{path}.{index}") for index, item in enumerate(record))
        if isinstance(record, tuple):
            return tuple(self.value(item, f"{path}.{index}") for index, item in enumerate(record))
        return record

    def instance(self, record: Opaque, path: str) -> Any:
        if id(record) in self.made:
            return self.made[id(record)]
        name = str(record.cls)
        if not name.startswith("__torch__."):
            raise UnsafeModel(
                f"the pickle of {self.file.archive.name!r} names {name}, which no TorchScript module holds",
                file=self.file.archive.name, hint="Save the model again with torch.jit.save.",
            )  # fmt: skip
        made = self.made[id(record)] = Obj(name, {}, path)
        if "__torch__.torch.classes." in name:
            made.attrs["packed"] = packed.unpacked(name, self.value(record.state, path))
            return made
        cls = self.file.sources.classes.get(name)
        if cls is not None and "__setstate__" in cls.methods and self.interpreter is not None:
            state = self.value(record.state, path)
            self.interpreter.call_method(made, "__setstate__", [state], {})
            return made
        if isinstance(record.state, dict):
            for key, item in record.state.items():
                made.attrs[str(key)] = self.value(item, f"{path}.{key}" if path else str(key))
        if any(isinstance(item, Obj) and self._module(item) for item in made.attrs.values()):
            self.state.scope.inner.add(path)
        return made

    def _module(self, obj: Obj) -> bool:
        cls = self.file.sources.classes.get(obj.cls)
        return cls is not None and cls.is_module

    def tensor(self, stored: Stored, path: str, where: str) -> Tensor:
        if id(stored) not in self.made:
            g = self.state.scope.root
            value = g.weight(path, self.file.array(stored, where))
            self.made[id(stored)] = Tensor(value, self.affine(g, stored, where))
        found: Tensor = self.made[id(stored)]
        return found

    def affine(self, g: GraphBuilder, stored: Stored, where: str) -> Affine | None:
        spec = stored.quantised
        if spec is None:
            return None
        scale, zero = (
            self.file.array(item, where) if isinstance(item, Stored) else item for item in (spec.scale, spec.zero_point)
        )
        return packed.affine_of(g, stored, scale, zero)


# --- results ----------------------------------------------------------------------------------------------------------


def finish(state: State, result: Any, names: Sequence[str] = ()) -> None:
    """The results, however nested, as the graph's outputs ``output_0``..."""
    if state.scope.refused:
        raise UnsupportedOperators("pytorch", state.scope.refused)
    flat: list[tuple[str, Any]] = []
    _leaves(result, "", flat)
    if not flat:
        raise MalformedModel(f"the model in {state.scope.file!r} returns nothing", file=state.scope.file)
    for index, (_, item) in enumerate(flat):
        with state.g.layer(f"output_{index}", "prim::Return"):
            value = plain(state.g, item) if isinstance(item, Tensor) else emit(state.g, item)
            state.g.output(value, names[index] if names else f"output_{index}")
    _drop_unused(state.g)


def _leaves(item: Any, path: str, found: list[tuple[str, Any]]) -> None:
    if isinstance(item, ScanList) and item.scan is not None:
        found.append((path, Tensor(item.scan)))
    elif isinstance(item, Tensor) or number(item):
        found.append((path, item))
    elif isinstance(item, dict):
        for key, value in item.items():
            _leaves(value, f"{path}.{key}", found)
    elif isinstance(item, list | tuple):
        for index, value in enumerate(item):
            _leaves(value, f"{path}.{index}", found)
    elif item is not None and item is not POISON:
        raise MalformedModel(f"the model returns a {type(item).__name__}, which is no tensor")


def _drop_unused(g: GraphBuilder) -> None:
    """Weights that nothing uses go, as do nodes behind no output: sizes that were asked for and not needed."""
    live: set[Value] = set(g.graph.outputs)
    for node in reversed(list(g.graph)):
        if any(output in live for output in node.outputs):
            live.update(value for value in node.inputs if value is not None)
            for attribute in node.attributes.values():
                if attribute.type == ir.AttributeType.GRAPH:
                    live.update(v for inner in attribute.as_graph().all_nodes() for v in inner.inputs if v is not None)
                    live.update(attribute.as_graph().outputs)
        else:
            g.graph.remove(node, safe=True)
    for name, value in list(g.graph.initializers.items()):
        if value not in live:
            del g.graph.initializers[name]
