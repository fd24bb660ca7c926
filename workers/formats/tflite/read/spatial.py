"""Windows over spatial axes: strides, dilations and padding as ONNX attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.formats.tflite.read.layer import Layer
from workers.hub.node import Dim

SAME, VALID = 0, 1
LIMIT = 1 << 20


def window(layer: Layer, names: Sequence[str], default: int = 0) -> list[int]:
    """Positive sizes from options of these names."""
    found = [layer.i(name, default) for name in names]
    if any(not 1 <= size <= LIMIT for size in found):
        raise layer.malformed(f"its {', '.join(names)} are {found}")
    return found


def spans(kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    return [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]


def padding(
    layer: Layer, sizes: Sequence[Dim], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> dict[str, Any]:
    """``pads`` where the sizes are known, else ``auto_pad``: SAME puts the odd one at the end.

    SAME makes ceil(size / stride) outputs and pads no more than these need.
    """
    kind = layer.i("padding")
    if kind == VALID:
        _check_fits(layer, sizes, spans(kernel, dilations))
        return {"pads": [0] * (2 * len(kernel))}
    if kind != SAME:
        raise layer.malformed(f"its padding {kind} does not exist")
    begin, end = [], []
    for size, span, stride in zip(sizes, spans(kernel, dilations), strides, strict=True):
        if not isinstance(size, int):
            return {"auto_pad": "SAME_UPPER"}
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        begin.append(total // 2)
        end.append(total - total // 2)
    return {"pads": begin + end}


def _check_fits(layer: Layer, sizes: Sequence[Dim], reach: Sequence[int]) -> None:
    if any(isinstance(size, int) and size < span for size, span in zip(sizes, reach, strict=True)):
        raise layer.malformed(f"its window of {list(reach)} is larger than its input of {list(sizes)}")
