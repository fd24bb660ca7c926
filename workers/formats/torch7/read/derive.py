"""The shape of a network's input, told by what its modules hold: buffers of the last run, sizes behind convolutions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from workers.formats.torch7.objects import Object, Storage, Table, Tensor

IMAGES = 1024
# Sizes that users train with: of several that fit, the first among these is taken.
COMMON = (224, 32, 28, 299, 227, 64, 96, 256, 128, 48, 20, 40, 36)
CHAINS = frozenset({"nn.Sequential", "nn.DataParallelTable", "nn.GPU", "nn.Serial", "nn.Decorator"})
POOLS = frozenset({"SpatialMaxPooling", "SpatialAveragePooling", "SpatialDilatedMaxPooling", "SpatialLPPooling",
                   "SpatialSubSampling"})  # fmt: skip
CONVOLUTIONS = frozenset({"SpatialConvolution", "SpatialConvolutionMM", "SpatialDilatedConvolution"})
KEEPS = frozenset({"ReLU", "Tanh", "Sigmoid", "Dropout", "SpatialDropout", "SpatialBatchNormalization", "Threshold",
                   "SpatialCrossMapLRN", "LeakyReLU", "ELU", "PReLU", "Identity", "HardTanh", "RReLU", "Copy",
                   "SpatialContrastiveNormalization", "SpatialSubtractiveNormalization", "Square", "Sqrt", "Abs",
                   "SpatialDivisiveNormalization", "MulConstant", "AddConstant", "Contiguous", "ReLU6"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Derived:
    shape: tuple[int, ...]
    words: str


def chain(module: Object, depth: int = 0) -> Iterator[Object]:
    """The modules one behind the other, sequences in sequences opened."""
    table = module.get("modules")
    inner = [item for item in table.items() if isinstance(item, Object)] if isinstance(table, Table) else []
    if module.class_name not in CHAINS or depth > 60:
        yield module
        return
    for item in inner:
        yield from chain(item, depth + 1)


def derived(module: Object) -> Derived | None:
    """The input's shape, or None when nothing tells it."""
    modules = list(chain(module))
    if not modules:
        return None
    return _buffer(module, modules[0]) or _dense(modules) or _image(modules)


def _buffer(root: Object, first: Object) -> Derived | None:
    """The gradient by the input that the last backward pass left has the input's shape."""
    for owner in (root, first):
        for key in ("gradInput", "_input"):
            value = owner.get(key)
            if isinstance(value, Tensor) and value.size and 1 < len(value.shape) < 6:
                return Derived(value.shape, f"the buffer {key} of {owner.class_name} left by the last run")
    node = root.get("innode")
    data = node.get("data") if isinstance(node, Object) else None
    left = data.get("input") if isinstance(data, Table) else None
    if isinstance(left, Table) and len(left.items()) == 1 and isinstance(left.items()[0], Tensor):
        value = left.items()[0]
        if value.size and len(value.shape) > 1:
            return Derived(value.shape, "the input that the last run left in the graph")
    return None


def _dense(modules: list[Object]) -> Derived | None:
    for item in modules:
        kind, weight = item.class_name.partition(".")[2], item.get("weight")
        if kind in ("Linear", "LinearNoBias") and isinstance(weight, Tensor) and len(weight.shape) == 2:
            return Derived((1, weight.shape[1]), "the weight of the first linear module")
        if kind not in KEEPS:
            return None
    return None


def _number(item: Object, key: str, default: int) -> int:
    value = item.get(key, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _image(modules: list[Object]) -> Derived | None:
    """Square images whose maps have, behind the convolutions, as many values as the next module takes."""
    first = next((item for item in modules if item.class_name.partition(".")[2] in CONVOLUTIONS), None)
    wanted = _wanted(modules)
    if first is None or wanted is None:
        return None
    fitting = [size for size in range(1, IMAGES + 1) if _values(modules, size) == wanted]
    usual = [size for size in COMMON if size in fitting]
    if len(fitting) == 1 or usual:
        size = fitting[0] if len(fitting) == 1 else usual[0]
        shape = (1, _number(first, "nInputPlane", 1), size, size)
        more = "" if len(fitting) == 1 else f"; sides from {fitting[0]} to {fitting[-1]} would fit as well"
        return Derived(shape, f"the {wanted} values that the module behind the convolutions takes{more}")
    return None


def _spatial(item: Object) -> bool:
    kind = item.class_name.partition(".")[2]
    return kind in CONVOLUTIONS or kind in POOLS or kind in KEEPS or kind == "SpatialZeroPadding"


def _wanted(modules: list[Object]) -> int | None:
    """The values of a sample that the first module which is none of images takes."""
    for place, item in enumerate(modules):
        if _spatial(item):
            continue
        size = item.get("size")
        if item.class_name in ("nn.View", "nn.Reshape") and isinstance(size, Storage) and 0 < size.size < 8:
            numbers = size.integers()
            if min(numbers) > 0:
                return math.prod(numbers)
            item = modules[place + 1] if place + 1 < len(modules) else item
        weight = item.get("weight")
        if item.class_name == "nn.Linear" and isinstance(weight, Tensor) and len(weight.shape) == 2:
            return weight.shape[1]
        return None
    return None


def _values(modules: list[Object], side: int) -> int | None:
    """How many values a sample has behind the convolutions, for square images of this side."""
    height, width, planes = side, side, 0
    for item in modules:
        if not _spatial(item):
            break
        kind = item.class_name.partition(".")[2]
        if kind in CONVOLUTIONS:
            planes = _number(item, "nOutputPlane", 0)
        if kind == "SpatialZeroPadding":
            height += _number(item, "pad_t", 0) + _number(item, "pad_b", 0)
            width += _number(item, "pad_l", 0) + _number(item, "pad_r", 0)
        elif kind not in KEEPS:
            height, width = _windows(item, height, "H"), _windows(item, width, "W")
        if height < 1 or width < 1:
            return None
    return height * width * planes


def _windows(item: Object, size: int, axis: str) -> int:
    kernel, stride = _number(item, f"k{axis}", 1), max(_number(item, f"d{axis}", 1), 1)
    pad = _number(item, f"pad{axis}", _number(item, "padding", 0))
    room = size + 2 * pad - _number(item, f"dilation{axis}", 1) * (kernel - 1) - 1
    if room < 0:
        return 0
    ceil = item.get("ceil_mode") is True or item.class_name.startswith("inn.")
    out = (-(-room // stride) if ceil else room // stride) + 1
    return out - 1 if ceil and pad and (out - 1) * stride >= size + pad else out


def example(module: Object) -> str:
    """A shape to show the user, with the channels of the first convolution."""
    for item in chain(module):
        planes = item.get("nInputPlane")
        if isinstance(planes, int):
            return f"1,{planes}," + ("16,112,112" if "Volumetric" in item.class_name else "224,224")
        frame = item.get("inputFrameSize")
        if isinstance(frame, int):
            return f"1,100,{frame}"
        if item.class_name.startswith("nn.LookupTable"):
            return "1,20"
    return "1,3,224,224"
