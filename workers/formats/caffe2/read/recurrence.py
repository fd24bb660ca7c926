"""What a RecurrentNetwork says, and the states that it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from workers.formats.caffe2.operators import Net
from workers.formats.caffe2.read.layer import Layer, Value
from workers.hub.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class Link:
    """Inside the step ``internal`` is what stands at [t + offset] of ``external``."""

    internal: str
    external: str
    offset: int


@dataclass(frozen=True, slots=True)
class Alias:
    """The output ``name`` is the buffer of ``state`` from ``offset`` on, where negative ones count from the end."""

    state: str
    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The arguments of a RecurrentNetwork. ``initial``: by state the value that it starts from."""

    net: Net
    states: tuple[str, ...]
    initial: dict[str, Value]
    links: tuple[Link, ...]
    aliases: tuple[Alias, ...]
    timestep: str
    sequences: dict[str, Value]
    around: dict[str, Value]

    def step_input(self, state: str) -> str | None:
        return next((link.internal for link in self.links if link.external == state and link.offset == 0), None)

    def step_output(self, state: str) -> str | None:
        return next((link.internal for link in self.links if link.external == state and link.offset == 1), None)


class Buffers:
    """The states after every step [T, N, H], by which any alias can be answered."""

    def __init__(self, g: GraphBuilder, layer: Layer, initial: dict[str, Value]) -> None:
        self.g, self.layer, self.initial = g, layer, initial
        self.every: dict[str, Value] = {}
        self.last: dict[str, Value] = {}

    def __call__(self, state: str, offset: int) -> Value:
        """From ``offset`` of the buffer on, whose first row is the initial state."""
        if offset == -1:
            return self.last[state]
        if offset == 1:
            return self.every[state]
        whole = self.g.Concat(self.initial[state], self.every[state], axis=0)
        return whole if offset == 0 else self.g.Slice(whole, [offset], [2**31 - 1], [0])


def initial_state(g: GraphBuilder, layer: Layer, start: Value, batch: Value | list[int]) -> Value:
    """[1, N, H]; a vector starts every sequence of the batch, a matrix has a row for each."""
    rank = layer.rank(start, 1, 2, 3)
    if rank == 3:
        layer.same(layer.shape(start)[0], 1, "the number of its initial states")
        return start
    if rank == 2:
        return g.Unsqueeze(start, [0])
    width = layer.sizes(start)[0]
    count = g.constant(batch) if isinstance(batch, list) else batch
    return g.Expand(start, g.Concat([1], count, [width], axis=0))
