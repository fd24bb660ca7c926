"""The graph's inputs: their names, shapes and element types, as the file tells or the user says."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.formats.pytorch.read.layer import BOOL, F32, I64
from workers.formats.pytorch.tensors import Stored
from workers.hub.node import Dim
from workers.options import Options

WORDS = {
    "float32": F32, "float64": ir.DataType.DOUBLE, "float16": ir.DataType.FLOAT16, "int64": I64,
    "int32": ir.DataType.INT32, "int16": ir.DataType.INT16, "int8": ir.DataType.INT8, "uint8": ir.DataType.UINT8,
    "bool": BOOL, "bfloat16": ir.DataType.BFLOAT16,
}  # fmt: skip
_SCALARS = {"int": I64, "float": F32, "bool": BOOL}
NO_DEFAULT = object()


@dataclass(slots=True)
class Input:
    """``dtype`` None: nobody told. ``kind``: tensor, or int, float, bool for a number. ``like`` what was traced."""

    name: str
    kind: str = "tensor"
    shape: list[Dim] | None = None
    dtype: ir.DataType | None = None


@dataclass(slots=True)
class Parameter:
    """One argument of ``forward``: an input, a group of inputs, or a value that is not an input."""

    name: str
    inputs: list[Input]
    group: str = ""
    keys: list[str] | None = None
    value: Any = None


def parameters(function: ast.FunctionDef, traced: Sequence[Any] | None, options: Options, file: str) -> list[Parameter]:
    """The arguments of ``forward`` behind ``self``. Raises InvalidOptions where a shape is missing."""
    args = function.args.args[1:]
    defaults: list[Any] = [NO_DEFAULT] * (len(args) - len(function.args.defaults)) + list(function.args.defaults)
    given = dict(options.input_shapes)
    names = _names([arg.arg for arg in args], list(given))
    found = []
    for index, (arg, default) in enumerate(zip(args, defaults[-len(args) :] if args else [], strict=True)):
        annotation = ast.unparse(arg.annotation) if arg.annotation is not None else "Tensor"
        example = traced[index] if traced is not None and index < len(traced) else None
        found.append(_parameter(names[arg.arg], annotation, default, example, given))
    taken = {item.name for parameter in found for item in parameter.inputs}
    unknown = sorted(set(given) - taken)
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}, which is no input of the model",
            hint=f"Inputs: {', '.join(sorted(taken))}.",
        )
    for item in (item for parameter in found for item in parameter.inputs):
        _complete(item, options, file)
    return found


def _names(own: list[str], given: list[str]) -> dict[str, str]:
    """Tracing renames arguments: where the user's names are none of them, they go by their order."""
    if given and not set(given) & set(own) and len(given) <= len(own):
        return {name: given[index] if index < len(given) else name for index, name in enumerate(own)}
    return {name: name for name in own}


def _parameter(name: str, annotation: str, default: Any, example: Any, given: dict[str, Any]) -> Parameter:
    plain = annotation.replace("Optional[", "").rstrip("]") if annotation.startswith("Optional[") else annotation
    if plain in _SCALARS:
        if default is not NO_DEFAULT and name not in given:
            return Parameter(name, [], value=default)
        return Parameter(name, [Input(name, plain, [], _SCALARS[plain])])
    if annotation.startswith(("List[Tensor", "Tuple[Tensor", "Dict[str, Tensor")):
        return _group(name, annotation, example, given)
    if plain != "Tensor" or (default is not NO_DEFAULT and name not in given and example is None):
        if default is NO_DEFAULT and not annotation.startswith("Optional["):
            raise InvalidOptions(
                f"the model's argument {name!r} is a {annotation}, which no ONNX input can be", input=name,
                hint="Wrap the model in one whose forward takes tensors.",
            )  # fmt: skip
        return Parameter(name, [], value=default)
    if default is NO_DEFAULT and annotation.startswith("Optional[") and name not in given and example is None:
        return Parameter(name, [], value=NO_DEFAULT)
    return Parameter(name, [_tensor(name, example, given)])


def _tensor(name: str, example: Any, given: dict[str, Any]) -> Input:
    found = Input(name, shape=given.get(name))
    if isinstance(example, Stored):
        found.shape = found.shape if found.shape is not None else list(example.shape)
        found.dtype = WORDS.get(example.dtype)
    return found


def _group(name: str, annotation: str, example: Any, given: dict[str, Any]) -> Parameter:
    """A list, tuple or dictionary of tensors: as many inputs ``name_0``, ``name_1``... or ``name_key``."""
    kind = annotation.partition("[")[0]
    if kind == "Dict":
        found = example if isinstance(example, dict) else {
            key[len(name) + 1 :]: None for key in given if key.startswith(f"{name}_")}  # fmt: skip
        keys = [str(key) for key in found]
        inputs = [_tensor(f"{name}_{key}", found.get(key), given) for key in keys]
        return Parameter(name, inputs, "Dict", keys)
    items = list(example) if isinstance(example, list | tuple) else []
    count = len(items) or (annotation.count("Tensor") if kind == "Tuple" else 0)
    count = count or sum(key.startswith(f"{name}_") for key in given)
    inputs = [_tensor(f"{name}_{i}", items[i] if i < len(items) else None, given) for i in range(count)]
    if not inputs:
        raise InvalidOptions(
            f"the model takes a list of tensors {name!r}, and nothing says how many", input=name,
            hint=f"Give their shapes in the option 'input_shapes': {name}_0, {name}_1...",
        )  # fmt: skip
    return Parameter(name, inputs, kind)


def _complete(item: Input, options: Options, file: str) -> None:
    word = options.input_dtypes.get(item.name)
    if word is not None:
        if word not in WORDS:
            raise InvalidOptions(
                f"the option 'input_dtypes' gives {item.name!r} the type {word!r}", input=item.name,
                hint=f"Types: {', '.join(WORDS)}.",
            )  # fmt: skip
        item.dtype = WORDS[word]
    if item.shape is None:
        raise InvalidOptions(
            f"the shape of input {item.name!r} stands in no file: a scripted model of {file!r} does not hold it",
            input=item.name,
            hint=f"Give it in the option 'input_shapes', e.g. {item.name}=1,3,224,224.",
        )


def freed(
    items: Sequence[Input], options: Options, level: int, turned: set[str], types: dict[str, ir.DataType]
) -> dict[str, list[Dim]]:
    """Shapes by name. The batch is axis 0, axis 1 of ``turned`` inputs, whose axis 0 is the time.

    ``level`` 2: the batch and the length of integer sequences are free; 1: the batch; 0: nothing.
    """
    found: dict[str, list[Dim]] = {}
    written = any(not isinstance(size, int) for item in items for size in item.shape or ())
    batch: Dim = None
    for item in items:
        shape = [_named(item.name, axis, size) for axis, size in enumerate(item.shape or ())]
        if level and options.dynamic_batch and not written and shape:
            axis = int(item.name in turned)
            batch = shape[axis] if batch is None else batch
            if shape[axis] == batch:
                shape[axis] = "batch"
            if axis and level == 2:
                shape[0] = f"{item.name}_time"
            dtype = types.get(item.name, item.dtype)
            if level == 2 and dtype in (I64, ir.DataType.INT32) and len(shape) == 2:
                shape[1] = "length" if len({len(i.shape or ()) for i in items}) == 1 else f"{item.name}_length"
        found[item.name] = shape
    return found


def _named(name: str, axis: int, size: Dim) -> Dim:
    if size is None:
        return "batch" if axis == 0 else f"{name}_{axis}"
    return size
