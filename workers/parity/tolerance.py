"""How far two tensors may lie apart, by element type; an option of the user's replaces the defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.options import Tolerance

FLOAT32 = Tolerance(rtol=1e-4, atol=1e-5, cosine=0.99999)
# A hundred times looser, the share that may be lost of the cosine as well.
HALF = Tolerance(rtol=1e-2, atol=1e-3, cosine=0.999)
# Three bits of mantissa or fewer: one rounding step is up to a quarter of the value.
EIGHT_BITS = Tolerance(rtol=0.25, atol=2e-2, cosine=0.98)
EXACT = Tolerance(rtol=0.0, atol=0.0, cosine=-1.0)

INTEGERS = frozenset(["int4", "int8", "int16", "int32", "int64", "uint4", "uint8", "uint16", "uint32", "uint64"])
BY_DTYPE = {
    "float64": FLOAT32,
    "float32": FLOAT32,
    "complex64": FLOAT32,
    "complex128": FLOAT32,
    "float16": HALF,
    "bfloat16": HALF,
}


def tolerance_for(dtype: np.dtype[Any], chosen: Tolerance | None = None) -> Tolerance:
    """The bounds for tensors of ``dtype``; ``chosen`` are the user's, None the defaults.

    Booleans and strings are always exact. Integers are exact by default; of the user's bounds only ``atol`` holds for
    them, in units (steps of a quantised output), because a share of the largest index says nothing about an index.
    """
    if dtype.kind in "bOUST":
        return EXACT
    if dtype.name in INTEGERS:
        return EXACT if chosen is None else Tolerance(rtol=0.0, atol=chosen.atol, cosine=-1.0)
    if chosen is not None:
        return chosen
    return BY_DTYPE.get(dtype.name, EIGHT_BITS)
