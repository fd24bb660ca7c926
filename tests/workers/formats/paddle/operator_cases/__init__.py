"""The small programs that record_operators.py records, one for each operator and each attribute that changes it.

Imported by Paddle's own Python only. An input is given as a function (random state, batch) -> array; "N" in its shape
is the batch.
"""

import numpy as np

CASES = []


def case(name, build, only=None, **inputs):
    """``build`` takes the input variables and gives the outputs. ``only``: "old" for 2.6, "new" for Paddle 3."""
    CASES.append((name, build, only, inputs))


class Drawn:
    """An input: how it is drawn, and which of its axes is the batch."""

    def __init__(self, shape, draw):
        self.shape, self.draw = shape, draw

    def __call__(self, rng, batch):
        return self.draw(rng, tuple(batch if size == "N" else size for size in self.shape))

    def declared(self):
        return [-1 if size == "N" else size for size in self.shape]


def normal(*shape):
    return Drawn(shape, lambda r, s: r.normal(0, 1, s).astype("f4"))


def positive(*shape):
    return Drawn(shape, lambda r, s: r.uniform(0.3, 3, s).astype("f4"))


def unit(*shape):
    return Drawn(shape, lambda r, s: r.uniform(-0.95, 0.95, s).astype("f4"))


def steps(*shape):
    """Multiples of a half: ties for everything that rounds."""
    return Drawn(shape, lambda r, s: (r.randint(-9, 10, s) / 2.0).astype("f4"))


def whole(low, high, *shape, dtype="i8"):
    return Drawn(shape, lambda r, s: r.randint(low, high, s).astype(dtype))


def distinct(*shape):
    return Drawn(shape, lambda r, s: r.permutation(int(np.prod(s))).reshape(s).astype("f4") / 7)


def truth(*shape):
    return Drawn(shape, lambda r, s: r.randint(0, 2, s).astype(bool))


def special(*shape):
    """Numbers with infinities and NaN among them."""

    def draw(r, s):
        x = r.normal(0, 1, s).astype("f4")
        x.reshape(-1)[:3] = np.inf, -np.inf, np.nan
        return x

    return Drawn(shape, draw)


def boxes(*shape, size=30.0):
    """Corners (x1, y1, x2, y2), at least a pixel large."""

    def draw(r, s):
        low = r.uniform(0, size * 0.6, (*s[:-1], 2))
        return np.concatenate([low, low + r.uniform(2, size * 0.4, (*s[:-1], 2))], -1).astype("f4")

    return Drawn(shape, draw)


def values(*data, dtype="f4"):
    return Drawn(np.shape(data), lambda r, s: np.asarray(data, dtype))
