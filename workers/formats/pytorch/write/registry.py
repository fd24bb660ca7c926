"""The registry that the families fill, and the conditions that hold for every operator alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.formats.pytorch.write.types import TYPES, D
from workers.formats.rules import Condition, Writes
from workers.hub.node import Node

Write = Callable[[Any, Node], None]

# What would need unsigned 64-bit division, and is too rare to be written for it.
DIVIDING = frozenset({"Mean", "ReduceMean"})

# These compare: unsigned 64-bit integers, carried by signed ones, are compared with their highest bit flipped.
COMPARING = frozenset({
    "ArgMax", "ArgMin", "Clip", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "ReduceMax",
    "ReduceMin", "TopK", "Unique",
})  # fmt: skip


class TorchWrites(Writes[Write]):
    """As ``Writes``; any node that touches an element type which PyTorch has not is refused."""

    def why_not(self, node: Node) -> str | None:
        return super().why_not(node) or self.type_refused(node)

    def type_refused(self, node: Node) -> str | None:
        """The reason, when the node touches an element type that PyTorch does not have."""
        for value in (*node.inputs, *node.outputs):
            dtype = None if value is None else value.dtype
            if dtype is D.STRING:
                return "PyTorch has no tensors of strings"
            if dtype is not None and dtype is not D.UNDEFINED and dtype not in TYPES:
                return f"PyTorch has no tensors of {dtype.name}"
        if node.op in DIVIDING and node.dtype() is D.UINT64:
            return "PyTorch cannot divide unsigned 64-bit integers"
        return None


WRITES = TorchWrites("pytorch")
writes = WRITES


def all_of(*conditions: Condition) -> Condition:
    """The first reason that any of ``conditions`` gives."""

    def condition(node: Node) -> bool | str:
        for one in conditions:
            verdict = one(node)
            if verdict is not True:
                return verdict
        return True

    return condition


def rank_known(node: Node) -> bool | str:
    return node.rank is not None or "the rank of its input is unknown"


def constant(index: int, what: str) -> Condition:
    """Input ``index``, when it is there, must be an initialiser."""

    def condition(node: Node) -> bool | str:
        return node.input(index) is None or node.const(index) is not None or f"{what} is computed at run time"

    return condition


def attribute_in(name: str, default: str, reasons: Mapping[str, str]) -> Condition:
    """String attribute ``name`` must not be a key of ``reasons``."""
    return lambda node: reasons.get(node.s(name, default), True)
