"""YAML as Keras 1 and 2 wrote it: plain data, and what their Python put among it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

Damaged = yaml.YAMLError
# numpy's name of a type -> struct's; all of them little-endian.
_NUMBERS = {"i4": "<i", "i8": "<q", "f4": "<f", "f8": "<d", "b1": "<?", "i2": "<h", "i1": "<b", "u1": "<B"}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only. ``!!python/tuple`` is a list; any other tag of Python's is refused by the parser itself."""


def _sequence(loader: _Loader, node: yaml.nodes.Node) -> list[Any]:
    assert isinstance(node, yaml.nodes.SequenceNode)
    return list(loader.construct_sequence(node, deep=True))


def _scalar(loader: _Loader, node: yaml.nodes.Node) -> float | int | bool:
    """numpy's numbers, which Keras wrote among a layer's sizes: [dtype, bytes]. No code is looked up by name.

    Raises yaml.YAMLError for anything but one number.
    """
    parts = node.value if isinstance(node, yaml.nodes.SequenceNode) else []
    words = [leaf.value for leaf in _leaves(parts[0])] if len(parts) == 2 else []
    word = next((word for word in words if word in _NUMBERS), None)
    raw = loader.construct_yaml_binary(parts[1]) if word and isinstance(parts[1], yaml.nodes.ScalarNode) else b""
    if word is None or len(raw) != struct.calcsize(_NUMBERS[word]):
        raise yaml.constructor.ConstructorError(None, None, "a number of numpy's is damaged", node.start_mark)
    found: float | int | bool = struct.unpack(_NUMBERS[word], raw)[0]
    return found


def _leaves(node: yaml.nodes.Node) -> Iterator[yaml.nodes.ScalarNode]:
    if isinstance(node, yaml.nodes.ScalarNode):
        yield node
    elif isinstance(node, yaml.nodes.CollectionNode):
        for item in node.value:
            for inner in item if isinstance(item, tuple) else (item,):
                yield from _leaves(inner)


for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _Loader.add_constructor(f"tag:yaml.org,2002:python/object/apply:{_module}.scalar", _scalar)
_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _sequence)


def load(text: str) -> Any:
    """The value of a text. Raises Damaged, also for tags that would build Python objects."""
    return yaml.load(text, Loader=_Loader)
