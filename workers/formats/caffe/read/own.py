"""Layers that a function of the user's stands for: its bottoms, then its blobs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.formats.custom import Call
from workers.hub.graph import GraphBuilder
from workers.inspect.schema import Message


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Settings are the fields of the layer's own parameter messages, and what ``param_str`` of a Python layer says."""
    blobs = [layer.weight(g, index, _shape(layer, index), f"blob{index}") for index in range(len(layer.stored))]
    settings = dict(_fields(layer.record))
    settings |= {key: value for key, value in _said(settings.get("param_str")).items() if key not in settings}
    return call(g, layer, xs, blobs, settings)


def _shape(layer: Layer, index: int) -> tuple[int, ...]:
    """A blob's shape; old files have four axes for all, the first of them 1."""
    shape: tuple[int, ...] = layer.array(index).shape
    while layer.stored[index].legacy and len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _fields(record: Message) -> Iterator[tuple[str, Any]]:
    for entry, value in record.fields():
        if entry.kind == "message" and not entry.repeated and entry.name.endswith("_param"):
            yield from ((inner.name, item) for inner, item in value.fields() if inner.kind != "message")


def _said(text: Any) -> Mapping[str, Any]:
    """A dictionary written in Python's or JSON's words, without running any of it."""
    try:
        found = ast.literal_eval(text) if isinstance(text, str) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}
