"""ResNet-152 with random weights as a ``.tflite`` of about 240 MB (60 MB in eight bits), channels last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.flatbuffer_write import Record, Scalar, Value, write
from benchmarks.networks import Array, Block, Network, Weights, bottlenecks, branches
from workers.formats.tflite.file import IDENTIFIER, MODEL, SUBGRAPH
from workers.formats.tflite.schema import OPERATORS, TENSOR_TYPES, option_tables

DEPTHS = (3, 8, 36, 3)
# Operator -> the number of its options in their union, and the version that knows eight-bit integers.
USED = {"CONV_2D": (1, 3), "MAX_POOL_2D": (5, 2), "ADD": (11, 2), "MEAN": (27, 2), "FULLY_CONNECTED": (8, 4),
        "SOFTMAX": (9, 2)}  # fmt: skip
TENSOR = {"shape": 0, "type": 1, "buffer": 2, "name": 3, "quantization": 4, "signature": 7}
OPERATOR = {"code": 0, "inputs": 1, "outputs": 2, "options_type": 3, "options": 4}
SAME, RELU = 0, 1
# Scales and zero points in eight bits: of the picture, of what may be negative, of what may not, of probabilities.
IMAGE, SIGNED, POSITIVE, SHARES = (4 / 255, 0), (32 / 255, 0), (16 / 255, -128), (1 / 256, -128)


def generate(folder: Path, depths: Sequence[int] = DEPTHS) -> Network:
    """Write the file into ``folder`` unless it is there."""
    return written(folder / "resnet152.tflite", "ResNet-152", depths, quantised=False)


def written(path: Path, title: str, depths: Sequence[int], *, quantised: bool) -> Network:
    """The network at ``path``, made unless it is there; ``quantised`` to eight bits, with a scale for every filter."""
    if not path.exists():
        net = _Net(quantised)
        net.body(depths)
        with path.open("wb") as file:
            write(net.model(), IDENTIFIER, file)
    return Network(title, (path,))


class _Net:
    """Tensors, operators and buffers of the one graph; a tensor goes by its place, ``scales`` by the tensor."""

    def __init__(self, quantised: bool) -> None:
        self.quantised = quantised
        self.tensors: list[Record] = []
        self.operators: list[Record] = []
        self.buffers: list[Record] = [{}]
        self.shapes: list[tuple[int, ...]] = []
        self.scales: dict[int, float] = {}
        self.weights = Weights()

    # --- records ------------------------------------------------------------------------------------------------------

    def tensor(self, name: str, shape: Sequence[int], kind: str, **more: Value) -> int:
        values: dict[str, Value] = {"shape": np.array(shape, "<i4"), "type": Scalar("i8", TENSOR_TYPES.index(kind)),
                                    "name": name, **more}  # fmt: skip
        self.tensors.append({TENSOR[key]: value for key, value in values.items()})
        self.shapes.append(tuple(shape))
        return len(self.tensors) - 1

    def computed(self, name: str, shape: Sequence[int], scale: tuple[float, int]) -> int:
        """A tensor of the graph's own, whose first axis is the free batch."""
        more: dict[str, Value] = {"signature": np.array([-1, *shape[1:]], "<i4")}
        if self.quantised:
            more["quantization"] = {2: np.array(scale[:1], "<f4"), 3: np.array(scale[1:], "<i8")}
        place = self.tensor(name, shape, "int8" if self.quantised else "float32", **more)
        self.scales[place] = scale[0]
        return place

    def stored(self, name: str, array: Array, scale: Array | None = None) -> int:
        """A constant; with a ``scale`` for each of its slices along the first axis where it is quantised."""
        self.buffers.append({0: array.reshape(-1).view(np.uint8)})
        more: dict[str, Value] = {"buffer": Scalar("u32", len(self.buffers) - 1)}
        if scale is not None:
            more["quantization"] = {2: scale.astype("<f4"), 3: np.zeros(scale.size, "<i8"), 6: Scalar("i32", 0)}
        return self.tensor(name, array.shape, array.dtype.name, **more)

    def op(self, kind: str, inputs: Sequence[int], output: int, **options: float) -> int:
        number, _ = USED[kind]
        fields = {entry.name: entry for entry in option_tables(1)[number]}
        self.operators.append({
            OPERATOR["code"]: Scalar("u32", list(USED).index(kind)),
            OPERATOR["inputs"]: np.array(inputs, "<i4"),
            OPERATOR["outputs"]: np.array([output], "<i4"),
            OPERATOR["options_type"]: Scalar("u8", number),
            OPERATOR["options"]: {
                fields[name].slot: Scalar(fields[name].kind, value) for name, value in options.items()
            },
        })  # fmt: skip
        return output

    def model(self) -> Record:
        codes = [
            {0: Scalar("i8", OPERATORS.index(kind)), 2: Scalar("i32", version if self.quantised else 1),
             3: Scalar("i32", OPERATORS.index(kind))}
            for kind, (_, version) in USED.items()
        ]  # fmt: skip
        ends = {"inputs": np.array([0], "<i4"), "outputs": np.array([len(self.tensors) - 1], "<i4")}
        graph: dict[str, Value] = {"tensors": self.tensors, **ends, "operators": self.operators, "name": "main"}
        subgraph = {SUBGRAPH[key]: value for key, value in graph.items()}
        model: dict[str, Value] = {"version": Scalar("u32", 3), "codes": codes, "subgraphs": [subgraph],
                                   "description": "random weights", "buffers": self.buffers}  # fmt: skip
        return {MODEL[key]: value for key, value in model.items()}

    # --- layers -------------------------------------------------------------------------------------------------------

    def weighted(self, name: str, x: int, kernel: Array) -> list[int]:
        """``kernel`` and a bias as constants: the bias counts in steps of the input's scale times the kernel's."""
        bias = self.weights.small(len(kernel))
        if not self.quantised:
            return [self.stored(f"{name}/kernel", kernel), self.stored(f"{name}/bias", bias)]
        scale = np.abs(kernel).max(axis=tuple(range(1, kernel.ndim)), keepdims=True) / 127
        steps = scale.reshape(-1) * self.scales[x]
        return [
            self.stored(f"{name}/kernel", np.rint(kernel / scale).astype(np.int8), scale.reshape(-1)),
            self.stored(f"{name}/bias", np.rint(bias / steps).astype(np.int32), steps),
        ]

    def convolution(self, name: str, x: int, width: int, size: int, stride: int, *, relu: bool = True) -> int:
        batch, height, across, channels = self.shapes[x]
        kernel = np.ascontiguousarray(self.weights.kernel(width, channels, size, size).transpose(0, 2, 3, 1))
        constants = self.weighted(name, x, kernel if relu else kernel * np.float32(0.3))
        shape = (batch, -(-height // stride), -(-across // stride), width)
        y = self.computed(name, shape, POSITIVE if relu else SIGNED)
        return self.op("CONV_2D", [x, *constants], y, padding=SAME, stride_w=stride, stride_h=stride,
                       fused_activation_function=RELU * relu)  # fmt: skip

    def block(self, block: Block, x: int) -> int:
        y, shortcut = branches(self.convolution, block, x, "/")
        sum = self.computed(block.name, self.shapes[y], POSITIVE)
        return self.op("ADD", [y, shortcut], sum, fused_activation_function=RELU)

    def body(self, depths: Sequence[int]) -> None:
        x = self.convolution("conv0", self.computed("image", (1, 224, 224, 3), IMAGE), 64, 7, 2)
        pooled = self.computed("pool0", (1, 56, 56, 64), POSITIVE)
        x = self.op("MAX_POOL_2D", [x], pooled, padding=SAME, stride_w=2, stride_h=2, filter_width=3, filter_height=3)
        for block in bottlenecks(depths):
            x = self.block(block, x)
        axes = self.stored("pool1/axes", np.array([1, 2], np.int32))
        x = self.op("MEAN", [x, axes], self.computed("pool1", (1, 2048), POSITIVE))
        # Some of the probabilities are to be told from zero in eight bits.
        dense = [x, *self.weighted("dense", x, self.weights.kernel(1000, 2048) * np.float32(4))]
        x = self.op("FULLY_CONNECTED", dense, self.computed("dense", (1, 1000), SIGNED))
        self.op("SOFTMAX", [x], self.computed("probabilities", (1, 1000), SHARES), beta=1)
