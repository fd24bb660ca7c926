"""What the tables of operators to record are made of: the list of cases, and random arrays."""

import numpy as np

CASES = []
RNG = np.random.default_rng(7)


def f(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def pos(*shape):
    return np.abs(f(*shape)) + np.float32(0.1)


def unit(*shape):
    return RNG.uniform(-0.9, 0.9, shape).astype(np.float32)


def ints(*shape, low=-9, high=9, dtype=np.int32):
    return RNG.integers(low, high, shape).astype(dtype)


def bools(*shape):
    return RNG.integers(0, 2, shape).astype(bool)


def case(name, build, free=True, **inputs):
    """``build`` gets placeholders by the inputs' names; ``free`` leaves axis 0 of every input open."""
    CASES.append((name, build, inputs, free))
