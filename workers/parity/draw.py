"""Inputs drawn at random to suit their element type, shape and consumers; the same seed draws the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import LimitExceeded
from workers.hub.node import shape_of
from workers.parity.domains import Domain, domain_of
from workers.parity.samples import Sample
from workers.parity.sizes import Sizes, first_sizes, free_axes, second_sizes, symbol_of

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

LIMIT = 2 << 30
"""Bytes of the inputs of one sample."""

UNKNOWN_RANK = 1
SMALL_INTEGERS = 10
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")


def draw(
    model: ir.Model, *, seed: int = 0, count: int = 2, accepts: Callable[[Arrays], bool] | None = None
) -> list[Sample]:
    """``count`` samples at one size, the odd ones normal, the even ones uniform; then one a free axis at a second size.

    ``accepts`` says whether the model runs on given inputs: with it, sizes of free axes are chosen that work. Raises
    LimitExceeded when the inputs alone would have more than 2 GiB.
    """
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    domains = {value.name or "": domain_of(value) for value in inputs}

    def sample(name: str, index: int, sizes: Sizes) -> Sample:
        arrays = {
            value.name or "": _array(
                value, domains[value.name or ""], sizes, np.random.default_rng([seed, index, at]), index
            )
            for at, value in enumerate(inputs)
        }
        return Sample(name, "drawn", arrays, seed=seed)

    def fits(sizes: Sizes) -> bool:
        return accepts is None or accepts(sample("", 0, sizes).inputs)

    _refuse_huge(inputs)
    axes = free_axes(inputs)
    first = first_sizes(axes, fits)
    samples = [sample(f"drawn {index + 1}", index, first) for index in range(count)]
    for name, sizes in second_sizes(axes, first, fits):
        samples.append(sample(name, len(samples), sizes))
    return samples


def _refuse_huge(inputs: list[ir.Value]) -> None:
    size = sum(
        math.prod(dim for dim in shape_of(value) or () if isinstance(dim, int))
        * (value.dtype or ir.DataType.FLOAT).itemsize
        for value in inputs
    )
    if size > LIMIT:
        raise LimitExceeded("memory", f"One input sample of the model would take {int(size):,} bytes", limit=LIMIT)


def _array(value: ir.Value, domain: Domain, sizes: Sizes, random: np.random.Generator, index: int) -> Array:
    dims = shape_of(value)
    if dims is None:
        dims = (SMALL_INTEGERS,) * UNKNOWN_RANK
    shape = tuple(
        dim if isinstance(dim, int) else sizes.get(symbol_of(value, place, dim), 1) for place, dim in enumerate(dims)
    )
    dtype = value.dtype or ir.DataType.FLOAT
    if dtype == ir.DataType.STRING:
        return random.choice(np.array(WORDS, object), shape)
    return np.asarray(_numbers(domain, dtype.numpy(), shape, random, index)).astype(dtype.numpy())


def _numbers(
    domain: Domain, dtype: np.dtype[Any], shape: tuple[int, ...], random: np.random.Generator, index: int
) -> Array:
    """Values of the domain, not yet of the element type."""
    if dtype == np.bool_ or domain.kind == "indicator":
        return random.integers(0, 2, shape)
    if domain.kind in ("mask", "continues"):
        return _mask(shape, random, index, begins=domain.kind == "continues")
    if domain.kind == "index":
        return random.integers(domain.low, domain.high, shape)
    if domain.kind != "free":
        low, high = {"positive": (0.1, 2.0), "unit": (-0.9, 0.9), "above_one": (1.1, 3.0)}[domain.kind]
        return random.uniform(low, high, shape)
    if dtype.kind in "iu" or domain.integral:
        return _integers(dtype, shape, random)
    if dtype.kind == "c":
        return random.standard_normal(shape) + 1j * random.standard_normal(shape)
    return random.standard_normal(shape, np.float32) if index % 2 == 0 else random.random(shape, np.float32)


def _integers(dtype: np.dtype[Any], shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Bytes take all their values, as pixels do; wider integers are small, as counts and indices are."""
    if dtype.kind in "iu" and dtype.itemsize == 1:
        bounds = np.iinfo(dtype)
        return random.integers(bounds.min, int(bounds.max) + 1, shape)
    return random.integers(0, SMALL_INTEGERS, shape)


def _mask(shape: tuple[int, ...], random: np.random.Generator, index: int, *, begins: bool) -> Array:
    """All ones in the first sample, some zeros in the others; ``begins`` puts zeros in front, where sequences begin."""
    rows = np.ones(shape) if index == 0 else (random.random(shape) > 0.3).astype(np.float64)
    if begins and shape:
        rows[0] = 0
    return rows
