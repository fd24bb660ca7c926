"""Nodes whose inputs are all known, evaluated on the spot by ONNX's reference implementation.

Rules and function bodies compute with constants (``Sqrt(2 / pi)``, ``CastLike(alpha, x)``); a target should see the
result only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
import onnx
import onnx_ir as ir
from onnx.checker import ValidationError
from onnx.shape_inference import InferenceError

from workers.hub import IR_VERSION, OPSET
from workers.hub.infer import infer
from workers.hub.node import Array, Dim, Node, constant_of, shape_of

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
    sizes = _sizes(node)
    if sizes is not None:
        return [sizes]
    arrays = {}
    for value in node.inputs:
        if value is None:
            continue
        array = constant_of(value)
        if array is None or array.size > LIMIT:
            return None
        arrays[str(value.name)] = array
    if not arrays or any(_elements(output) > LIMIT for output in _inferred(node)):
        return None
    return _tried(node, arrays)


def _tried(node: ir.Node, arrays: Mapping[str, Array]) -> list[Array] | None:
    try:
        return evaluate([node], arrays, node.outputs)
    except Exception:  # ONNX's reference raises whatever numpy does; such a node stays for the checker to judge
        return None


def _inferred(node: ir.Node) -> Sequence[ir.Value]:
    """The node's outputs; how large they are is known once its inputs are, though they were not when it was asked."""
    if any(output.shape is None or not output.shape.is_static() for output in node.outputs):
        with suppress(InferenceError, ValidationError, TypeError):
            infer(node)
    return node.outputs


def _sizes(node: ir.Node) -> Array | None:
    """What Shape and Size give, and Gather and Slice of a Shape, where the axes that are asked for are known."""
    source = node.inputs[0] if node.inputs else None
    if source is None:
        return None
    if node.op_type in ("Shape", "Size"):
        dims = _dims(node)
        if dims is None or not all(isinstance(dim, int) for dim in dims):
            return None
        sizes = np.asarray(dims, np.int64)
        return sizes if node.op_type == "Shape" else np.asarray(sizes.prod(), np.int64)
    shape = source.producer()
    dims = _dims(shape) if shape is not None and shape.op_type == "Shape" and shape.domain == "" else None
    if dims is None or node.op_type not in ("Gather", "Slice"):
        return None
    rest = [constant_of(value) for value in node.inputs[1:]]
    if any(array is None for array in rest):
        return None
    # The places of the axes go through the operator; then it shows which of them are asked for.
    known = {_name(source): np.arange(len(dims)), **_named(node.inputs[1:])}
    found = _tried(node, known)
    if found is None:
        return None
    places = found[0]
    picked = [dims[int(place)] for place in places.reshape(-1).tolist()]
    if not all(isinstance(dim, int) for dim in picked):
        return None
    return np.asarray(picked, np.int64).reshape(places.shape)


def _dims(node: ir.Node) -> tuple[Dim, ...] | None:
    """The axes that a Shape (or Size) asks for."""
    value = node.inputs[0]
    shape = None if value is None else shape_of(value)
    if shape is None:
        return None
    view = Node(node)
    return shape[slice(view.i("start"), view.i("end", len(shape)))]


def _name(value: ir.Value | None) -> str:
    return str(value.name) if value is not None else ""


def _named(values: Sequence[ir.Value | None]) -> dict[str, Array]:
    arrays = {_name(value): constant_of(value) for value in values if value is not None}
    return {name: array for name, array in arrays.items() if array is not None}


def _elements(value: ir.Value) -> int:
    if value.shape is None:
        return 0
    return math.prod(dim for dim in value.shape if isinstance(dim, int))


def evaluate(nodes: Sequence[ir.Node], arrays: Mapping[str, Array], outputs: Sequence[ir.Value]) -> list[Array]:
    """``outputs`` of ``nodes`` in their order, whose other inputs are ``arrays`` by name; raises what ONNX's does."""
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in arrays.items()
    ]
    wanted = [onnx.ValueInfoProto(name=output.name) for output in outputs if output.name]
    graph = onnx.helper.make_graph([ir.serde.serialize_node(node) for node in nodes], "constant", inputs, wanted)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    from onnx.reference import ReferenceEvaluator  # loads slowly, and few models have anything to fold

    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, dict(arrays))
    return [np.asarray(result) for result in results]
