"""Architectures as text: JSON, or the YAML that Keras 1 and 2 wrote, into plain records, bounded in size and depth."""

from __future__ import annotations

import json
from typing import Any

from workers.errors import LimitExceeded, MalformedModel

SIZE, DEPTH, ITEMS = 256 << 20, 100, 5_000_000
YAML_SIZE = 16 << 20


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
    from workers.formats.keras import yaml_text  # few models need it, and it takes its time to load

    try:
        value = yaml_text.load(text)
    except (yaml_text.Damaged, RecursionError, ValueError, TypeError, OverflowError) as error:
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
