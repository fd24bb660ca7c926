"""A net as its parser makes it: layers, the calls they are used in, and references to their results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """Output ``tensor`` of call ``node`` of a layer."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer: nested lists and records of constants and ``Ref`` as the layer's ``call`` takes them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(slots=True)
class Spec:
    """One layer. ``type`` is the class name as the file has it, ``kind`` the key of its reading rule.

    ``inner`` are the layers in its own configuration, by the attribute of the object that holds them. ``first`` is
    the number of its first call: tf.keras counts the making of a nested model as call 0. ``shared`` tells the same
    layer in several models.
    """

    name: str
    type: str
    kind: str
    config: dict[str, Any]
    generation: int
    module: str = ""
    registered: str = ""
    build: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    net: Net | None = None
    inner: dict[str, Spec] = field(default_factory=dict)
    first: int = 0
    shared: int | None = None


@dataclass(slots=True)
class Net:
    """``inputs`` and ``outputs`` are nested as the model takes and gives them; ``labels`` name dictionary outputs."""

    name: str
    layers: list[Spec]
    inputs: list[Ref]
    outputs: list[Ref]
    labels: list[str] | None = None
    sequential: bool = False

    @property
    def by_name(self) -> dict[str, Spec]:
        return {spec.name: spec for spec in self.layers}


def refs(item: Any) -> Iterator[Ref]:
    """Every tensor in nested arguments, in order."""
    if isinstance(item, Ref):
        yield item
    elif isinstance(item, Call):
        yield from refs(list(item.args))
        yield from refs(item.kwargs)
    elif isinstance(item, dict):
        for inner in item.values():
            yield from refs(inner)
    elif isinstance(item, list | tuple):
        for inner in item:
            yield from refs(inner)
