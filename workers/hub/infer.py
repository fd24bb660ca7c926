"""Types and shapes of one node's outputs, by ONNX's own inference function of the operator."""

from __future__ import annotations

from functools import cache

import onnx
import onnx_ir as ir

from workers.hub import IR_VERSION, OPSET
from workers.hub.provenance import layer_of

# Inference reads the values of small inputs (axes, shapes, repeats; of real ones scales and ranges); weights are never
# handed over, and looking at each would map megabytes of their file.
SMALL, FEW = 4096, 64
STRING = ir.DataType.STRING


# ONNX infers nothing for these; what comes out is as what goes in.
LIKE_INPUT = frozenset({"GroupNormalization", "MeanVarianceNormalization"})


@cache
def _schema(op_type: str, domain: str, version: int) -> onnx.defs.OpSchema:
    return onnx.defs.get_schema(op_type, version, domain)


def _known(node: ir.Node) -> tuple[dict[str, onnx.TypeProto], dict[str, onnx.TensorProto]]:
    """Types of the node's inputs, and the values of the small constant ones, by name."""
    types: dict[str, onnx.TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for value in node.inputs:
        if value is None or value.name is None:
            continue
        if value.type is not None:
            types[value.name] = ir.serde.serialize_value(value).type
        tensor = value.const_value
        if tensor is not None and tensor.dtype != STRING and _is_small(tensor):
            data[value.name] = ir.serde.serialize_tensor(tensor)
    return types, data


def _is_small(tensor: ir.TensorProtocol) -> bool:
    return tensor.size * tensor.dtype.itemsize <= SMALL and (tensor.size <= FEW or tensor.dtype.is_integer())


def _check_sizes(node: ir.Node) -> None:
    """Raises InferenceError for an input with a negative size, of which ONNX's own inference may abort the process."""
    for value in node.inputs:
        if value is not None and value.shape is not None and any(isinstance(d, int) and d < 0 for d in value.shape):
            raise onnx.shape_inference.InferenceError(
                f"[ShapeInferenceError] the input {value.name!r} of {node.op_type} would have the shape {value.shape}"
            )


def infer(node: ir.Node, version: int | None = None) -> None:
    """Set shape and type of ``node``'s outputs as far as its inputs tell.

    Raises ``onnx.shape_inference.InferenceError``, ``onnx.checker.ValidationError`` (the first note of both is the
    node's layer) or ``TypeError`` when its inputs contradict.
    """
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = version or (OPSET if domain == "" else 1)
    if not onnx.defs.has(node.op_type, version, domain) or any(v is not None and v.type is None for v in node.inputs):
        return
    if node.op_type in LIKE_INPUT and domain == "" and node.inputs[0] is not None:
        node.outputs[0].type, node.outputs[0].shape = node.inputs[0].type, node.inputs[0].shape
        return
    _check_sizes(node)
    types, data = _known(node)
    imports = [onnx.helper.make_opsetid(domain, version)]
    if domain:
        imports.append(onnx.helper.make_opsetid("", OPSET))
    proto = ir.serde.serialize_node(node)
    try:
        inferred = onnx.shape_inference.infer_node_outputs(
            _schema(node.op_type, domain, version), proto, types, data, opset_imports=imports, ir_version=IR_VERSION
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        error.add_note(layer_of(node))
        raise
    except ValueError as error:  # of element types that there are not
        refused = onnx.shape_inference.InferenceError(f"the outputs of {node.op_type} cannot be inferred: {error}")
        refused.add_note(layer_of(node))
        raise refused from error
    for output in node.outputs:
        if output.name in inferred:
            fresh = ir.serde.deserialize_type_proto_for_type(inferred[output.name])
            if fresh is not None:
                output.type = fresh
            shape = ir.serde.deserialize_type_proto_for_shape(inferred[output.name])
            if shape is not None:
                output.shape = shape
