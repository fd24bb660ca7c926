"""ResNet-152 with random weights as ``.pdmodel`` + ``.pdiparams`` of Paddle 2, about 240 MB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.networks import Array, Block, Network, Weights, bottlenecks, branches
from tests.workers.formats.paddle.programs import op, var
from workers.formats.paddle.file import write_record
from workers.formats.paddle.schema import PROGRAM
from workers.inspect.protobuf_write import encode

DEPTHS = (3, 8, 36, 3)
FEED_MINIBATCH, FETCH_LIST = 9, 10


def generate(folder: Path, depths: Sequence[int] = DEPTHS) -> Network:
    """Write both files into ``folder`` unless they are there."""
    model, params = folder / "resnet152.pdmodel", folder / "resnet152.pdiparams"
    if not params.exists():
        net = _Net()
        net.body(depths)
        model.write_bytes(net.program())
        with params.open("wb") as file:
            file.writelines(write_record(net.parameters[name]) for name in sorted(net.parameters))
    return Network("ResNet-152", (model, params))


class _Net:
    """The block's variables and operators; ``shapes`` are those of the computed variables."""

    def __init__(self) -> None:
        ends = (("feed", FEED_MINIBATCH), ("fetch", FETCH_LIST))
        self.vars = [{"name": name, "type": {"type": kind}, "persistable": True} for name, kind in ends]
        self.ops: list[dict[str, Any]] = []
        self.parameters: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.weights = Weights()

    def program(self) -> bytes:
        block = {"idx": 0, "parent_idx": -1, "vars": self.vars, "ops": self.ops}
        return encode(PROGRAM(blocks=[block], version={"version": 2_006_002}))

    def parameter(self, name: str, array: Array) -> str:
        self.vars.append(var(name, "float32", array.shape, persistable=True))
        self.parameters[name] = array
        return name

    def computed(self, name: str, shape: Sequence[int]) -> str:
        self.vars.append(var(name, "float32", shape))
        self.shapes[name] = tuple(shape)
        return name

    def op(self, type: str, name: str, inputs: Mapping[str, str], shape: Sequence[int], slot: str = "Out",
           others: Mapping[str, str] = {}, **attrs: Any) -> str:  # fmt: skip
        """An operator and its result ``name`` in ``slot``; ``others`` are results that nobody reads."""
        self.ops.append(op(type, inputs, {slot: self.computed(name, shape), **others}, **attrs))
        return name

    # --- layers -------------------------------------------------------------------------------------------------------

    def convolution(self, name: str, x: str, width: int, size: int, stride: int, *, relu: bool = True) -> str:
        batch, channels, height, across = self.shapes[x]
        shape = (batch, width, -(-height // stride), -(-across // stride))
        kernel = self.parameter(f"{name}.w_0", self.weights.kernel(width, channels, size, size))
        y = self.op("conv2d", name, {"Input": x, "Filter": kernel}, shape, "Output", strides=[stride] * 2,
                    paddings=[size // 2] * 2, dilations=[1, 1], groups=1, padding_algorithm="EXPLICIT",
                    data_format="NCHW")  # fmt: skip
        statistics = {
            "Scale": self.parameter(f"{name}_bn.w_0", self.weights.positive(width)),
            "Bias": self.parameter(f"{name}_bn.b_0", self.weights.small(width)),
            "Mean": self.parameter(f"{name}_bn.w_1", self.weights.small(width)),
            "Variance": self.parameter(f"{name}_bn.w_2", self.weights.positive(width)),
        }
        others = {"MeanOut": statistics["Mean"], "VarianceOut": statistics["Variance"]}
        others |= {slot: self.computed(f"{name}_bn.{slot}", (width,)) for slot in ("SavedMean", "SavedVariance")}
        y = self.op("batch_norm", f"{name}_bn", {"X": y, **statistics}, shape, "Y", others, epsilon=1e-5, momentum=0.9,
                    is_test=True, use_global_stats=False, data_layout="NCHW", trainable_statistics=False)  # fmt: skip
        return self.op("relu", f"{name}_relu", {"X": y}, shape) if relu else y

    def block(self, block: Block, x: str) -> str:
        y, shortcut = branches(self.convolution, block, x, "_")
        sum = self.op("elementwise_add", f"{block.name}_add", {"X": y, "Y": shortcut}, self.shapes[y], axis=-1)
        return self.op("relu", f"{block.name}_relu", {"X": sum}, self.shapes[y])

    def pool(self, name: str, x: str, shape: Sequence[int], kind: str, size: int, **attrs: Any) -> str:
        return self.op("pool2d", name, {"X": x}, shape, pooling_type=kind, ksize=[size] * 2, exclusive=True,
                       ceil_mode=False, padding_algorithm="EXPLICIT", data_format="NCHW", **attrs)  # fmt: skip

    def body(self, depths: Sequence[int]) -> None:
        self.ops.append(op("feed", {"X": "feed"}, {"Out": self.computed("image", (-1, 3, 224, 224))}, col=0))
        x = self.convolution("conv0", "image", 64, 7, 2)
        x = self.pool("pool0", x, (-1, 64, 56, 56), "max", 3, strides=[2, 2], paddings=[1, 1], adaptive=False,
                      global_pooling=False)  # fmt: skip
        for block in bottlenecks(depths):
            x = self.block(block, x)
        x = self.pool("pool1", x, (-1, 2048, 1, 1), "avg", 1, strides=[1, 1], paddings=[0, 0], adaptive=True,
                      global_pooling=False)  # fmt: skip
        others = {"XShape": self.computed("flat.XShape", (0, -1, 2048, 1, 1))}
        x = self.op("flatten_contiguous_range", "flat", {"X": x}, (-1, 2048), "Out", others, start_axis=1, stop_axis=3)
        weight = self.parameter("dense.w_0", self.weights.kernel(1000, 2048).T.copy())
        x = self.op("matmul_v2", "dense", {"X": x, "Y": weight}, (-1, 1000), trans_x=False, trans_y=False)
        bias = self.parameter("dense.b_0", self.weights.small(1000))
        x = self.op("elementwise_add", "logits", {"X": x, "Y": bias}, (-1, 1000), axis=-1)
        x = self.op("softmax", "probabilities", {"X": x}, (-1, 1000), axis=-1)
        self.ops.append(op("fetch", {"X": x}, {"Out": "fetch"}, col=0))
