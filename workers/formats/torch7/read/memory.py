"""Torch's tensors as modules see them: several may share memory, and in-place modules write into it.

``ConcatTable{Sequential{ReLU(true), conv}, Identity}`` hands relu(x) to both branches. A module that returns its very
input returns the same ``Ref``; one that returns a view returns a ``View``; values are read when the consumer runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import onnx_ir as ir

Value = ir.Value
Take = Callable[[Value], Value]
Put = Callable[[Value, Value], Value]


class Ref:
    """A tensor's memory: its present value, and how often it was written."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self._version = 0

    @property
    def version(self) -> int:
        return self._version

    def read(self) -> Value:
        return self._value

    def write(self, value: Value) -> None:
        self._value = value
        self._version += 1


class View(Ref):
    """A part, or another shape, of another tensor's memory.

    ``take`` makes the view's value from the base's; ``put`` the base's new value from its old one and the view's new.
    """

    def __init__(self, base: Ref, take: Take, put: Put) -> None:
        super().__init__(take(base.read()))
        self._base, self._take, self._put = base, take, put
        self._seen = base.version

    @property
    def version(self) -> int:
        return self._base.version

    def read(self) -> Value:
        if self._seen != self._base.version:
            self._value, self._seen = self._take(self._base.read()), self._base.version
        return self._value

    def write(self, value: Value) -> None:
        self._base.write(self._put(self._base.read(), value))
        self._value, self._seen = value, self._base.version


class Missing:
    """What comes out of a module that could not be read; nothing that takes it is read either."""


Data: TypeAlias = Ref | Missing | list["Data"]


def is_missing(data: Data) -> bool:
    """Whether anything in ``data`` is missing."""
    if isinstance(data, list):
        return any(is_missing(item) for item in data)
    return isinstance(data, Missing)
