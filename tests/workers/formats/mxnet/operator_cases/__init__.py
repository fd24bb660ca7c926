"""The graphs that record_operators.py records, one small one for each operator and each attribute that changes it.

Imported by MXNet's own Python (3.8) only. An input is given as a function (random state, batch) -> array.
"""

import mxnet as mx
import numpy as np

CASES = []
VARIABLES = {}


def case(name, build, params=None, numpy=False, eager=None, **inputs):
    """``build`` makes the symbol; arguments that are no inputs are drawn at random, or given in ``params``.

    ``eager`` computes the outputs from arrays where a bound graph cannot: shapes that only the run tells.
    """
    CASES.append((name, build, params or {}, numpy, eager, inputs))


def v(name, **kw):
    """The variable of this name; within a graph always the same."""
    if name not in VARIABLES:
        VARIABLES[name] = mx.sym.var(name, **kw)
    return VARIABLES[name]


def resize(shape, n):
    """'N' stands for the batch."""
    return tuple(n if size == "N" else size for size in shape)


def normal(*shape):
    return lambda r, n: r.normal(0, 1, resize(shape, n)).astype("f4")


def positive(*shape):
    return lambda r, n: r.uniform(0.3, 3, resize(shape, n)).astype("f4")


def unit(*shape):
    return lambda r, n: r.uniform(-0.95, 0.95, resize(shape, n)).astype("f4")


def steps(*shape):
    """Multiples of a half: ties for everything that rounds."""
    return lambda r, n: (r.randint(-9, 10, resize(shape, n)) / 2.0).astype("f4")


def whole(low, high, *shape, dtype="f4"):
    return lambda r, n: r.randint(low, high, resize(shape, n)).astype(dtype)


def distinct(*shape):
    """No two values are equal, so that sorting has one answer."""
    return lambda r, n: r.permutation(int(np.prod(resize(shape, n)))).reshape(resize(shape, n)).astype("f4") / 7


def values(*data, dtype="f4"):
    return lambda r, n: np.asarray(data, dtype)
