"""Sizes for the free axes of a model's inputs: a first one for all of them, and a second one for each in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from workers.hub.node import shape_of

BATCH = re.compile(r"batch|^(n|b|bs|num|unk__\d+)$", re.IGNORECASE)
TIME = re.compile(r"seq|len|time|step|token|^(t|s|l)$", re.IGNORECASE)

# Tried in this order until the model runs: what common networks are made for, small sizes first.
FIRST: Mapping[str, Sequence[int]] = {
    "batch": (1,),
    "image": (64, 224, 32, 128, 299, 512),
    "volume": (16, 32, 8, 64, 112),
    "other": (8, 16, 32, 64, 4, 2, 1),
}
SECOND: Mapping[str, Sequence[int]] = {
    "batch": (3, 2),
    "image": (96, 128, 256, 65, 320),
    "volume": (24, 48, 17),
    "other": (12, 5, 24, 48, 3),
}

MAX_AXES = 4
"""Free axes that get a sample of their own; further ones change all together in one more."""

Sizes = Mapping[str, int]
Accepts = Callable[[Sizes], bool]


@dataclass(frozen=True, slots=True)
class Axis:
    """A free axis, or all axes of one symbol. ``role``: batch, image, volume or other."""

    symbol: str
    role: str


def free_axes(inputs: Sequence[ir.Value]) -> list[Axis]:
    """In the order of the inputs, a symbol once. An axis without a symbol is its own, but first axes go together."""
    axes: dict[str, Axis] = {}
    for value in inputs:
        shape = shape_of(value) or ()
        for place, dim in enumerate(shape):
            if not isinstance(dim, int):
                symbol = symbol_of(value, place, dim)
                axes.setdefault(symbol, Axis(symbol, _role(symbol, place, len(shape), dim is None)))
    return list(axes.values())


def symbol_of(value: ir.Value, place: int, dim: str | None) -> str:
    if dim is not None:
        return dim
    return "batch" if place == 0 else f"{value.name}:{place}"


def _role(symbol: str, place: int, rank: int, anonymous: bool) -> str:
    if BATCH.search(symbol) or (place == 0 and anonymous):
        return "batch"
    if place >= 2 and rank >= 4 and not TIME.search(symbol):
        return "volume" if rank == 5 else "image"
    if place == 0 and rank >= 2 and not TIME.search(symbol):
        return "batch"
    return "other"


def first_sizes(axes: Sequence[Axis], accepts: Accepts) -> Sizes:
    """The first candidates that the model runs at; when it runs at none, the very first (and it will say why)."""
    tries = max((len(FIRST[axis.role]) for axis in axes), default=0)
    candidates = [
        {axis.symbol: FIRST[axis.role][min(index, len(FIRST[axis.role]) - 1)] for axis in axes}
        for index in range(tries)
    ]
    return _accepted(candidates, accepts) if candidates else {}


def second_sizes(axes: Sequence[Axis], first: Sizes, accepts: Accepts) -> Iterator[tuple[str, Sizes]]:
    """For each free axis a name such as ``batch = 3`` and the sizes with that axis changed."""
    for axis in axes[:MAX_AXES]:
        candidates = [{**first, axis.symbol: size} for size in SECOND[axis.role] if size != first[axis.symbol]]
        sizes = _accepted(candidates, accepts)
        yield f"{axis.symbol} = {sizes[axis.symbol]}", sizes
    if len(axes) > MAX_AXES:
        rest = {axis.symbol: SECOND[axis.role][0] for axis in axes[MAX_AXES:]}
        yield "all further free axes", {**first, **rest}


def _accepted(candidates: Sequence[Sizes], accepts: Accepts) -> Sizes:
    return next((sizes for sizes in candidates if accepts(sizes)), candidates[0])
