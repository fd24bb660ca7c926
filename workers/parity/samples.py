"""Samples: inputs to run a model on, drawn or given by the user, and the outputs that the user recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.hub.node import Dim, shape_of
from workers.parity import npz

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """``inputs`` by name, for every input of the model; ``outputs`` are what the user recorded, maybe none."""

    name: str
    origin: Literal["user", "drawn"]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array] = field(default_factory=dict)
    seed: int | None = None


def load(path: Path, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], *, name: str | None = None) -> Sample:
    """A user's ``.npz`` with arrays by tensor name, or ``input_0``.., ``output_0``.. by position in the graph's order.

    Every input must be there, with its element type and a shape that fits; outputs may be left out. Raises
    InvalidOptions naming the arrays that are missing, unknown or do not fit; LimitExceeded for a file too large.
    """
    shown = name or path.name
    arrays = npz.load(path, name=shown)
    given = _named(arrays, inputs, "input", shown)
    recorded = _named(arrays, outputs, "output", shown)
    unknown = [key for key in arrays if key not in _keys(inputs, "input") | _keys(outputs, "output")]
    if unknown:
        raise _misfit(shown, f"the model has no tensor {_list(unknown)}", inputs, outputs)
    absent = [value.name or "" for value in inputs if value.name not in given]
    if absent:
        raise _misfit(shown, f"there is no array for the input {_list(absent)}", inputs, outputs)
    fitting = {value.name or "": _fitted(shown, value, given[value.name or ""]) for value in inputs}
    return Sample(shown, "user", fitting, recorded)


def save(sample: Sample, path: Path, outputs: Mapping[str, Array] | None = None) -> None:
    """The sample's inputs and ``outputs`` (default: the recorded ones) as an .npz that ``load`` reads again."""
    arrays = dict(sample.inputs)
    for name, array in (sample.outputs if outputs is None else outputs).items():
        arrays[name if name not in arrays else f"output_{name}"] = array
    npz.save(path, arrays)


def _keys(values: Sequence[ir.Value], kind: str) -> set[str]:
    return {value.name or "" for value in values} | {f"{kind}_{index}" for index in range(len(values))}


def _named(arrays: Mapping[str, Array], values: Sequence[ir.Value], kind: str, shown: str) -> dict[str, Array]:
    """Arrays under the tensors' names; a name goes before a position."""
    found: dict[str, Array] = {}
    for index, value in enumerate(values):
        name, position = value.name or "", f"{kind}_{index}"
        if name in arrays and position in arrays and name != position:
            raise InvalidOptions(f"The sample file {shown} holds {kind} {name!r} also as {position!r}", file=shown)
        if name in arrays or position in arrays:
            found[name] = arrays[name if name in arrays else position]
    return found


def _fitted(shown: str, value: ir.Value, array: Array) -> Array:
    """The array as the model takes it, or InvalidOptions saying in what it does not fit."""
    dtype = value.dtype.numpy() if value.dtype is not None else array.dtype
    if array.dtype.kind == "V" and array.dtype.itemsize == dtype.itemsize and dtype.kind == "V":
        array = array.view(dtype)
    if array.dtype.kind in "SU" and value.dtype == ir.DataType.STRING:
        array = array.astype(object)
    if array.dtype != dtype:
        raise InvalidOptions(
            f"The sample file {shown} gives the input {value.name!r} as {array.dtype}; the model takes {dtype}",
            file=shown,
            hint=f"Convert it with array.astype({dtype.name!r}).",
        )
    dims = shape_of(value)
    if dims is not None and not _matches(dims, array.shape):
        raise InvalidOptions(
            f"The sample file {shown} gives the input {value.name!r} with the shape {list(array.shape)}; "
            f"the model takes {_shape(dims)}",
            file=shown,
            hint="Set input_shapes to convert the model for other sizes.",
        )
    return array


def _matches(dims: Sequence[Dim], shape: tuple[int, ...]) -> bool:
    return len(dims) == len(shape) and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(dims, shape, strict=True)
    )


def _shape(dims: Sequence[Dim]) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in dims) + "]"


def _misfit(shown: str, what: str, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> InvalidOptions:
    names = (
        f"Its inputs are {_list([v.name or '' for v in inputs])}, its outputs {_list([v.name or '' for v in outputs])}"
    )
    return InvalidOptions(
        f"The sample file {shown} does not fit the model: {what}",
        file=shown,
        hint=f"{names}; or name the arrays by position: input_0, output_0.",
    )


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:200]) for name in names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"


__all__ = ["Sample", "load", "save"]
