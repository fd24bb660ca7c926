"""Shapes and element types of the graph's inputs: the user's, else the file's, with the batch axis free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from workers.errors import InvalidOptions, MalformedModel
from workers.formats.keras.net import Net, Ref, Spec
from workers.formats.keras.read.layer import DTYPES, F32
from workers.hub.node import Dim
from workers.options import Options


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the graph; ``ref`` is the layer whose result it is."""

    name: str
    ref: Ref
    shape: tuple[Dim, ...]
    dtype: ir.DataType


def inputs(net: Net, options: Options, *, free: bool, file: str) -> list[Input]:
    """Raises InvalidOptions for options that name no input, or where a shape stands nowhere."""
    names = net.by_name
    found = []
    for ref in net.inputs:
        spec = names[ref.layer]
        shape = options.input_shapes.get(spec.name)
        known = list(shape) if shape is not None else _declared(spec, file)
        if known is None:
            raise InvalidOptions(
                f"the shape of input {spec.name!r} stands in no file: the model was saved before it was built",
                input=spec.name, hint=f"Give it in the option 'input_shapes', e.g. {spec.name}=1,224,224,3.",
            )  # fmt: skip
        if free and options.dynamic_batch and shape is None and known:
            known[0] = None
        found.append(Input(spec.name, ref, _named(spec.name, known, free), _dtype(spec, options)))
    _check(found, options)
    return found


def _named(name: str, shape: list[Dim], free: bool) -> tuple[Dim, ...]:
    """Free axes under a name; a batch that must not be free is 1."""
    first: list[Dim] = [("batch" if free else 1) if dim is None else dim for dim in shape[:1]]
    rest: list[Dim] = [f"{name}_{axis}" if dim is None else dim for axis, dim in enumerate(shape[1:], 1)]
    return (*first, *rest)


def _declared(spec: Spec, file: str) -> list[Dim] | None:
    shape: Any = None
    for key in ("batch_shape", "batch_input_shape", "shape"):
        if spec.config.get(key) is not None:
            shape = spec.config[key]
            shape = [None, *shape] if key == "shape" and isinstance(shape, list) else shape
            break
    if shape is None:
        return None
    whole = isinstance(shape, list) and all(
        dim is None or (isinstance(dim, int) and not isinstance(dim, bool) and 0 < dim < 2**31) for dim in shape
    )
    if not whole or len(shape) > 8:
        raise MalformedModel(f"input {spec.name!r} has the shape {str(shape)[:80]}", file=file, layer=spec.name)
    return list(shape)


def _dtype(spec: Spec, options: Options) -> ir.DataType:
    word = options.input_dtypes.get(spec.name)
    if word is None:
        declared = spec.config.get("dtype") or spec.config.get("input_dtype") or "float32"
        return DTYPES.get(declared, F32) if isinstance(declared, str) else F32
    if word not in DTYPES:
        raise InvalidOptions(
            f"the option 'input_dtypes' gives {spec.name!r} the type {word!r}", input=spec.name,
            hint=f"Types: {', '.join(DTYPES)}.",
        )  # fmt: skip
    return DTYPES[word]


def _check(found: list[Input], options: Options) -> None:
    names = {item.name for item in found}
    for option, keys in (("input_shapes", set(options.input_shapes)), ("input_dtypes", set(options.input_dtypes))):
        alien = sorted(keys - names)
        if alien:
            raise InvalidOptions(
                f"the option {option!r} names {', '.join(map(repr, alien))}, which is no input of the model",
                hint=f"Inputs: {', '.join(item.name for item in found)}.",
            )
    for item in found:
        given = options.input_shapes.get(item.name)
        if given is not None and not given:
            raise InvalidOptions(f"the option 'input_shapes' gives {item.name!r} no axes", input=item.name)
