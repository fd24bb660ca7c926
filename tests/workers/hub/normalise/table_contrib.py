"""Nodes of ``com.microsoft`` with inputs, for onnxruntime to compute as they are and as they are spelt out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

RNG = np.random.default_rng(3)
Arrays = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Contrib:
    """``inputs``: an array each, None for one left out; the first ``given`` of them are the graph's inputs."""

    name: str
    op: str
    inputs: Arrays
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    given: int = 1
    read: Sequence[int] = (0,)
    domain: str = "com.microsoft"
    steps: int = 0


def f(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def u(*shape: int) -> Any:
    return RNG.integers(0, 255, shape).astype(np.uint8)


def s(value: float) -> Any:
    return np.asarray(value, np.float32)


def z(value: int, dtype: Any = np.uint8) -> Any:
    return np.asarray(value, dtype)


X = f(2, 5, 8)
ROW, COLUMN = f(8), f(24)
MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
LENGTHS = np.array([3, 5], np.int32)
IDS = RNG.integers(0, 11, (2, 5)).astype(np.int32)
SEGMENTS = RNG.integers(0, 2, (2, 5)).astype(np.int32)
TABLES = (f(11, 8), f(7, 8), f(2, 8), f(8), f(8))
IMAGE, KERNEL, KERNEL_BIAS, ADDED = f(1, 3, 6, 6), f(4, 3, 3, 3), f(4), f(1, 4, 6, 6)
CONV = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1], "dilations": [1, 1], "group": 1}
A, AS, AZ = u(2, 3, 4, 4), s(0.05), z(120)
PROJECTION = f(8, 24)
PLACES = np.array([[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]])
ML = "ai.onnx.ml"
ROWS = np.concatenate([f(3, 3), np.zeros((1, 3), np.float32)])
HOLES = np.where(ROWS > 0, np.float32("nan"), ROWS)

