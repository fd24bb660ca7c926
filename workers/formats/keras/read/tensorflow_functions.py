"""Functions of TensorFlow in the functional models of tf.keras: TFOpLambda and its kin, mapped to operations."""

from __future__ import annotations

from typing import Any

from workers.formats.keras.read.arguments import OPERATIONS, Arguments
from workers.formats.keras.read.layer import Layer, Result, reads
from workers.formats.keras.read.operations import run
from workers.formats.keras.read.tensor import Tensor
from workers.hub.graph import GraphBuilder

# The last part of a function's name where it is not the operation's own.
NAMES = {
    "truediv": "true_divide", "div": "true_divide", "realdiv": "true_divide", "floordiv": "floor_divide",
    "sub": "subtract", "mul": "multiply", "neg": "negative", "pow": "power", "reduce_sum": "sum",
    "reduce_mean": "mean", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "prod", "reduce_any": "any",
    "reduce_all": "all", "reduce_std": "std", "reduce_variance": "var", "reduce_logsumexp": "logsumexp",
    "clip_by_value": "clip", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2",
    "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh", "floormod": "mod", "is_nan": "isnan",
    "is_inf": "isinf", "is_finite": "isfinite", "permute_dimensions": "transpose",
    "where_v2": "where", "gather_v2": "gather", "concat_v2": "concat", "expand_dims_v2": "expand_dims",
    "reverse_v2": "reverse", "div_no_nan": "divide_no_nan", "multiply_no_nan": "", "cast_v2": "cast",
    "hard_swish": "hard_swish", "swish": "swish", "squeeze_v2": "squeeze", "resize_v2": "resize",
    "eq": "equal", "ne": "not_equal", "__add__": "add", "silu": "silu", "bias_add": "add", "add_v2": "add",
    "reshape_v2": "reshape", "ones_like_v2": "ones_like", "zeros_like_v2": "zeros_like", "l2_normalize": "l2_normalize",
    "floor_div": "floor_divide", "size_v2": "size", "unsorted_segment_sum": "segment_sum",
    "unsorted_segment_max": "segment_max", "unsorted_segment_min": "segment_min",
    "unsorted_segment_prod": "segment_prod", "flatten": "ravel", "diag_part": "matrix_diag_part", "tensor_diag": "diag",
    "embedding_lookup_v2": "embedding_lookup",
    "argmax_v2": "argmax", "argmin_v2": "argmin", "top_k": "top_k",
}  # fmt: skip


def operation_of(function: str) -> str | None:
    """``math.reduce_mean`` -> ``mean``; None for a function that has no operation here."""
    name = function.rsplit(".", 1)[-1]
    if function.endswith(("linalg.diag", "linalg.trace")):
        name = f"matrix_{name}"
    name = NAMES.get(name, name)
    return name if name in OPERATIONS else None


@reads("TFOpLambda", "SlicingOpLambda")
def tensorflow_function(g: GraphBuilder, layer: Layer) -> Result:
    """One function by its public name; the first argument by place, all others by keyword."""
    function = layer.word("function", "")
    if function.endswith(("linalg.normalize", "keras.backend.normalize")):
        raise layer.unsupported(f"it calls tf.{function}, which onnxhub does not read")
    name = operation_of(function)
    if name is None:
        raise layer.unsupported(f"it calls tf.{function}, which onnxhub does not read")
    if name in ("einsum", "meshgrid"):
        raise layer.unsupported(f"tf.keras saves only the first argument of tf.{function}; the others are lost")
    if function.startswith("signal.") and name in ("stft", "istft", "rfft", "irfft", "fft"):
        raise layer.unsupported(f"it calls tf.{function}, whose complex numbers ONNX does not have")
    if name == "split" and isinstance(layer.kwargs.get("num_or_size_splits"), Tensor):
        raise layer.unsupported("it splits by computed sizes")
    if function.endswith("bias_add"):
        return _bias_add(g, layer)
    return run(g, layer, name)


def _bias_add(g: GraphBuilder, layer: Layer) -> Result:
    if str(layer.kwargs.get("data_format") or "NHWC") in ("NCHW", "channels_first"):
        raise layer.unsupported("it adds along channels that come first")
    kwargs: dict[str, Any] = {"y": layer.kwargs.get("bias")}
    return OPERATIONS["add"](g, Arguments(g, Layer(layer.spec, layer.stock, layer.scope, layer.name, layer.args[:1],
                                                   kwargs), "add"))  # fmt: skip


reads.refuse(
    "it holds a raw TensorFlow graph node, as tf.keras before 2.4 wrote; convert the model as a SavedModel instead",
    "TensorFlowOpLayer", "AddLoss", "AddMetric",
)  # fmt: skip
