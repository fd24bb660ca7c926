"""Caffe2 nets made by hand, and one of full size, written with the tables of the format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from workers.formats.caffe2.file import operator, write_net
from workers.formats.caffe2.read import read
from workers.formats.caffe2.schema import NET
from workers.formats.contract import Reading, ReadRequest
from workers.inspect import protobuf_write
from workers.inspect.schema import Message
from workers.inspect.upload import Upload
from workers.options import Options

Array = npt.NDArray[Any]
FILLS = {"f4": "GivenTensorFill", "i4": "GivenTensorIntFill", "i8": "GivenTensorInt64Fill", "b1": "GivenTensorBoolFill"}
__all__ = ["fill", "net", "normal", "operator", "pair", "read_nets", "resnet", "save", "write_resnet"]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def fill(name: str, array: Array) -> Message:
    """One operator of an init net."""
    kind = FILLS[array.dtype.str[1:]]
    return operator(kind, [], [name], shape=list(array.shape), values=array.reshape(-1))


def net(ops: Sequence[Message], inputs: Sequence[str] = (), outputs: Sequence[str] = (), name: str = "net") -> Message:
    return NET(name=name, op=list(ops), external_input=list(inputs), external_output=list(outputs))


def pair(
    ops: Sequence[Message], params: Mapping[str, Array], inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[Message, Message]:
    """An init net that fills the parameters, and the predict net."""
    init = net([fill(name, array) for name, array in params.items()], name="init")
    return init, net(ops, [*inputs, *params], outputs, name="predict")


def save(folder: Path, init: Message | None, predict: Message) -> list[Path]:
    """Both nets as files; an init net without operators is none."""
    files = [folder / "predict_net.pb"]
    files[0].write_bytes(write_net(predict))
    if init is not None and init.op:
        files.append(folder / "init_net.pb")
        files[1].write_bytes(write_net(init))
    return files


def read_nets(folder: Path, init: Message | None, predict: Message, **options: Any) -> Reading:
    return read(ReadRequest(Upload.of(*save(folder, init, predict)), Options(**options)))


# --- a full-size network ----------------------------------------------------------------------------------------------


def resnet(depths: Sequence[int]) -> tuple[list[Message], list[tuple[str, tuple[int, ...]]]]:
    """ResNet as ``caffe2.python.models.resnet`` builds it: operators, and the shapes of its parameters."""
    ops: list[Message] = []
    shapes: list[tuple[str, tuple[int, ...]]] = []

    def conv(x: str, name: str, channels: int, filters: int, kernel: int, stride: int) -> str:
        ops.append(operator("Conv", [x, f"{name}_w"], [name], kernel=kernel, stride=stride, pad=kernel // 2,
                            order="NCHW"))  # fmt: skip
        shapes.append((f"{name}_w", (filters, channels, kernel, kernel)))
        parts = [f"{name}_bn_{part}" for part in ("s", "b", "rm", "riv")]
        ops.append(operator("SpatialBN", [name, *parts], [f"{name}_bn"], is_test=1, epsilon=1e-5, order="NCHW"))
        shapes.extend((part, (filters,)) for part in parts)
        return f"{name}_bn"

    def relu(x: str) -> str:
        ops.append(operator("Relu", [x], [x]))
        return x

    x = relu(conv("data", "conv1", 3, 64, 7, 2))
    ops.append(operator("MaxPool", [x], ["pool1"], kernel=3, stride=2, pad=1, order="NCHW"))
    x, channels = "pool1", 64
    for stage, (blocks, width) in enumerate(zip(depths, (64, 128, 256, 512), strict=True), 2):
        for block in range(blocks):
            name, stride = f"res{stage}_{block}", 2 if block == 0 and stage > 2 else 1
            y = relu(conv(x, f"{name}_branch2a", channels, width, 1, stride))
            y = relu(conv(y, f"{name}_branch2b", width, width, 3, 1))
            y = conv(y, f"{name}_branch2c", width, 4 * width, 1, 1)
            if block == 0:
                x = conv(x, f"{name}_branch1", channels, 4 * width, 1, stride)
            ops.append(operator("Sum", [y, x], [name]))
            x, channels = relu(name), 4 * width
    ops.append(operator("AveragePool", [x], ["pool5"], kernel=7, order="NCHW"))
    ops.append(operator("FC", ["pool5", "pred_w", "pred_b"], ["pred"]))
    shapes += [("pred_w", (1000, channels)), ("pred_b", (1000,))]
    ops.append(operator("Softmax", ["pred"], ["softmax"]))
    return ops, shapes


def _parameters(shapes: Sequence[tuple[str, tuple[int, ...]]], seed: int) -> Iterator[tuple[str, Array]]:
    """Weights drawn so that the numbers neither grow nor vanish; variances and scales are positive."""
    rng = np.random.default_rng(seed)
    for name, shape in shapes:
        if name.endswith(("_s", "_riv")):
            yield name, rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            spread = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
            yield name, (rng.standard_normal(shape, np.float32) * np.float32(spread)).astype(np.float32)


def write_resnet(folder: Path, depths: Sequence[int] = (3, 4, 6, 3), seed: int = 0) -> list[Path]:
    """``predict_net.pb`` and ``init_net.pb`` of a ResNet with random weights, by streaming; five bytes a number."""
    ops, shapes = resnet(depths)
    predict = net(ops, ["data", *(name for name, _ in shapes)], ["softmax"], name="resnet")
    files = [folder / "predict_net.pb", folder / "init_net.pb"]
    files[0].write_bytes(write_net(predict))
    with files[1].open("wb") as stream:
        for name, array in _parameters(shapes, seed):
            _write_fill(stream, name, array)
    return files


def _write_fill(stream: BinaryIO, name: str, array: Array) -> None:
    """One operator of a NetDef: its numbers are not packed, every one has its tag in front."""
    record = np.empty(array.size, np.dtype([("tag", "u1"), ("value", "<f4")]))
    record["tag"], record["value"] = 5 << 3 | protobuf_write.FIXED32, array.reshape(-1)
    values = protobuf_write.varint(1 << 3 | protobuf_write.LENGTH) + protobuf_write.varint(6) + b"values"
    body = protobuf_write.varint(5 << 3 | protobuf_write.LENGTH) + protobuf_write.varint(len(values) + record.nbytes)
    head = protobuf_write.encode(operator("GivenTensorFill", [], [name], shape=list(array.shape)))
    size = len(head) + len(body) + len(values) + record.nbytes
    stream.write(protobuf_write.varint(2 << 3 | protobuf_write.LENGTH) + protobuf_write.varint(size))
    stream.write(head + body + values)
    stream.write(record.view("u1").data)
