"""What small constants make is computed at once, so that shapes and positions derived from them are numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.fold import evaluate

ELEMENTS = 4096
_RANDOM = frozenset({"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli",
                     "Multinomial"})  # fmt: skip


def fold(g: GraphBuilder, start: int, result: Any) -> Any:
    """``result`` of the nodes made since ``start``, as constants if only small constants went into them."""
    made = g.made[start:]
    values = [item for item in (result if isinstance(result, list | tuple) else [result]) if isinstance(item, ir.Value)]
    own = {id(output) for node in made for output in node.outputs}
    if not made or not values or not all(id(value) in own for value in values) or not _constant(made, own):
        return result
    arrays = _computed(made, values)
    if arrays is None:
        return result
    g.graph.remove(made)
    del g.made[start:]
    replaced = {id(value): g.constant(array) for value, array in zip(values, arrays, strict=True)}
    if isinstance(result, ir.Value):
        return replaced[id(result)]
    items = [replaced.get(id(item), item) for item in result]
    return items if isinstance(result, list) else tuple(items)


def _constant(made: list[ir.Node], own: set[int]) -> bool:
    for node in made:
        if node.op_type in _RANDOM or any(a.type in (ir.AttributeType.GRAPH,) for a in node.attributes.values()):
            return False
        for value in node.inputs:
            if value is None or id(value) in own:
                continue
            if value.const_value is None or value.is_graph_input() or value.const_value.size > ELEMENTS:
                return False
    return all(_small(output) for node in made for output in node.outputs)


def _small(value: Value) -> bool:
    """Whether the shape is known and of few elements."""
    shape = value.shape
    if shape is None or value.dtype in (None, ir.DataType.BFLOAT16) or not all(isinstance(dim, int) for dim in shape):
        return False
    return int(np.prod([dim for dim in shape if isinstance(dim, int)], dtype=np.int64)) <= ELEMENTS


def _computed(made: list[ir.Node], values: list[Value]) -> list[Any] | None:
    feeds: dict[str, Any] = {}
    for node in made:
        for value in node.inputs:
            if value is not None and value.const_value is not None:
                feeds[str(value.name)] = value.const_value.numpy()
    try:
        found = evaluate(made, feeds, values)
    except Exception:  # the evaluator lacks operators and forms; the nodes then stay
        return None
    return [np.asarray(array).astype(value.dtype.numpy()) for array, value in zip(found, values, strict=True) if
            value.dtype is not None]  # fmt: skip
