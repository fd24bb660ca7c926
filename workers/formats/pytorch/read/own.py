"""Operators of the user's own libraries that a function stands for: their tensors, those of lists one by one."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from workers.formats.custom import Call
from workers.formats.pytorch.read.layer import Layer, reads
from workers.hub.graph import GraphBuilder, Value


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer, *args: Any, **kwargs: Any) -> Value | tuple[Value, ...]:
    """Settings are the other arguments: ``arg1`` is the second one, unless the program gives its name."""
    given = {**{f"arg{place}": arg for place, arg in enumerate(args)}, **kwargs}
    xs: list[Value] = []
    settings = {}
    for name, value in given.items():
        if isinstance(value, ir.Value):
            xs.append(value)
        elif isinstance(value, list | tuple) and value and all(isinstance(item, ir.Value) for item in value):
            xs += value
        else:
            settings[name] = value
    results = call(g, layer, xs, settings=settings)
    return results[0] if len(results) == 1 else tuple(results)