CASES: Sequence[Contrib] = (
    Contrib("gelu", "Gelu", [X]),
    Contrib("bias-gelu", "BiasGelu", [X, ROW]),
    Contrib("fast-gelu", "FastGelu", [X, ROW]),
    Contrib("fast-gelu-alone", "FastGelu", [X]),
    Contrib("quick-gelu", "QuickGelu", [X], {"alpha": 1.3}),
    Contrib("fused-conv-relu", "FusedConv", [IMAGE, KERNEL, KERNEL_BIAS], CONV | {"activation": "Relu"}),
    Contrib("fused-conv-sum", "FusedConv", [IMAGE, KERNEL, KERNEL_BIAS, ADDED], CONV | {"activation": "Relu"}),
    Contrib("fused-conv-leaky", "FusedConv", [IMAGE, KERNEL],
            CONV | {"activation": "LeakyRelu", "activation_params": [0.2]}),
    Contrib("fused-conv-clip", "FusedConv", [IMAGE, KERNEL],
            CONV | {"activation": "Clip", "activation_params": [-0.5, 1.5]}),
    Contrib("fused-conv-hard", "FusedConv", [IMAGE, KERNEL],
            CONV | {"activation": "HardSigmoid", "activation_params": [0.2, 0.5]}),
    Contrib("fused-matmul", "FusedMatMul", [X, f(2, 6, 8)], {"transB": 1, "alpha": 0.25}),
    Contrib("fused-matmul-a", "FusedMatMul", [f(2, 8, 5), f(2, 8, 6)], {"transA": 1}),
    Contrib("fused-matmul-batches", "FusedMatMul", [f(5, 2, 3, 8), f(2, 3, 8, 4)], {"transBatchA": 1}),
    Contrib("fused-gemm", "FusedGemm", [f(3, 4), f(4, 5), f(5)], {"activation": "LeakyRelu", "activation_alpha": 0.3}),
    Contrib("dynamic-quantize-matmul", "DynamicQuantizeMatMul", [f(3, 8), u(8, 4), f(4) ** 2, u(4), f(4)]),
    Contrib("matmul-integer-to-float", "MatMulIntegerToFloat", [u(3, 8), u(8, 4), s(0.1), f(4) ** 2, z(7), u(4), f(4)]),
    Contrib("matmul-4-bits", "MatMulNBits", [f(3, 64), u(5, 2, 16), f(10)],
            {"bits": 4, "block_size": 32, "N": 5, "K": 64}),
    Contrib("matmul-4-bits-zeros", "MatMulNBits", [f(3, 64), u(5, 2, 16), f(10), u(5)],
            {"bits": 4, "block_size": 32, "N": 5, "K": 64}),
    Contrib("skip-layer-norm", "SkipLayerNormalization", [X, f(2, 5, 8), ROW, f(8)], {"epsilon": 1e-3}),
    Contrib("skip-layer-norm-sum", "SkipLayerNormalization", [X, f(2, 5, 8), ROW, f(8), f(8)], outputs=4, read=(0, 3)),
    Contrib("skip-rms-norm", "SkipSimplifiedLayerNormalization", [X, f(2, 5, 8), ROW], {"epsilon": 1e-3}),
    Contrib("rms-norm", "SimplifiedLayerNormalization", [X, ROW], {"epsilon": 1e-3}, domain=""),
    Contrib("embed", "EmbedLayerNormalization", [IDS, SEGMENTS, *TABLES, MASK], outputs=3, given=2, read=(0, 1, 2)),
    Contrib("embed-without-segments", "EmbedLayerNormalization", [IDS, None, *TABLES[:2], None, *TABLES[3:]],
            outputs=2, read=(0, 1)),
    Contrib("attention", "Attention", [X, PROJECTION, COLUMN], {"num_heads": 2}),
    Contrib("attention-mask", "Attention", [X, PROJECTION, COLUMN, MASK], {"num_heads": 2}),
    Contrib("attention-lengths", "Attention", [X, PROJECTION, COLUMN, LENGTHS], {"num_heads": 4}),
    Contrib("attention-causal", "Attention", [X, PROJECTION, COLUMN], {"num_heads": 2, "unidirectional": 1}),
    Contrib("attention-causal-mask", "Attention", [X, PROJECTION, COLUMN, MASK], {"num_heads": 2, "unidirectional": 1}),
    Contrib("attention-3d-mask", "Attention", [X, PROJECTION, COLUMN, np.stack([MASK] * 5, 1)], {"num_heads": 2}),
    Contrib("attention-sizes", "Attention", [X, f(8, 20), f(20)],
            {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 4], "scale": 0.3}),
    Contrib("attention-bias", "Attention", [X, PROJECTION, COLUMN, None, None, f(1, 2, 5, 5)], {"num_heads": 2}),
    Contrib("multi-head", "MultiHeadAttention", [X, f(2, 7, 8), f(2, 7, 8), COLUMN], {"num_heads": 2}, given=3),
    Contrib("multi-head-mask", "MultiHeadAttention", [X, f(2, 5, 8), f(2, 5, 8), None, MASK],
            {"num_heads": 2}, given=3),
    Contrib("multi-head-bias", "MultiHeadAttention", [X, f(2, 7, 8), f(2, 7, 8), None, None, f(2, 2, 5, 7)],
            {"num_heads": 2}, given=3),
    Contrib("multi-head-causal", "MultiHeadAttention", [X, f(2, 5, 8), f(2, 5, 8)],
            {"num_heads": 2, "unidirectional": 1}, given=3),
    Contrib("multi-head-apart", "MultiHeadAttention", [X, f(2, 2, 7, 4), f(2, 2, 7, 4)], {"num_heads": 2}, given=3),
    Contrib("attention-past", "Attention", [X, PROJECTION, COLUMN, None, f(2, 2, 2, 3, 4)],
            {"num_heads": 2, "unidirectional": 1}, outputs=2, read=(0, 1)),
    Contrib("attention-present", "Attention", [X, PROJECTION, COLUMN], {"num_heads": 2, "unidirectional": 1},
            outputs=2, read=(0, 1)),
    Contrib("multi-head-past", "MultiHeadAttention",
            [X, f(2, 5, 8), f(2, 5, 8), None, None, None, f(2, 2, 3, 4), f(2, 2, 3, 4)],
            {"num_heads": 2}, given=3, outputs=3, read=(0, 1, 2)),
    Contrib("rotary", "RotaryEmbedding", [X, PLACES, f(9, 2), f(9, 2)], {"num_heads": 2}),
    Contrib("rotary-neighbours", "RotaryEmbedding", [X, PLACES, f(9, 2), f(9, 2)], {"num_heads": 2, "interleaved": 1}),
    Contrib("rotary-offset", "RotaryEmbedding", [f(2, 3, 5, 4), np.array([2]), f(9, 2), f(9, 2)]),
    Contrib("rotary-part", "RotaryEmbedding", [f(2, 3, 5, 6), PLACES, f(9, 2), f(9, 2)],
            {"rotary_embedding_dim": 4, "num_heads": 3}),
    Contrib("rotary-whole", "RotaryEmbedding", [X, PLACES, f(9, 2), f(9, 2)]),
    Contrib("q-attention", "QAttention", [u(2, 5, 8), u(8, 24), COLUMN, s(0.02), s(0.01), None, z(120), z(110)],
            {"num_heads": 2}),
    Contrib("q-attention-mask", "QAttention", [u(2, 5, 8), u(8, 24), COLUMN, s(0.02), s(0.01), LENGTHS, z(120), z(110)],
            {"num_heads": 2}),
    Contrib("q-attention-causal", "QAttention", [u(2, 5, 8), u(8, 24), COLUMN, s(0.02), s(0.01), None, z(120), z(110)],
            {"num_heads": 2, "unidirectional": 1}),
    Contrib("linear-regressor", "LinearRegressor", [ROWS],
            {"coefficients": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "intercepts": [0.1, 0.2], "targets": 2}, domain=ML),
    Contrib("normalizer-max", "Normalizer", [ROWS], {"norm": "MAX"}, domain=ML),
    Contrib("normalizer-l1", "Normalizer", [ROWS], {"norm": "L1"}, domain=ML),
    Contrib("normalizer-l2", "Normalizer", [ROWS], {"norm": "L2"}, domain=ML),
    Contrib("imputer-nan", "Imputer", [HOLES], {"imputed_value_floats": [1.0, 2.0, 3.0],
            "replaced_value_float": float("nan")}, domain=ML),
    Contrib("imputer-number", "Imputer", [np.array([[1, 7], [7, 2]])], {"imputed_value_int64s": [5],
            "replaced_value_int64": 7}, domain=ML),
    Contrib("one-hot", "OneHotEncoder", [np.array([[0], [2], [9]])], {"cats_int64s": [0, 1, 2], "zeros": 1}, domain=ML),
    Contrib("features", "FeatureVectorizer", [ROWS, f(4, 2)], {"inputdimensions": [3, 2]}, given=2, domain=ML),
    Contrib("scaler", "Scaler", [ROWS], {"offset": [1.0], "scale": [2.0]}, domain=ML),
    Contrib("quantize", "QuantizeLinear", [f(3, 4), s(0.02), z(128)], steps=1),
    Contrib("dequantize", "DequantizeLinear", [u(3, 4), f(4) ** 2, u(4)], {"axis": 1}),
    Contrib("qlinear-add", "QLinearAdd", [A, AS, AZ, u(4), s(0.03), z(100), s(0.06), z(120)], steps=1),
    Contrib("qlinear-mul", "QLinearMul", [A, AS, AZ, u(4), s(0.03), z(100), s(0.2), z(120)], steps=1),
    Contrib("qlinear-sigmoid", "QLinearSigmoid", [A, AS, AZ, s(1 / 256), z(0)], steps=1),
    Contrib("qlinear-leaky", "QLinearLeakyRelu", [A, AS, AZ, s(0.06), z(90)], {"alpha": 0.1}, steps=1),
    Contrib("qlinear-softmax", "QLinearSoftmax", [A, AS, AZ, s(1 / 256), z(0)], {"axis": -1, "opset": 13}, steps=1),
    Contrib("qlinear-global-pool", "QLinearGlobalAveragePool", [A, AS, AZ, s(0.06), z(110)], steps=1),
    Contrib("qlinear-pool", "QLinearAveragePool", [A, AS, AZ, s(0.06), z(110)],
            {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 0}, steps=1),
    Contrib("qlinear-concat", "QLinearConcat", [s(0.06), z(110), A, AS, AZ, u(2, 2, 4, 4), s(0.07), z(90)],
            {"axis": 1}, given=0, steps=1),
    Contrib("qgemm", "QGemm", [u(3, 8), s(0.02), z(120), u(8, 4), s(0.01), z(100),
            RNG.integers(-900, 900, 4).astype(np.int32), s(0.1), z(128)], steps=1),
    Contrib("qgemm-float", "QGemm", [u(3, 8), s(0.02), z(120), u(4, 8), s(0.01), z(100)], {"transB": 1}),
)  # fmt: skip
