"""ResNet-152 with random weights as a Module checkpoint: ``-symbol.json`` + ``-0000.params`` of about 230 MB."""

from __future__ import annotations

from pathlib import Path

from benchmarks.networks import Array, Block, Network, Weights, bottlenecks
from workers.formats.mxnet.file import write_params
from workers.formats.mxnet.symbol import Entry, Node, Symbol, write_symbol

DEPTHS = (3, 8, 36, 3)


def generate(folder: Path) -> Network:
    """Write both files into ``folder`` unless they are there."""
    symbol, params = folder / "resnet152-symbol.json", folder / "resnet152-0000.params"
    if not params.exists():
        net = _Net()
        net.body()
        symbol.write_text(write_symbol(Symbol(tuple(net.nodes), ((len(net.nodes) - 1, 0),), 10901)))
        with params.open("wb") as file:
            file.writelines(write_params(net.arrays))
    return Network("ResNet-152", (symbol, params), {"input_shapes": {"data": [1, 3, 224, 224]}})


class _Net:
    """The symbol's nodes in order, and the arrays of its variables."""

    def __init__(self) -> None:
        self.nodes = [Node("null", "data")]
        self.arrays: list[tuple[str, Array]] = []
        self.weights = Weights()

    def op(self, op: str, name: str, inputs: list[Entry], **attrs: object) -> Entry:
        self.nodes.append(Node(op, name, {key: str(value) for key, value in attrs.items()}, tuple(inputs)))
        return len(self.nodes) - 1, 0

    def variable(self, name: str, array: Array, kind: str = "arg") -> Entry:
        self.nodes.append(Node("null", name))
        self.arrays.append((f"{kind}:{name}", array))
        return len(self.nodes) - 1, 0

    def convolution(self, name: str, x: Entry, channels: int, width: int, kernel: int, stride: int) -> Entry:
        weight = self.variable(f"{name}_weight", self.weights.kernel(width, channels, kernel, kernel))
        pad = kernel // 2
        attrs = {"num_filter": width, "kernel": (kernel, kernel), "stride": (stride, stride), "pad": (pad, pad)}
        x = self.op("Convolution", name, [x, weight], no_bias=True, **attrs)
        scale = self.variable(f"{name}_bn_gamma", self.weights.positive(width))
        shift = self.variable(f"{name}_bn_beta", self.weights.small(width))
        mean = self.variable(f"{name}_bn_moving_mean", self.weights.small(width), "aux")
        variance = self.variable(f"{name}_bn_moving_var", self.weights.positive(width), "aux")
        return self.op("BatchNorm", f"{name}_bn", [x, scale, shift, mean, variance], eps=2e-5, fix_gamma=False)

    def relu(self, name: str, x: Entry) -> Entry:
        return self.op("Activation", name, [x], act_type="relu")

    def block(self, block: Block, x: Entry) -> Entry:
        name, width = block.name, block.width
        shortcut = x
        if block.projects:
            shortcut = self.convolution(f"{name}_sc", x, block.channels, 4 * width, 1, block.stride)
        y = self.relu(f"{name}_relu1", self.convolution(f"{name}_conv1", x, block.channels, width, 1, 1))
        y = self.relu(f"{name}_relu2", self.convolution(f"{name}_conv2", y, width, width, 3, block.stride))
        y = self.convolution(f"{name}_conv3", y, width, 4 * width, 1, 1)
        return self.relu(f"{name}_relu3", self.op("elemwise_add", f"{name}_plus", [y, shortcut]))

    def body(self) -> None:
        x = self.relu("relu0", self.convolution("conv0", (0, 0), 3, 64, 7, 2))
        x = self.op("Pooling", "pool0", [x], kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
        for block in bottlenecks(DEPTHS):
            x = self.block(block, x)
        x = self.op("Flatten", "flatten", [self.op("Pooling", "pool1", [x], global_pool=True, pool_type="avg")])
        weight = self.variable("fc_weight", self.weights.kernel(1000, 2048))
        bias = self.variable("fc_bias", self.weights.small(1000))
        self.op("softmax", "prob", [self.op("FullyConnected", "fc", [x, weight, bias], num_hidden=1000)])
