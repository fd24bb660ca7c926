"""Tensors in Keras' words that lie in another order of axes in the ONNX graph.

Convolutions want their channels in axis 1, recurrent layers the time in axis 0. A tensor remembers how its value is
permuted, so that layers in a row hand it on as it is, and one Transpose stands where the order really changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Dim

Order = tuple[int, ...]


@dataclass(slots=True, eq=False)
class Tensor:
    """Axis i of ``value`` is Keras' axis ``order[i]``. ``mask`` [batch, time] is true where a step counts.

    ``flat``: a row that was flattened out of Keras' order: the sizes of the value's axes behind the batch before it was
    flattened, and Keras' axes they are.
    """

    value: Value
    order: Order
    mask: Value | None = None
    flat: tuple[tuple[int, ...], Order] | None = None
    forms: dict[Order, Value] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return len(self.order)

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Sizes in Keras' order."""
        sizes = GraphBuilder.shape(self.value)
        return tuple(sizes[self.order.index(axis)] for axis in range(self.rank))

    def place(self, axis: int) -> int:
        """Where Keras' axis lies in the value."""
        return self.order.index(axis % self.rank)

    def like(self, value: Value) -> Tensor:
        """A result that lies as this tensor does."""
        return Tensor(value, self.order, self.mask, self.flat)

    def to(self, g: GraphBuilder, order: Order) -> Value:
        """The value with its axes in this order; made once."""
        source = unflat(g, self) if self.flat is not None else self
        if source.order == order:
            return source.value
        found = self.forms.get(order)
        if found is None:
            found = self.forms[order] = _turned(g, source, order)
        return found

    def plain(self, g: GraphBuilder) -> Value:
        """The value in Keras' own order."""
        return self.to(g, tuple(range(self.rank)))

    def first(self, g: GraphBuilder) -> Value:
        """The value with Keras' last axis, the channels, behind the batch."""
        return self.to(g, channels_first(self.rank))


def channels_first(rank: int) -> Order:
    """The order in which Keras' last axis comes behind the batch."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 2 else tuple(range(rank))


def plain(value: Value, mask: Value | None = None) -> Tensor:
    """A tensor whose value lies as Keras has it."""
    return Tensor(value, tuple(range(len(GraphBuilder.shape(value)))), mask)


def moved(value: Value, mask: Value | None = None) -> Tensor:
    """A tensor whose value has the channels, Keras' last axis, behind the batch."""
    return Tensor(value, channels_first(len(GraphBuilder.shape(value))), mask)


def _turned(g: GraphBuilder, tensor: Tensor, order: Order) -> Value:
    """One Transpose; a Reshape where only axes of size 1 change places."""
    perm = [tensor.order.index(axis) for axis in order]
    sizes = g.shape(tensor.value)
    wide = [axis for axis in perm if sizes[axis] != 1]
    target = [sizes[axis] for axis in perm]
    if wide == sorted(wide) and sum(not isinstance(size, int) for size in target) <= 1:
        return g.Reshape(tensor.value, [size if isinstance(size, int) else -1 for size in target])
    return g.Transpose(tensor.value, perm=perm)


def unflat(g: GraphBuilder, tensor: Tensor) -> Tensor:
    """A flattened row in Keras' order."""
    assert tensor.flat is not None
    sizes, order = tensor.flat
    whole = g.Reshape(tensor.value, [-1, *sizes])
    turned = Tensor(whole, (0, *order)).plain(g)
    total = 1
    for size in sizes:
        total *= size
    return Tensor(g.Reshape(turned, [-1, total]), (0, 1), tensor.mask)
