"""Architectures as text: JSON, or the YAML that Keras 1 and 2 wrote, into plain records, bounded in size and depth."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from workers.errors import LimitExceeded, MalformedModel

SIZE, DEPTH, ITEMS = 256 << 20, 100, 5_000_000
YAML_SIZE = 16 << 20


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


def parse_json(text: str, file: str) -> Any:
    """The value of a JSON text. Raises MalformedModel with line and column, LimitExceeded beyond the bounds."""
    if len(text) > SIZE:
        raise LimitExceeded(
            "size", f"the architecture in {file!r} has {len(text):,} characters", limit=SIZE, file=file
        )  # fmt: skip
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedModel(
            f"the architecture in {file!r} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            file=file,
        ) from error
    except (RecursionError, ValueError) as error:
        raise MalformedModel(f"the architecture in {file!r} cannot be parsed: {error}", file=file) from error
    _bound(value, file)
    return value


def parse_yaml(text: str, file: str) -> Any:
    """The value of a YAML text; tags that would build Python objects are refused."""
    if len(text) > YAML_SIZE:
        raise LimitExceeded("size", f"{file!r} has {len(text):,} characters of YAML", limit=YAML_SIZE, file=file)
    try:
        value = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError) as error:
        words = " ".join(str(error).split())[:300]
        raise MalformedModel(f"{file!r} is no YAML that Keras writes: {words}", file=file) from error
    _bound(value, file)
    return value


def _bound(value: Any, file: str) -> None:
    """Aliases make a small YAML text endless: count what is reachable, and how deep."""
    stack, count = [(value, 0)], 0
    while stack:
        item, depth = stack.pop()
        count += 1
        if depth > DEPTH or count > ITEMS:
            which = "depth" if depth > DEPTH else "members"
            raise LimitExceeded(
                which, f"the architecture in {file!r} nests deeper than {DEPTH} or has more than {ITEMS:,} values",
                limit=DEPTH if depth > DEPTH else ITEMS, file=file,
            )  # fmt: skip
        if isinstance(item, dict):
            stack.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            stack.extend((inner, depth + 1) for inner in item)
