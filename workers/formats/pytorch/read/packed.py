"""Packed parameters of quantised layers: what the objects hold that quantised convolutions and dense layers take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.errors import MalformedModel
from workers.formats.pytorch.read.values import Affine, Tensor
from workers.formats.pytorch.tensors import Stored
from workers.hub.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class Packed:
    """A quantised weight with its bias (float32 or None), and a convolution's settings."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    output_padding: tuple[int, ...] = ()
    transpose: bool = False


def affine_of(g: GraphBuilder, stored: Stored, scales: Any, zeros: Any) -> Affine:
    """Scale and zero point of a stored quantised tensor, numbers or arrays along an axis."""
    spec = stored.quantised
    assert spec is not None
    dtype = {"qint8": np.int8, "quint8": np.uint8}.get(stored.dtype, np.int32)
    scale, zero = np.asarray(scales, np.float32), np.asarray(zeros).astype(dtype)
    return Affine(g.constant(scale), g.constant(zero), spec.axis)


def unpacked(name: str, state: Any) -> Any:
    """A pickled packed-parameters object: (weight, bias), or (version, [settings, weight], [None, bias])."""
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Tensor):
        return Packed(state[0], state[1])
    if not (isinstance(state, tuple) and len(state) == 3 and isinstance(state[1], list | tuple)):
        raise MalformedModel(f"{name} is packed in a way that is not known")
    settings, weight = state[1][0], state[1][1]
    bias = state[2][-1] if state[2] else None
    known = GraphBuilder.const(settings.value)
    if known is None:
        raise MalformedModel(f"the settings of {name} are not stored")
    numbers = [int(item) for item in known.ravel()]
    axes = numbers[0]
    parts = [tuple(numbers[1 + axes * i : 1 + axes * (i + 1)]) for i in range(4)]
    groups, transpose = numbers[1 + 4 * axes], bool(numbers[2 + 4 * axes])
    return Packed(weight, bias, parts[0], parts[1], parts[2], groups, parts[3], transpose)
