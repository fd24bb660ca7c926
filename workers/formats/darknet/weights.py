"""The parameters as they come from the weights file: one after the other, in the order of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.formats.darknet.file import Array, Header
from workers.inspect.budget import check_declared


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file: its header and its float32 parameters, a view on the mapped file."""

    file: str
    header: Header
    values: Array


@dataclass(slots=True)
class Cursor:
    """Where in the file the reader stands.

    Beyond the end it hands out zeros that take no memory and counts on, so that what the net needs in all can be told.
    """

    weights: Weights
    at: int = 0
    starved: dict[str, None] = field(default_factory=dict)

    def take(self, shape: Sequence[int], layer: str) -> Array:
        """The next parameters as an array of this shape: a view on the file. Raises LimitExceeded for absurd sizes."""
        count = check_declared(layer, shape, self.weights.file)
        start = self.at
        self.at = start + count
        if self.at > self.weights.values.size:
            self.starved[layer] = None
            return np.broadcast_to(np.float32(0), tuple(shape))
        return self.weights.values[start : self.at].reshape(tuple(shape))

    @property
    def lacking(self) -> bool:
        """Whether some parameter asked for is not in the file."""
        return bool(self.starved)

    @property
    def fits(self) -> bool:
        return self.at == self.weights.values.size

    @property
    def needed(self) -> int:
        """Bytes of the file that the layers so far need, the header included."""
        return self.weights.header.size + 4 * self.at

    @property
    def present(self) -> int:
        return self.weights.header.size + 4 * self.weights.values.size
