"""Where the named outputs of operators stand: inside functions a reference is ``node:port:index``.

An operator that is not listed has a single port, whose index is the output's number.
"""

from __future__ import annotations

_NORM = ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3")
PORTS: dict[str, tuple[str, ...]] = {
    "FusedBatchNorm": _NORM, "FusedBatchNormV2": _NORM, "FusedBatchNormV3": _NORM,
    "TopK": ("values", "indices"), "TopKV2": ("values", "indices"),
    "Unique": ("y", "idx"), "UniqueV2": ("y", "idx"), "UniqueWithCounts": ("y", "idx", "count"),
    "UniqueWithCountsV2": ("y", "idx", "count"), "ListDiff": ("out", "idx"),
    "Switch": ("output_false", "output_true"), "RefSwitch": ("output_false", "output_true"),
    "Merge": ("output", "value_index"), "RefMerge": ("output", "value_index"),
    "NonMaxSuppressionV4": ("selected_indices", "valid_outputs"),
    "NonMaxSuppressionV5": ("selected_indices", "selected_scores", "valid_outputs"),
    "CombinedNonMaxSuppression": ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"),
    "MaxPoolWithArgmax": ("output", "argmax"),
    "TensorArrayV3": ("handle", "flow"), "TensorArrayConcatV3": ("value", "lengths"),
    "TensorListConcatV2": ("tensor", "lengths"), "TensorListConcat": ("tensor", "lengths"),
    "TensorListPopBack": ("output_handle", "tensor"),
    "BlockLSTM": ("i", "cs", "f", "o", "ci", "co", "h"), "BlockLSTMV2": ("i", "cs", "f", "o", "ci", "co", "h"),
    "LSTMBlockCell": ("i", "cs", "f", "o", "ci", "co", "h"), "GRUBlockCell": ("r", "u", "c", "h"),
    "CudnnRNN": ("output", "output_h", "output_c", "reserve_space"),
    "CudnnRNNV2": ("output", "output_h", "output_c", "reserve_space", "host_reserved"),
    "CudnnRNNV3": ("output", "output_h", "output_c", "reserve_space", "host_reserved"),
    "SoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "SparseSoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "SparseReshape": ("output_indices", "output_shape"),
    "SparseFillEmptyRows": ("output_indices", "output_values", "empty_row_indicator", "reverse_index_map"),
    "QuantizeV2": ("output", "output_min", "output_max"), "Requantize": ("output", "output_min", "output_max"),
    "RequantizationRange": ("output_min", "output_max"),
    "QuantizedConv2D": ("output", "min_output", "max_output"), "QuantizedMatMul": ("out", "min_out", "max_out"),
    "QuantizedRelu": ("activations", "min_activations", "max_activations"),
    "QuantizedRelu6": ("activations", "min_activations", "max_activations"),
    "QuantizedReshape": ("output", "output_min", "output_max"),
    "QuantizedMaxPool": ("output", "min_output", "max_output"),
    "QuantizedAvgPool": ("output", "min_output", "max_output"),
    "QuantizedBiasAdd": ("output", "min_out", "max_out"), "QuantizedAdd": ("z", "min_z", "max_z"),
    "QuantizeDownAndShrinkRange": ("output", "output_min", "output_max"),
    "QuantizedConcat": ("output", "output_min", "output_max"),
    "Qr": ("q", "r"), "Svd": ("s", "u", "v"), "SelfAdjointEigV2": ("e", "v"), "Lu": ("lu", "p"),
    "CTCGreedyDecoder": ("decoded_indices", "decoded_values", "decoded_shape", "log_probability"),
    "SampleDistortedBoundingBoxV2": ("begin", "size", "bboxes"), "Moments": ("mean", "variance"),
    "RaggedRange": ("rt_nested_splits", "rt_dense_values"),
    "DenseToDenseSetOperation": ("result_indices", "result_values", "result_shape"),
}  # fmt: skip
