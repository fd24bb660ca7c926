"""Files that the converter never writes: flatbuffers put together through the schema's own object API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "int4": 17}


@dataclass(frozen=True)
class Feed:
    """An input of the file."""

    shape: Sequence[int]
    dtype: str = "float32"
    scale: float = 0.0
    zero: int = 0


@dataclass(frozen=True)
class State:
    """A variable, zero at the start."""

    shape: Sequence[int]
    dtype: str = "float32"


@dataclass(frozen=True)
class Quantised:
    """A constant of integers with a scale a slice of ``axis``."""

    data: Any
    scale: Sequence[float]
    axis: int = 0
    zero: int = 0


@dataclass(frozen=True)
class Sparse:
    """A matrix of mostly zeros, stored as rows of indices (traversal order 0, 1; dense rows, compressed columns)."""

    data: Any
    block: int = 0


@dataclass(frozen=True)
class Nibbles:
    """A constant of four-bit integers, two a byte, the first in the low half."""

    data: Any
    scale: Sequence[float]


@dataclass(frozen=True)
class File:
    """One operator: its inputs in order (None where left out), results, options; ``span`` and ``whole`` as in Case."""

    op: str
    inputs: Sequence[Any]
    outputs: Sequence[Feed]
    options: tuple[str, Mapping[str, Any]] | None = None
    custom: bytes = b""
    version: int = 1
    span: tuple[float, float] = (-1.0, 1.0)
    whole: tuple[int, int] = (0, 5)
    values: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    outside: bool = False

    def model(self) -> bytes:
        return _Builder(self).pack()


class _Builder:
    def __init__(self, file: File) -> None:
        self.file = file
        self.tensors: list[Any] = []
        empty = schema.BufferT()
        empty.data = None
        self.buffers = [empty]

    def tensor(self, name: str, shape: Sequence[int], dtype: str, **more: Any) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), TYPES[dtype], 0
        for key, value in more.items():
            setattr(made, key, value)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, name: str, array: Any, **more: Any) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return self.tensor(name, array.shape, array.dtype.name, buffer=len(self.buffers) - 1, **more)

    @staticmethod
    def scales(scale: Sequence[float], zero: Sequence[int], axis: int = 0) -> Any:
        made = schema.QuantizationParametersT()
        made.scale, made.zeroPoint, made.quantizedDimension = list(scale), list(zero), axis
        return made

    def add(self, place: int, item: Any) -> int:
        if item is None:
            return -1
        name = f"in_{place}"
        if isinstance(item, Feed):
            more = {"quantization": self.scales([item.scale], [item.zero])} if item.scale else {}
            return self.tensor(name, item.shape, item.dtype, **more)
        if isinstance(item, State):
            return self.tensor(name, item.shape, item.dtype, isVariable=True)
        if isinstance(item, Quantised):
            zero = [item.zero] * len(item.scale)
            return self.constant(name, item.data, quantization=self.scales(item.scale, zero, item.axis))
        if isinstance(item, Sparse):
            return self.sparse(name, item)
        if isinstance(item, Nibbles):
            flat = item.data.reshape(-1).astype(np.uint8) & 15
            buffer = schema.BufferT()
            buffer.data = flat[::2] | flat[1::2] << 4
            self.buffers.append(buffer)
            scales = self.scales(item.scale, [0] * len(item.scale))
            return self.tensor(name, item.data.shape, "int4", buffer=len(self.buffers) - 1, quantization=scales)
        return self.constant(name, np.asarray(item))

    def sparse(self, name: str, item: Sparse) -> int:
        made = schema.SparsityParametersT()
        rows, columns = item.data.shape
        block = item.block or 1
        blocks = item.data.reshape(rows, columns // block, block)
        there = [np.flatnonzero(row.any(1)) for row in blocks]
        made.traversalOrder = [0, 1, 2] if item.block else [0, 1]
        made.blockMap = [1] if item.block else []
        dense, compressed, inner = (schema.DimensionMetadataT() for _ in range(3))
        dense.format, dense.denseSize = 0, rows
        compressed.format = 1
        segments, indices = schema.Int32VectorT(), schema.Uint8VectorT()
        segments.values = [0, *np.cumsum([len(row) for row in there]).tolist()]
        indices.values = np.concatenate(there).astype(np.uint8)
        compressed.arraySegmentsType, compressed.arraySegments = 1, segments
        compressed.arrayIndicesType, compressed.arrayIndices = 3, indices
        inner.format, inner.denseSize = 0, item.block
        made.dimMetadata = [dense, compressed, inner] if item.block else [dense, compressed]
        values = np.concatenate([blocks[row][columns] for row, columns in enumerate(there)])
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return self.tensor(name, item.data.shape, item.data.dtype.name, buffer=len(self.buffers) - 1, sparsity=made)

    def pack(self) -> bytes:
        file = self.file
        op = schema.OperatorT()
        op.inputs = [self.add(place, item) for place, item in enumerate(file.inputs)]
        fed = [index for index, item in zip(op.inputs, file.inputs, strict=True) if isinstance(item, Feed)]
        op.outputs = []
        for place, item in enumerate(file.outputs):
            more = {"quantization": self.scales([item.scale], [item.zero])} if item.scale else {}
            op.outputs.append(self.tensor(f"out_{place}", item.shape, item.dtype, **more))
        op.opcodeIndex = 0
        if file.options is not None:
            name, values = file.options
            options = getattr(schema, f"{name}T")()
            for key, value in values.items():
                setattr(options, key, value)
            second = hasattr(schema.BuiltinOptions2, name)
            union = schema.BuiltinOptions2 if second else schema.BuiltinOptions
            suffix = "2" if second else ""
            setattr(op, f"builtinOptions{suffix}Type", getattr(union, name))
            setattr(op, f"builtinOptions{suffix}", options)
        if file.custom:
            op.customOptions = np.frombuffer(file.custom, np.uint8)
        return self._model(op, fed)

    def _model(self, op: Any, fed: list[int]) -> bytes:
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, self.file.op, schema.BuiltinOperator.CUSTOM)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), self.file.version
        code.customCode = self.file.op if number == schema.BuiltinOperator.CUSTOM else None
        graph = schema.SubGraphT()
        graph.tensors, graph.inputs, graph.outputs = self.tensors, fed, list(op.outputs)
        graph.operators, graph.name = [op], "main"
        model = schema.ModelT()
        model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
        model.buffers, model.description = self.buffers, "handmade"
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        data = bytes(builder.Output())
        return self._outside(model, data) if self.file.outside else data

    @staticmethod
    def _outside(model: Any, data: bytes) -> bytes:
        """The data of all buffers behind the flatbuffer, as in models of more than 2 GB."""
        kept = [buffer.data for buffer in model.buffers]
        for _ in range(2):
            at = -(-len(data) // 16) * 16
            tail = bytearray()
            for buffer, found in zip(model.buffers, kept, strict=True):
                if found is not None:
                    buffer.data, buffer.offset, buffer.size = None, at + len(tail), len(found)
                    tail += bytes(found) + bytes(-len(found) % 16)
            builder = flatbuffers.Builder(1024)
            builder.Finish(model.Pack(builder), b"TFL3")
            data = bytes(builder.Output())
        return data + bytes(at - len(data)) + bytes(tail)


FILES: dict[str, File] = {}


def file(name: str, op: str, inputs: Sequence[Any], outputs: Sequence[Feed], options: str = "", **more: Any) -> None:
    known = {key: more.pop(key) for key in ("custom", "version", "span", "whole", "values", "outside") if key in more}
    FILES[name] = File(op, inputs, outputs, (options, more) if options else None, **known)


def w(*shape: int, seed: int = 1, scale: float = 0.5) -> Any:
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


# --- recurrent -------------------------------------------------------------------------------------------------------


def lstm(units: int, inputs: int, *, cifg: bool = False, peephole: bool = False, outputs: int = 0, norm: bool = False,
         bias: bool = False) -> list[Any]:  # fmt: skip
    """Inputs 1 to 23 of the sequence LSTM."""
    out = outputs or units
    gates = [None if cifg and gate == 0 else gate for gate in range(4)]
    made: list[Any] = [None if g is None else w(units, inputs, seed=10 + g) for g in gates]
    made += [None if g is None else w(units, out, seed=20 + g) for g in gates]
    made += [w(units, seed=30 + g) if peephole and not (cifg and g == 0) else None for g in range(3)]
    made += [None if g is None else w(units, seed=40 + g) for g in gates]
    made += [w(out, units, seed=50) if outputs else None, w(out, seed=51) if outputs and bias else None]
    made += [State([2, out]), State([2, units])]
    made += [w(units, seed=60 + g) + 1 if norm and g is not None else None for g in gates]
    return made


SEQ = "UnidirectionalSequenceLSTMOptions"
for name, shape, more in (
    ("plain", {}, {}), ("cifg", {"cifg": True}, {}), ("peephole", {"peephole": True}, {}),
    ("cifg_peephole", {"cifg": True, "peephole": True}, {}), ("projection", {"outputs": 3}, {}),
    ("projection_bias", {"outputs": 3, "bias": True}, {"projClip": 0.3}), ("norm", {"norm": True}, {}),
    ("norm_cifg", {"norm": True, "cifg": True, "outputs": 3}, {}), ("clip", {}, {"cellClip": 0.2}),
    ("time_major", {}, {"timeMajor": True}), ("relu", {}, {"fusedActivationFunction": 1}),
):  # fmt: skip
    units, out = 4, shape.get("outputs", 4)
    dims = [5, 2] if more.get("timeMajor") else [2, 5]
    file(f"lstm_{name}", "UNIDIRECTIONAL_SEQUENCE_LSTM", [Feed([*dims, 6]), *lstm(units, 6, **shape)],
         [Feed([*dims, out])], SEQ, **{"fusedActivationFunction": 4, **more})  # fmt: skip
both = lstm(4, 6, peephole=True)
back = lstm(4, 6, cifg=False)
BI = [*both[:17], *back[:8], *[None] * 3, *back[11:17], *[State([2, 4]) for _ in range(4)]]
file("bidirectional_lstm", "BIDIRECTIONAL_SEQUENCE_LSTM", [Feed([2, 5, 6]), *[*both[:17], *back[:8], *both[8:11],
     *back[11:17], *[State([2, 4]) for _ in range(4)]], *[None] * 9], [Feed([2, 5, 4]), Feed([2, 5, 4])],
     "BidirectionalSequenceLSTMOptions", fusedActivationFunction=4, timeMajor=False, mergeOutputs=False)  # fmt: skip
file("bidirectional_lstm_merged", "BIDIRECTIONAL_SEQUENCE_LSTM", [Feed([5, 2, 6]), *[*both[:17], *back[:8], *both[8:11],
     *back[11:17], *[State([2, 4]) for _ in range(4)]], *[None] * 9], [Feed([5, 2, 8])],
     "BidirectionalSequenceLSTMOptions", fusedActivationFunction=4, timeMajor=True, mergeOutputs=True)  # fmt: skip
file("lstm_step", "LSTM", [Feed([2, 6]), *lstm(4, 6, peephole=True)[:19]], [Feed([2, 4])], "LSTMOptions",
     fusedActivationFunction=4)  # fmt: skip
file("lstm_basic", "LSTM", [Feed([2, 3]), Feed([2, 4]), w(16, 7), w(16, seed=3), Feed([2, 4])],
     [Feed([2, 4]), Feed([2, 4]), Feed([2, 7]), Feed([2, 16])], "LSTMOptions", kernelType=1,
     fusedActivationFunction=4, version=2)  # fmt: skip
for kind, number in (("tanh", 4), ("relu", 1), ("none", 0), ("relu6", 3)):
    file(f"rnn_{kind}", "UNIDIRECTIONAL_SEQUENCE_RNN", [Feed([2, 5, 6]), w(4, 6), w(4, 4, seed=2), w(4, seed=3),
         State([2, 4])], [Feed([2, 5, 4])], "SequenceRNNOptions", fusedActivationFunction=number)  # fmt: skip
file("rnn_step", "RNN", [Feed([2, 6]), w(4, 6), w(4, 4, seed=2), w(4, seed=3), State([2, 4])], [Feed([2, 4])],
     "RNNOptions", fusedActivationFunction=4)  # fmt: skip
RNNS = [
    w(4, 6),
    w(4, 4, seed=2),
    w(4, seed=3),
    State([2, 4]),
    w(3, 6, seed=4),
    w(3, 3, seed=5),
    w(3, seed=6),
    State([2, 3]),
]
file("bidirectional_rnn", "BIDIRECTIONAL_SEQUENCE_RNN", [Feed([2, 5, 6]), *RNNS, None, None, None],
     [Feed([2, 5, 4]), Feed([2, 5, 3])], "BidirectionalSequenceRNNOptions", fusedActivationFunction=4)  # fmt: skip
file("bidirectional_rnn_merged", "BIDIRECTIONAL_SEQUENCE_RNN", [Feed([5, 2, 6]), *RNNS, None, None, None],
     [Feed([5, 2, 7])], "BidirectionalSequenceRNNOptions", fusedActivationFunction=4, mergeOutputs=True,
     timeMajor=True)  # fmt: skip
for rank in (1, 2):
    file(f"svdf_{rank}", "SVDF", [Feed([2, 6]), w(4, 6), w(4, 3, seed=2), w(4 // rank, seed=3), State([2, 12])],
         [Feed([2, 4 // rank])], "SVDFOptions", rank=rank, fusedActivationFunction=1)  # fmt: skip

# --- others ----------------------------------------------------------------------------------------------------------

file("l2_pool", "L2_POOL_2D", [Feed([1, 7, 6, 3])], [Feed([1, 4, 3, 3])], "Pool2DOptions", padding=0, strideW=2,
     strideH=2, filterWidth=3, filterHeight=2, fusedActivationFunction=1)  # fmt: skip
file("average_pool_relu6", "AVERAGE_POOL_2D", [Feed([1, 7, 6, 3])], [Feed([1, 4, 3, 3])], "Pool2DOptions", padding=0,
     strideW=2, strideH=2, filterWidth=3, filterHeight=2, fusedActivationFunction=3)  # fmt: skip
for kind, zero in (("int8", 4), ("int8", -128), ("uint8", 7), ("int16", 0)):
    for padding, rows, columns in ((1, 3, 3), (0, 4, 3)):
        name = f"{kind}_average_pool_{'valid' if padding else 'same'}_{abs(zero)}"
        size = (2, 2) if padding else (3, 3)
        sides = [[Feed(shape, kind, 0.02, zero)] for shape in ([1, 7, 6, 3], [1, rows, columns, 3])]
        file(name, "AVERAGE_POOL_2D", sides[0], sides[1], "Pool2DOptions", padding=padding, strideW=2, strideH=2,
             filterWidth=size[0], filterHeight=size[1], fusedActivationFunction=0, span=(-2.0, 2.0))  # fmt: skip
file("local_response", "LOCAL_RESPONSE_NORMALIZATION", [Feed([1, 3, 3, 8])], [Feed([1, 3, 3, 8])],
     "LocalResponseNormalizationOptions", radius=3, bias=1.5, alpha=0.2, beta=0.75)  # fmt: skip
file("softmax_sharp", "SOFTMAX", [Feed([1, 2, 3, 5])], [Feed([1, 2, 3, 5])], "SoftmaxOptions", beta=2.5)
file("reshape_old", "RESHAPE", [Feed([2, 6])], [Feed([3, 4])], "ReshapeOptions", newShape=[3, 4])
file("squeeze_all", "SQUEEZE", [Feed([2, 1, 3, 1])], [Feed([2, 3])], "SqueezeOptions", squeezeDims=[])
file("fully_connected_flat", "FULLY_CONNECTED", [Feed([2, 2, 3]), w(4, 6), None], [Feed([2, 4])],
     "FullyConnectedOptions", fusedActivationFunction=3)  # fmt: skip
file("fully_connected_keep", "FULLY_CONNECTED", [Feed([2, 2, 3]), w(4, 3), w(4)], [Feed([2, 2, 4])],
     "FullyConnectedOptions", keepNumDims=True, version=5)  # fmt: skip
file("embedding_lookup", "EMBEDDING_LOOKUP", [Feed([4], "int32"), w(5, 3)], [Feed([4, 3])])
file("embedding_lookup_sparse", "EMBEDDING_LOOKUP_SPARSE", [Feed([3], "int32"), np.int32([[0, 0], [2, 0], [2, 1]]),
     np.int32([3, 2]), Feed([3]), w(5, 3)], [Feed([3, 3])], "EmbeddingLookupSparseOptions", combiner=1,
     span=(0.5, 2))  # fmt: skip
file("hashtable_lookup", "HASHTABLE_LOOKUP", [Feed([4], "int32"), np.int32([0, 2, 3]), w(3, 2)],
     [Feed([4, 2]), Feed([4], "uint8")])  # fmt: skip
file("gather_negative", "GATHER", [Feed([2, 5, 6]), np.int32([3, 1])], [Feed([2, 2, 6])], "GatherOptions", axis=-2)
file("one_hot_last", "ONE_HOT", [Feed([4], "int32"), np.int32(3), np.float32(2), np.float32(-1)], [Feed([4, 3])],
     "OneHotOptions", axis=-1)  # fmt: skip
file("unpack_negative", "UNPACK", [Feed([2, 3])], [Feed([2])] * 3, "UnpackOptions", num=3, axis=-1)
file("select_rows", "SELECT", [Feed([3], "bool"), Feed([3, 2]), Feed([3, 2])], [Feed([3, 2])], "SelectOptions")
file("sparse_to_dense_scalar", "SPARSE_TO_DENSE", [np.int32([1, 3]), np.int32([5]), Feed([2]), np.float32(-1)],
     [Feed([5])], "SparseToDenseOptions")  # fmt: skip
file("mirror_symmetric", "MIRROR_PAD", [Feed([2, 4])], [Feed([5, 7])], "MirrorPadOptions", mode=1)
FILES["mirror_symmetric"] = File("MIRROR_PAD", [Feed([2, 4]), np.int32([[1, 2], [2, 1]])], [Feed([5, 7])],
                                 ("MirrorPadOptions", {"mode": 1}))  # fmt: skip
file("dynamic_update", "DYNAMIC_UPDATE_SLICE", [Feed([4, 5]), Feed([2, 3]), Feed([2], "int32")], [Feed([4, 5])],
     "DynamicUpdateSliceOptions", values={2: [[1, 1], [3, 4]]})  # fmt: skip
file("strided_slice_offset", "STRIDED_SLICE", [Feed([4, 5]), np.int32([1, 0]), np.int32([2, 3]), np.int32([1, 2])],
     [Feed([2, 2])], "StridedSliceOptions", offset=True, version=8)  # fmt: skip
file("dilate", "DILATE", [Feed([2, 3]), np.int32([2, 3]), np.float32(-1)], [Feed([3, 7])], "DilateOptions")
file("reduce_window", "REDUCE_WINDOW", [Feed([6, 5]), np.float32(0), np.int64([2, 3]), np.int64([2, 1]),
     np.int64([2, 1])], [Feed([2, 3])], "ReduceWindowOptions", reduceFunction=1)  # fmt: skip
file("hybrid_embedding", "EMBEDDING_LOOKUP", [Feed([4], "int32"), Quantised(
    np.random.default_rng(5).integers(-127, 127, (5, 3)).astype(np.int8), [0.02])],
    [Feed([4, 3])], version=3)  # fmt: skip
file("int8_conv_channels", "CONV_2D", [Feed([1, 5, 5, 2], "int8", 0.03, 4), Quantised(
    np.random.default_rng(5).integers(-127, 127, (3, 3, 3, 2)).astype(np.int8), [0.01, 0.02, 0.005]),
    Quantised(np.int32([100, -200, 300]), [0.0003, 0.0006, 0.00015])], [Feed([1, 5, 5, 3], "int8", 0.08, -20)],
    "Conv2DOptions", padding=0, strideW=1, strideH=1, version=3)  # fmt: skip
file("uint8_conv", "CONV_2D", [Feed([1, 5, 5, 2], "uint8", 0.03, 120), Quantised(
    np.random.default_rng(5).integers(0, 255, (3, 3, 3, 2)).astype(np.uint8), [0.01], zero=131),
    Quantised(np.int32([100, -200, 300]), [0.0003])], [Feed([1, 5, 5, 3], "uint8", 0.08, 110)],
    "Conv2DOptions", padding=0, strideW=1, strideH=1, fusedActivationFunction=1)  # fmt: skip
file("uint8_add", "ADD", [Feed([2, 6], "uint8", 0.03, 120), Feed([2, 6], "uint8", 0.01, 100)],
     [Feed([2, 6], "uint8", 0.035, 118)], "AddOptions", fusedActivationFunction=3, version=1)  # fmt: skip
file("uint8_softmax", "SOFTMAX", [Feed([2, 6], "uint8", 0.05, 120)], [Feed([2, 6], "uint8", 1 / 256, 0)],
     "SoftmaxOptions", beta=1.0)  # fmt: skip

# --- detection -------------------------------------------------------------------------------------------------------


def detection(name: str, regular: bool, each: int) -> None:
    from flatbuffers import flexbuffers

    options = {
        "max_detections": 4, "max_classes_per_detection": each, "detections_per_class": 3, "use_regular_nms": regular,
        "nms_score_threshold": 0.3, "nms_iou_threshold": 0.5, "num_classes": 2, "y_scale": 10.0, "x_scale": 10.0,
        "h_scale": 5.0, "w_scale": 5.0,
    }  # fmt: skip
    rng = np.random.default_rng(9)
    anchors = np.concatenate([rng.uniform(0, 1, (8, 2)), rng.uniform(0.2, 0.5, (8, 2))], 1).astype(np.float32)
    count = 4 * each if not regular else 4
    scores = [rng.permutation(24).reshape(1, 8, 3) / 25 + 0.02 for _ in range(2)]
    FILES[name] = File(
        "TFLite_Detection_PostProcess", [Feed([1, 8, 4]), Feed([1, 8, 3]), anchors],
        [Feed([1, count, 4]), Feed([1, count]), Feed([1, count]), Feed([1])], None,
        bytes(flexbuffers.Dumps(options)), values={1: scores},
    )  # fmt: skip


detection("detection_fast", False, 1)
detection("detection_fast_two", False, 2)
detection("detection_regular", True, 1)


# --- ranges that stand for an activation -----------------------------------------------------------------------------

file("int8_add_saturated", "ADD", [Feed([2, 6], "int8", 0.02, 0), Feed([2, 6], "int8", 0.02, 0)],
     [Feed([2, 6], "int8", 0.005, -128)], "AddOptions", span=(-2.0, 2.0))  # fmt: skip


# --- packed weights --------------------------------------------------------------------------------------------------

MASK = np.random.default_rng(4).random((4, 8)) > 0.6
file("densify", "DENSIFY", [Sparse(w(4, 8) * MASK)], [Feed([4, 8])], "DensifyOptions")
BLOCKS = np.repeat(np.random.default_rng(6).random((4, 2)) > 0.4, 4, 1)
file("densify_blocks", "DENSIFY", [Sparse(w(4, 8) * BLOCKS, 4)], [Feed([4, 8])], "DensifyOptions")
file("weights_outside", "FULLY_CONNECTED", [Feed([2, 6]), w(4, 6), w(4)], [Feed([2, 4])], "FullyConnectedOptions",
     outside=True)  # fmt: skip
file("int4_dense", "FULLY_CONNECTED", [Feed([2, 8], "int8", 0.02, 3), Nibbles(
    np.random.default_rng(5).integers(-7, 8, (4, 8)).astype(np.int8), [0.1]), Quantised(
    np.int32([10, -20, 30, 5]), [0.002])], [Feed([2, 4], "int8", 0.05, 1)],
    "FullyConnectedOptions", version=10)  # fmt: skip
