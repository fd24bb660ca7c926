"""Which inputs of an operator are what: data whose labels do not matter, and parameters with their kinds."""

from __future__ import annotations

# Losses: at inference only the first input counts.
DATA_ONLY = frozenset({
    "SoftmaxOutput", "Softmax", "LogisticRegressionOutput", "LinearRegressionOutput", "MAERegressionOutput",
    "SVMOutput", "IdentityAttachKLSparseReg",
})  # fmt: skip
REGIONS = frozenset({"ROIPooling", "_npx_roi_pooling", "_contrib_ROIAlign"})
RECURRENT = frozenset({"RNN", "_npx_rnn"})
# Layers whose data has time in axis 0 and the batch in axis 1, the sequence layers unless their axis is 1.
SEQUENCES = frozenset({"SequenceMask", "SequenceLast", "SequenceReverse", "_npx_sequence_mask"})
TIME_FIRST = RECURRENT | SEQUENCES | {
    "_contrib_interleaved_matmul_selfatt_qk", "_contrib_interleaved_matmul_selfatt_valatt",
    "_contrib_interleaved_matmul_encdec_qk", "_contrib_interleaved_matmul_encdec_valatt",
}  # fmt: skip
BATCH_NORMS = (
    "BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_npx_batch_norm", "_contrib_SyncBatchNorm",
    "_contrib_BatchNormWithReLU",
)  # fmt: skip
_AFFINE = (
    "Convolution", "Convolution_v1", "_npx_convolution", "Deconvolution", "_npx_deconvolution", "FullyConnected",
    "_npx_fully_connected",
)  # fmt: skip
_NORMS = ("LayerNorm", "_npx_layer_norm", "InstanceNorm", "GroupNorm")
_EMBEDDINGS = ("Embedding", "_npx_embedding", "_contrib_SparseEmbedding")
_PRELU = ("LeakyReLU", "_npx_leaky_relu")

# Inputs that are always parameters: a variable there without an array is missing, not an input.
PARAMETERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys((*_AFFINE, *_NORMS), (1, 2)),
    **dict.fromkeys(BATCH_NORMS, (1, 2, 3, 4)),
    **dict.fromkeys((*_EMBEDDINGS, *_PRELU, *RECURRENT), (1,)),
    "_contrib_DeformableConvolution": (2, 3),
    "_contrib_ModulatedDeformableConvolution": (3, 4),
}
# The kind of parameter in each of these places, as the ending of its name in gluon.
KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_AFFINE, ("weight", "bias")),
    **dict.fromkeys(_NORMS, ("gamma", "beta")),
    **dict.fromkeys(BATCH_NORMS, ("gamma", "beta", "running_mean", "running_var")),
    **dict.fromkeys(_EMBEDDINGS, ("weight",)),
    **dict.fromkeys(_PRELU, ("alpha",)),
}
