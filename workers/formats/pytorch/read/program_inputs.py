"""The inputs of an exported program: which axes it left free, and what the user says of them."""

from __future__ import annotations

import re
from typing import Any

from workers.errors import InvalidOptions, MalformedModel, Unsupported, UnsupportedOperators
from workers.formats.contract import Note
from workers.formats.pytorch.exported import TYPES, Program
from workers.formats.pytorch.read.inputs import WORDS, Input
from workers.hub.node import Dim
from workers.options import Options

_SYMBOL = re.compile(r"Symbol\('(\w+)'[^)]*\)")


def broken(program: Program, what: str) -> MalformedModel:
    return MalformedModel(f"the graph of {program.file!r} {what}", file=program.file)


def one(entry: Any) -> tuple[str, Any]:
    """``{"as_tensor": {...}}`` as its only key and value."""
    if not isinstance(entry, dict) or len(entry) != 1:
        raise MalformedModel(f"an argument of the graph is {str(entry)[:80]}")
    return next(iter(entry.items()))


def inputs(program: Program, options: Options) -> tuple[list[Input], list[Note]]:
    """The user's inputs with their shapes: free axes of the program stay free unless the user says otherwise."""
    found: list[Input] = []
    names: dict[str, str] = {}
    for spec in program.signature.get("input_specs", []):
        kind, body = one(spec)
        if kind != "user_input":
            continue
        form, arg = one(body.get("arg"))
        if form == "as_tensor":
            name = str(arg["name"])
            found.append(_tensor(program, name, names))
        elif form in ("as_sym_int", "as_sym_float"):
            found.append(
                Input(str(arg.get("as_name")), form[7:], [], WORDS["int64" if form == "as_sym_int" else "float32"])
            )
    _user_shapes(found, options)
    if not options.dynamic_batch:
        for item in found:
            item.shape = [program.hints.get(size, size) if isinstance(size, str) else size for size in item.shape or ()]
    return found, []


def _tensor(program: Program, name: str, names: dict[str, str]) -> Input:
    meta = program.graph.get("tensor_values", {}).get(name)
    if not isinstance(meta, dict):
        raise broken(program, f"does not tell the type of its input {name!r}")
    word = TYPES.get(meta.get("dtype", 0), "")
    if word not in WORDS:
        raise UnsupportedOperators("pytorch", [Unsupported(name, "input", f"its type {word or '?'} is none of ONNX's")])
    shape: list[Dim] = []
    for axis, size in enumerate(meta.get("sizes", [])):
        form, value = one(size)
        if form == "as_int":
            shape.append(int(value))
            continue
        text = expression(value)
        shape.append(_free(program, text, axis, names, value))
    return Input(name, shape=shape, dtype=WORDS[word])


def expression(value: Any) -> str:
    """The text of a size; newer files write a symbol as ``Symbol('s31', positive=True, integer=True)``."""
    text = str(value.get("expr_str") if isinstance(value, dict) else value)
    return _SYMBOL.sub(r"\1", text)


def _free(program: Program, text: str, axis: int, names: dict[str, str], value: Any) -> Dim:
    hint = value.get("hint") if isinstance(value, dict) else None
    if isinstance(hint, dict) and isinstance(hint.get("as_int"), int):
        program.hints[names.get(text, text)] = hint["as_int"]
    if text.isidentifier():
        if text not in names:
            wanted = "batch" if axis == 0 else text
            names[text] = wanted if wanted not in names.values() else text
            if text in program.hints:
                program.hints[names[text]] = program.hints[text]
        program.names.setdefault(text, names[text])
        return names[text]
    return text


def _user_shapes(found: list[Input], options: Options) -> None:
    given = dict(options.input_shapes)
    by_name = {item.name: item for item in found}
    if given and not set(given) & set(by_name) and len(given) == len(found):
        for item, name in zip(found, list(given), strict=True):
            item.name, by_name[name] = name, item
    unknown = sorted(set(given) - set(by_name))
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}, which is no input of the model",
            hint=f"Inputs: {', '.join(item.name for item in found)}.",
        )
    for name, shape in given.items():
        item = by_name[name]
        own = item.shape or []
        if len(own) != len(shape):
            raise InvalidOptions(f"the input {name!r} has {len(own)} axes, the option gives {len(shape)}", input=name)
        fixed: list[Dim] = []
        for axis, (mine, wanted) in enumerate(zip(own, shape, strict=True)):
            if isinstance(mine, int) and isinstance(wanted, int) and mine != wanted:
                raise InvalidOptions(
                    f"axis {axis} of the input {name!r} was exported with the size {mine}, which is fixed", input=name,
                    hint="Export the program again with a dynamic shape for this axis.",
                )  # fmt: skip
            free = isinstance(mine, str) and isinstance(wanted, int) and options.dynamic_batch
            fixed.append(mine if isinstance(mine, int) or free or wanted is None else wanted)
        item.shape = fixed
