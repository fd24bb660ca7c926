"""Nodes whose inputs are all known, evaluated on the spot by ONNX's reference implementation.

Rules and function bodies compute with constants (``Sqrt(2 / pi)``, ``CastLike(alpha, x)``); a target should see the
result only.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from workers.hub import IR_VERSION, OPSET
from workers.hub.node import Array, constant_of

# Elements that a folded result may have: sizes and scalars and bias vectors, not weights.
LIMIT = 1 << 20
# An Identity is there because its input may not be its output (a graph output must be computed): it stays.
STAYS = (
    "Identity",
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
)


def fold(node: ir.Node) -> list[Array] | None:
    """The arrays that ``node`` yields, or None when an input is computed or the result would be large."""
    if node.domain not in ("", "ai.onnx") or node.op_type in STAYS:
        return None
    if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
        return None
    arrays = {}
    for value in node.inputs:
        if value is None:
            continue
        array = constant_of(value)
        if array is None or array.size > LIMIT:
            return None
        arrays[str(value.name)] = array
    if not arrays or any(_elements(output) > LIMIT for output in node.outputs):
        return None
    return _evaluate(node, arrays)


def _elements(value: ir.Value) -> int:
    if value.shape is None:
        return 0
    return int(np.prod([dim if isinstance(dim, int) else 1 for dim in value.shape], dtype=np.int64))


def _evaluate(node: ir.Node, arrays: dict[str, Array]) -> list[Array]:
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in arrays.items()
    ]
    outputs = [onnx.ValueInfoProto(name=output.name) for output in node.outputs if output.name]
    graph = onnx.helper.make_graph([ir.serde.serialize_node(node)], "constant", inputs, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, arrays)
    return [np.asarray(result) for result in results]
