"""What a reading function sees: the registry and one layer with its options and its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.errors import LimitExceeded
from workers.formats.darknet.file import Array, decimal, whole
from workers.formats.darknet.net import ALEXEYAB, Step
from workers.formats.darknet.weights import Cursor
from workers.formats.layer import SourceLayer
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim
from workers.inspect.budget import BUDGET

Value = ir.Value
Rule = Callable[..., Value]
reads: Reads[Rule] = Reads("Darknet")

# Sizes of kernels, strides and windows beyond this are no net's.
WINDOW = 1 << 14


@dataclass(frozen=True, slots=True)
class Variant:
    """What the files do not say outright: whose ``fork`` computes, and whether pooling is that before August 2018."""

    fork: str
    old_pooling: bool = False

    @property
    def alexeyab(self) -> bool:
        return self.fork == ALEXEYAB


@dataclass(slots=True)
class Scope:
    """What all layers of a pass share.

    ``image``: height and width of the net's input; ``steps``: time steps, None when that axis is free; ``streams``:
    sequences side by side; ``shared``: parameters of convolutions by layer, for those that borrow them.
    """

    variant: Variant
    cursor: Cursor
    trees: Mapping[str, tuple[int, ...]]
    data: Value
    image: tuple[Dim, Dim]
    file: str
    steps: int | None = 1
    streams: int = 1
    decode: bool = False
    shared: dict[int, Any] = field(default_factory=dict)
    boxes: list[Value] = field(default_factory=list)
    scores: list[Value] = field(default_factory=list)
    anchors: int = 0


class Layer(SourceLayer):
    """One layer: ``layer.whole("stride", 1)`` reads its options, ``layer.weight`` takes its parameters in order."""

    system = "darknet"

    def __init__(self, step: Step, scope: Scope) -> None:
        super().__init__(step.name, step.type, scope.file, [])
        self.step = step
        self.index = step.index
        self.scope = scope
        self.variant = scope.variant
        self.options = step.section.options

    @property
    def place(self) -> str:
        return f"line {self.step.section.line}"

    # --- options ------------------------------------------------------------------------------------------------------

    def whole(self, key: str, default: int = 0) -> int:
        """The whole number of ``key`` as atoi reads it."""
        if key not in self.options:
            return default
        try:
            return whole(self.options[key])
        except ValueError as error:
            raise self.malformed(f"{key}: {error}") from error

    def positive(self, key: str, default: int = 1) -> int:
        number = self.whole(key, default)
        if number < 1:
            raise self.malformed(f"{key}={number} must be positive")
        return number

    def window(self, key: str, default: int = 1, least: int = 1) -> int:
        """A kernel's size, a stride or a padding: bounded."""
        number = self.whole(key, default)
        if number < least:
            raise self.malformed(f"{key}={number} must be at least {least}")
        if number > WINDOW:
            raise LimitExceeded(
                "size", f"layer {self.name!r}: {key}={number:,}", limit=WINDOW, file=self.scope.file, layer=self.name
            )
        return number

    def number(self, key: str, default: float) -> float:
        """The number of ``key`` as atof reads it."""
        return decimal(self.options[key]) if key in self.options else default

    def numbers(self, key: str) -> list[float]:
        return [decimal(word) for word in self.options[key].split(",")] if key in self.options else []

    def indices(self, key: str) -> list[int]:
        try:
            return [whole(word) for word in self.options[key].split(",")] if key in self.options else []
        except ValueError as error:
            raise self.malformed(f"{key}: {error}") from error

    def word(self, key: str, default: str) -> str:
        return self.options.get(key, default)

    # --- shapes -------------------------------------------------------------------------------------------------------

    def sizes(self, x: Value) -> tuple[int, ...]:
        """All sizes but the batch, which must be fixed."""
        sizes = []
        for size in GraphBuilder.shape(x)[1:]:
            if not isinstance(size, int):
                raise self.free("it needs the size of its input")
            sizes.append(size)
        return tuple(sizes)

    def image(self, g: GraphBuilder, x: Value) -> Value:
        """The input as [N, C, H, W].

        A vector [N, C], which a connected layer makes, has one pixel; of AlexeyAB's region, [N, H, W, anchors, values],
        the next layer takes the buffer as it is for an image.
        """
        rank = GraphBuilder.rank(x)
        if rank == 2:
            return g.Reshape(x, [0, self.sizes(x)[0], 1, 1])
        if rank == 5:
            height, width, anchors, values = self.sizes(x)
            return g.Reshape(x, [0, anchors * values, height, width])
        return x

    def channels(self, x: Value) -> int:
        """Channels of an input of any rank; they are always fixed."""
        size = GraphBuilder.shape(x)[1]
        assert isinstance(size, int)
        return size

    def plane(self, x: Value) -> tuple[Dim, ...]:
        """Height and width, either of which may be free."""
        return GraphBuilder.shape(x)[2:]

    def flat(self, g: GraphBuilder, x: Value) -> Value:
        """The input as [N, C*H*W], in Darknet's order of memory."""
        return x if GraphBuilder.rank(x) == 2 else g.Reshape(x, [0, math.prod(self.sizes(x))])

    def out(self, size: Dim, padding: int, kernel: int, stride: int) -> Dim:
        """(size + padding - kernel) / stride + 1, ``padding`` being that of both sides; a free size stays free."""
        if not isinstance(size, int):
            return None
        if size + padding < kernel:
            raise self.malformed(f"its kernel of {kernel} is larger than its input of {size} with padding {padding}")
        return (size + padding - kernel) // stride + 1

    def budget(self, *sizes: int) -> None:
        """Raises LimitExceeded before a tensor of these sizes (without the batch) comes into being."""
        elements = math.prod(sizes)
        if elements > BUDGET.value:
            raise LimitExceeded(
                "memory", f"layer {self.name!r} would make {elements:,} elements", limit=BUDGET.value,
                file=self.scope.file, layer=self.name,
            )  # fmt: skip

    # --- parameters ---------------------------------------------------------------------------------------------------

    def take(self, *shape: int) -> Array:
        """The next parameters of the file, a view on it."""
        return self.scope.cursor.take(shape, self.name)

    def computed(self, shape: Sequence[int], make: Callable[[], Array]) -> Array:
        """An array made from parameters; none is made when the file turned out too short for the net."""
        if self.scope.cursor.lacking:
            return np.broadcast_to(np.float32(0), tuple(shape))
        with np.errstate(all="ignore"):
            return np.ascontiguousarray(make(), np.float32)

    def weight(self, g: GraphBuilder, label: str, array: Array) -> Value:
        """``array`` as an initialiser called ``<layer>.<label>``."""
        return g.weight(f"{self.name}.{label}", array)
