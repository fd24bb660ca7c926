"""Kernel, stride, pad and dilation of convolutions and pools, in all the spellings that Caffe2 has for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workers.formats.caffe2.read.layer import Layer, Value
from workers.hub.graph import GraphBuilder

LIMIT = 1 << 20
NOTSET, VALID, SAME, CAFFE = range(4)


@dataclass(frozen=True, slots=True)
class Side:
    """One spatial axis. ``size`` is None while it is free; ``begin`` and ``end`` are its pads."""

    size: int | None
    kernel: int
    stride: int
    begin: int
    end: int
    dilation: int = 1

    @property
    def extent(self) -> int:
        return self.dilation * (self.kernel - 1) + 1


def window(layer: Layer, x: Value, *, first: int = 2, legacy: bool = True) -> list[Side]:
    """The spatial axes of a channels-first input. Raises MalformedModel for what Caffe2 would refuse."""
    rank = layer.rank(x, 3, 4, 5)
    count = rank - 2
    sizes = [dim if isinstance(dim, int) else None for dim in layer.shape(x)[first:]]
    kernel = _spelled(layer, "kernel", count)
    if kernel is None:
        raise layer.malformed("its kernel is missing")
    stride = _spelled(layer, "stride", count) or [1] * count
    dilation = _spelled(layer, "dilation", count) or [1] * count
    begin, end = _pads(layer, count)
    if any(not 1 <= part <= LIMIT for part in [*kernel, *stride, *dilation]):
        raise layer.malformed(f"its kernel {kernel}, stride {stride} and dilation {dilation} make no sense")
    parts = zip(sizes, kernel, stride, begin, end, dilation, strict=True)
    sides = [Side(*part) for part in parts]
    if not legacy:
        return sides
    return [_legacy(layer, side) for side in sides]


def _spelled(layer: Layer, key: str, count: int) -> list[int] | None:
    """``kernel``, ``kernel_h`` with ``kernel_w``, or ``kernels``; None when none of them stands there."""
    if layer.has(key):
        return [layer.integer(key)] * count
    if layer.has(f"{key}_h") and layer.has(f"{key}_w"):
        if count != 2:
            raise layer.malformed(f"it has {key}_h and {key}_w for {count} spatial axes")
        return [layer.integer(f"{key}_h"), layer.integer(f"{key}_w")]
    found = layer.integers(f"{key}s")
    if found and len(found) != count:
        raise layer.malformed(f"its {key}s are {found} for {count} spatial axes")
    return found or None


def _pads(layer: Layer, count: int) -> tuple[list[int], list[int]]:
    """(before, behind) every axis; a set of pad_t, pad_l, pad_b, pad_r that is not whole counts for nothing."""
    letters = ("pad_t", "pad_l", "pad_b", "pad_r")
    if layer.has("pad"):
        found = [layer.integer("pad")] * (2 * count)
    elif count == 2 and all(layer.has(key) for key in letters):
        found = [layer.integer(key) for key in letters]
    else:
        found = layer.integers("pads") or [0] * (2 * count)
    if len(found) != 2 * count or any(not 0 <= pad <= LIMIT for pad in found):
        raise layer.malformed(f"its pads are {found} for {count} spatial axes")
    return found[:count], found[count:]


def legacy_pad(layer: Layer) -> int:
    mode = layer.integer("legacy_pad", NOTSET)
    if not NOTSET <= mode <= CAFFE:
        raise layer.malformed(f"its legacy_pad is {mode}")
    return mode


def _legacy(layer: Layer, side: Side) -> Side:
    """VALID and SAME replace the pads; the smaller half of SAME comes first."""
    mode = legacy_pad(layer)
    if mode in (NOTSET, CAFFE):
        return side
    if side.dilation != 1:
        raise layer.malformed("it has a dilation and a legacy_pad")
    if mode == VALID:
        return replace(side, begin=0, end=0)
    if side.size is None:
        raise layer.free("its legacy padding depends on the size of the picture")
    total = max((-(-side.size // side.stride) - 1) * side.stride + side.kernel - side.size, 0)
    return replace(side, begin=total // 2, end=total - total // 2)


def attributes(sides: Sequence[Side]) -> dict[str, list[int]]:
    return {
        "kernel_shape": [side.kernel for side in sides],
        "strides": [side.stride for side in sides],
        "pads": [side.begin for side in sides] + [side.end for side in sides],
    }


def check_room(layer: Layer, sides: Sequence[Side]) -> None:
    """A window must fit into its padded picture."""
    for side in sides:
        if side.size is not None and side.size + side.begin + side.end < side.extent:
            raise layer.malformed(f"a kernel of {side.extent} does not fit a side of {side.size}")


# --- channels last ---------------------------------------------------------------------------------------------------


def first(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A picture with its channels in axis 1, whatever the order of the layer."""
    return moved(g, x, layer.rank(x, *range(2, 33))) if layer.last else x


def back(g: GraphBuilder, layer: Layer, y: Value) -> Value:
    """Channels where the layer's order wants them."""
    return moved(g, y, len(layer.shape(y)), back=True) if layer.last else y


def moved(g: GraphBuilder, x: Value, rank: int, *, back: bool = False) -> Value:
    """Channels from the end to axis 1, or back; where they stand there already, nothing."""
    if rank == 2:
        return x
    order = [0, *range(2, rank), 1] if back else [0, rank - 1, *range(1, rank - 1)]
    return g.Transpose(x, perm=order)
