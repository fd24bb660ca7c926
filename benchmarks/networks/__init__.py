"""Full-size networks with random weights, one module a system, each with ``generate(folder) -> Network``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Network:
    """An upload: ``files`` in the user's order and the ``options`` that it needs."""

    title: str
    files: tuple[Path, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files)


class Weights:
    """Random parameters scaled so that activations neither vanish nor grow."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def kernel(self, *shape: int) -> Array:
        """He's initialisation of [out, in, ...]."""
        return self._random.standard_normal(shape, np.float32) * np.float32((2 / np.prod(shape[1:])) ** 0.5)

    def small(self, *shape: int) -> Array:
        return self._random.standard_normal(shape, np.float32) * np.float32(0.01)

    def positive(self, *shape: int) -> Array:
        """Scales and variances around one."""
        return self._random.uniform(0.8, 1.2, shape).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Block:
    """One bottleneck of a residual network: 1x1 to ``width``, 3x3 with ``stride``, 1x1 to 4 * ``width``."""

    name: str
    channels: int
    width: int
    stride: int
    projects: bool


def branches(convolution: Callable[..., T], block: Block, x: T, join: str) -> tuple[T, T]:
    """A block's three convolutions and its shortcut, which are then to be added.

    ``convolution(name, x, width, size, stride, relu=True)`` makes one; ``join`` stands between the parts of a name.
    """
    name, shortcut = block.name + join, x
    if block.projects:
        shortcut = convolution(f"{name}shortcut", x, 4 * block.width, 1, block.stride, relu=False)
    y = convolution(f"{name}conv1", x, block.width, 1, 1)
    y = convolution(f"{name}conv2", y, block.width, 3, block.stride)
    return convolution(f"{name}conv3", y, 4 * block.width, 1, 1, relu=False), shortcut


def bottlenecks(depths: Sequence[int]) -> Iterator[Block]:
    """The blocks of ResNet with ``depths`` blocks in its four stages: (3, 8, 36, 3) is ResNet-152."""
    channels = 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        for index in range(depth):
            stride = 2 if stage and not index else 1
            yield Block(f"stage{stage + 1}_unit{index + 1}", channels, width, stride, not index)
            channels = 4 * width


VGG_16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
