"""Whether ONNX's shape inference may follow the values of small integer tensors through a model.

Where it does, its C++ code makes a list as long as any vector that a Cast or Gather reads, known or not: a vector of
2^40 elements, which a file of a hundred bytes can ask for, takes all memory and does not end.
"""

from __future__ import annotations

import onnx

from workers.hub.protos import graphs_of, nodes_of

LONGEST = 1 << 16
"""Elements of a vector that are still worth following; sizes and axes are a handful."""
GROWING = frozenset({
    "BlackmanWindow", "ConstantOfShape", "Expand", "EyeLike", "HammingWindow", "HannWindow", "OneHot", "Pad",
    "RandomNormal", "RandomUniform", "Range", "Resize", "Tile", "Upsample",
})  # fmt: skip
"""Operators that make long vectors of short ones."""


def infer_all(proto: onnx.ModelProto, *, check_type: bool = False, strict: bool = False) -> onnx.ModelProto:
    """ONNX's inference of a whole model, following values where that is safe.

    Raises ``onnx.shape_inference.InferenceError``, also for what C++'s own containers throw at absurd sizes.
    """
    try:
        safe = not _has_long_vectors(proto)
        if safe and any(node.op_type in GROWING for node in nodes_of(proto)):
            safe = not _has_long_vectors(onnx.shape_inference.infer_shapes(proto, data_prop=False))
        return onnx.shape_inference.infer_shapes(proto, check_type=check_type, strict_mode=strict, data_prop=safe)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise onnx.shape_inference.InferenceError(f"shapes cannot be inferred: {error}") from error


def _has_long_vectors(proto: onnx.ModelProto) -> bool:
    return any(
        len(value.type.tensor_type.shape.dim) == 1 and value.type.tensor_type.shape.dim[0].dim_value > LONGEST
        for graph in graphs_of(proto)
        for values in (graph.input, graph.output, graph.value_info)
        for value in values
    ) or any(len(t.dims) == 1 and t.dims[0] > LONGEST for graph in graphs_of(proto) for t in graph.initializer)
