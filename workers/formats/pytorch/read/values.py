"""Tensors as PyTorch has them: names of values that in-place operators change, and views that see the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from workers.hub.graph import Value


@dataclass(frozen=True, slots=True)
class Affine:
    """How a quantised tensor's integers stand for numbers: (q - zero_point) * scale, per tensor or along ``axis``."""

    scale: Value
    zero_point: Value
    axis: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How a tensor looks into ``base``: ``redo`` makes it from the base's value, ``undo`` puts a new value back."""

    base: Tensor
    redo: Callable[[Value], Value]
    undo: Callable[[Value, Value], Value] | None
    operator: str


_BIRTHS = count()


def now() -> int:
    """A number between the births of the tensors made before and after."""
    return next(_BIRTHS)


class Tensor:
    """A mutable name for an immutable ONNX value. ``affine`` is set for quantised ones."""

    __slots__ = ("_value", "affine", "born", "seen", "version", "view")

    def __init__(self, value: Value, affine: Affine | None = None, view: View | None = None) -> None:
        self._value = value
        self.affine = affine
        self.view = view
        self.born = next(_BIRTHS)
        self.version = 0
        self.seen = view.base.stamp() if view else 0

    def stamp(self) -> int:
        """A number that grows when this tensor, or what it looks into, is changed."""
        return self.version + (self.view.base.stamp() if self.view else 0)

    @property
    def value(self) -> Value:
        """Today's value; a view is taken again when its base was changed since."""
        if self.view is not None and self.view.base.stamp() != self.seen:
            self._value = self.view.redo(self.view.base.value)
            self.seen = self.view.base.stamp()
        return self._value

    def put(self, value: Value, changed: Callable[[Tensor], None]) -> None:
        """Make ``value`` this tensor's content, and that of what it looks into. ``changed`` is told each tensor."""
        changed(self)
        if self.view is not None:
            base = self.view.base
            if self.view.undo is None:
                raise NotWritable(self.view.operator)
            base.put(self.view.undo(base.value, value), changed)
            self.seen = base.stamp()
        else:
            self.version += 1
        self._value = value

    def restore(self, value: Value) -> None:
        """Forget what a branch did."""
        self._value = value
        self.version += 1
        if self.view is not None:
            self.seen = self.view.base.stamp()


class NotWritable(Exception):
    """An in-place operator changes a tensor through a view whose way back is not known."""
