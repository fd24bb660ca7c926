"""Quantised layers: pairs of QuantizeLinear and DequantizeLinear.

Paddle's scale is the largest magnitude: x becomes round(x / scale * 127) in tensors of floats; ONNX's is one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.layer import F32, Array, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder

INT8 = ir.DataType.INT8
BACK = ("dequantize_linear",)


def _top(layer: Layer, key: str = "bit_length") -> int:
    """127 for 8 bits."""
    bits = layer.integer(key, 8)
    if not 2 <= bits <= 16:
        raise layer.malformed(f"it has {bits} bits")
    return int((1 << (bits - 1)) - 1)


def _step(g: GraphBuilder, layer: Layer, scale: Value, top: int, axis: int | None) -> Value:
    """Steps as ONNX has them: a scalar, or one for each place of an axis."""
    array = g.const(scale)
    if array is not None:
        known = np.maximum(array.astype(np.float64) / top, 1e-30).astype(np.float32)
        return g.constant(known.reshape(()) if axis is None and known.size == 1 else known.reshape(-1))
    wide = cast(g, scale, F32)
    steps = g.Div(wide, np.asarray(top, np.float32))
    return g.Reshape(steps, g.constant(np.zeros(0, np.int64)) if axis is None else [-1])


def _axis(layer: Layer, x: Value, scale: Value, default: int = 0) -> int | None:
    """The axis of the channels, None where one scale counts for all."""
    if all(dim == 1 for dim in layer.shape(scale)):
        return None
    axis = layer.integer("quant_axis", default)
    return layer.axis(axis, layer.rank(x)) if axis >= 0 else None


def _readers(layer: Layer, slot: str) -> list[str]:
    """Types of the operators that take an output."""
    names = set(layer.op.outputs.get(slot, ()))
    found = [op.type for block in layer.scope.program.blocks for op in block.ops if names & set(op.reads())]
    found += ["fetch" for value, _ in layer.scope.program.fetches if value in names]
    return found


def _floats(g: GraphBuilder, layer: Layer, x: Value, step: Value, axis: int | None, top: int) -> Value:
    """The integers as floats, for other widths than 8 bits."""
    wide = step
    if axis is not None:
        shape = [1] * layer.rank(x)
        shape[axis] = -1
        wide = g.Reshape(step, shape)
    return g.Clip(g.Round(g.Div(x, wide)), layer.number(x, -top), layer.number(x, top))


def quantised(g: GraphBuilder, layer: Layer, x: Value, step: Value, axis: int | None, top: int) -> Value:
    """Floats -> 8 bits; other widths stay in floats. Stored numbers end at -127 as in Paddle, computed ones at -128."""
    if top != 127:
        return _floats(g, layer, x, step, axis, top)
    array, size = g.const(x), g.const(step)
    if array is not None and size is not None:
        wide = size.reshape([-1 if place == axis else 1 for place in range(array.ndim)]) if axis is not None else size
        if (array < -wide * top).any():
            x = g.constant(np.maximum(array, -wide * top).astype(array.dtype))
    zero = np.zeros(() if axis is None else (layer.size(x, axis),), np.int8)
    return g.QuantizeLinear(cast(g, x, F32), step, zero, axis=axis)


def restored(g: GraphBuilder, layer: Layer, q: Value, step: Value, axis: int | None) -> Value:
    """8 bits, or whole numbers in floats, times their step."""
    if q.dtype == INT8:
        zero = np.zeros(() if axis is None else (layer.size(q, axis),), np.int8)
        return g.DequantizeLinear(q, step, zero, axis=axis)
    if axis is not None:
        shape = [1] * layer.rank(q)
        shape[axis] = -1
        step = g.Reshape(step, shape)
    return g.Mul(cast(g, q, F32), step)


def _no_offset(layer: Layer) -> None:
    zero = layer.maybe("ZeroPoint")
    array = GraphBuilder.const(zero)
    if zero is not None and (array is None or array.any()):
        raise layer.unsupported("its zero point is not zero")


@reads("quantize_linear")
def quantize_linear(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """With ``only_observer`` it has watched the calibration and changes nothing."""
    x, scale = layer.x(), layer.x("Scale")
    if layer.flag("only_observer"):
        return {"Y": g.Identity(x)}
    _no_offset(layer)
    axis, top = _axis(layer, x, scale, -1), _top(layer)
    q = quantised(g, layer, x, _step(g, layer, scale, top, axis), axis, top)
    if q.dtype == INT8 and any(reader not in BACK for reader in _readers(layer, "Y")):
        q = g.Cast(q, to=int(layer.element(x)))
    return {"Y": q}


@reads("dequantize_linear")
def dequantize_linear(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Stored weights hold whole numbers, often as floats: they become 8 bits."""
    x, scale = layer.x(), layer.x("Scale")
    if layer.flag("only_observer"):
        return {"Y": g.Identity(x)}
    _no_offset(layer)
    top = _top(layer)
    axis = _axis(layer, x, scale, -1)
    return {"Y": restored(g, layer, _narrowed(g, layer, x, top), _step(g, layer, scale, top, axis), axis)}


def _narrowed(g: GraphBuilder, layer: Layer, x: Value, top: int) -> Value:
    """A stored tensor of whole numbers as 8 bits, written when it is needed."""
    array = g.const(x)
    if array is None or top != 127 or array.dtype == np.int8:
        return x
    if np.abs(array).max(initial=0) > 128 or (array != np.round(array)).any():
        return x
    return _small(g, f"{layer.name}.int8", array.shape, lambda: array.astype(np.int8))


def _small(g: GraphBuilder, name: str, shape: tuple[int, ...], make: Callable[[], Array]) -> Value:
    return g.weight(name, ir.LazyTensor(lambda: ir.Tensor(make()), dtype=INT8, shape=ir.Shape(shape)))


# --- both ways in one operator, as quantisation-aware training leaves them ------------------------------------------


def _measured(g: GraphBuilder, layer: Layer, x: Value, axis: int | None) -> Value:
    """The largest magnitude of the data at hand."""
    array = g.const(x)
    if array is not None:
        rest = tuple(i for i in range(array.ndim) if i != axis) if axis is not None else None
        return g.constant(np.abs(array).max(axis=rest, initial=0).astype(np.float32).reshape(-1))
    axes = [i for i in range(layer.rank(x)) if i != axis] if axis is not None else list(range(layer.rank(x)))
    return g.Reshape(g.ReduceMax(g.Abs(x), axes, keepdims=0), [-1])


def _scale(g: GraphBuilder, layer: Layer, x: Value) -> tuple[Value, int | None]:
    """Stored by training, or measured. One operator finds what was stored under the name of its output."""
    axis = layer.axis(layer.integer("quant_axis", 0), layer.rank(x)) if "channel_wise" in layer.op.type else None
    stored = layer.maybe("InScale")
    if layer.op.type == "fake_channel_wise_quantize_abs_max" and layer.flag("is_test"):
        (name,) = layer.op.outputs.get("OutScale") or [""]
        kept = layer.env.find(name)
        stored = kept if isinstance(kept, ir.Value) else stored
    return (stored if stored is not None else _measured(g, layer, x, axis)), axis


@reads("fake_quantize_dequantize_abs_max", "fake_quantize_dequantize_moving_average_abs_max",
       "fake_channel_wise_quantize_dequantize_abs_max")  # fmt: skip
def fake_quantize_dequantize(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x, top = layer.x(), _top(layer)
    scale, axis = _scale(g, layer, x)
    step = _step(g, layer, scale, top, axis)
    return {"Out": restored(g, layer, quantised(g, layer, x, step, axis, top), step, axis), "OutScale": scale}


@reads("fake_quantize_abs_max", "fake_quantize_range_abs_max", "fake_quantize_moving_average_abs_max",
       "fake_channel_wise_quantize_abs_max")  # fmt: skip
def fake_quantize(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Whole numbers in floats, on which the next layer computes before fake_dequantize gives them their size."""
    x, top = layer.x(), _top(layer)
    scale, axis = _scale(g, layer, x)
    q = quantised(g, layer, x, _step(g, layer, scale, top, axis), axis, top)
    return {"Out": cast(g, q, layer.element(x)), "OutScale": scale}


@reads("fake_dequantize_max_abs")
def fake_dequantize_max_abs(g: GraphBuilder, layer: Layer) -> Value:
    x = cast(g, layer.x(), F32)
    scale = g.Div(cast(g, layer.x("Scale"), F32), np.asarray(layer.real("max_range"), np.float32))
    return g.Mul(x, scale)


@reads("fake_channel_wise_dequantize_max_abs")
def fake_channel_wise_dequantize_max_abs(g: GraphBuilder, layer: Layer) -> Value:
    """Scales of the channels, and of the whole tensor where a layer has worked on two quantised ones."""
    x, scales, bits = cast(g, layer.x(), F32), layer.all("Scales"), layer.integers("quant_bits", [8])
    if not scales or len(scales) > 2 or len(bits) < len(scales) or any(not 2 <= b <= 32 for b in bits):
        raise layer.malformed(f"it has {len(scales)} scales for {len(bits)} widths")
    rank = layer.rank(x)
    axis = layer.axis(layer.integer("quant_axis", 0) if len(scales) == 1 else layer.integer("x_num_col_dims", 1), rank)
    size = layer.shape(scales[0])[0] if layer.rank(scales[0]) == 1 else math.prod(layer.sizes(scales[0]))
    wide = reshaped(g, layer, scales[0], [size if place == axis else 1 for place in range(rank)])
    y = g.Mul(x, g.Div(wide, np.asarray(2.0 ** (bits[0] - 1) - 1, np.float32)))
    if len(scales) == 2:
        y = g.Mul(y, g.Div(scales[1], np.asarray(2.0 ** (bits[1] - 1) - 1, np.float32)))
    return y


@reads("moving_average_abs_max_scale")
def moving_average_abs_max_scale(g: GraphBuilder, layer: Layer) -> Value:
    """It watches and changes nothing."""
    return g.Identity(layer.x())


@reads("dequantize_abs_max", "lookup_table_dequant")
def dequantize_abs_max(g: GraphBuilder, layer: Layer) -> Value:
    if layer.op.type == "lookup_table_dequant":
        raise layer.unsupported("its table packs 8-bit rows with their ranges into floats")
    scale = g.Div(layer.x("Scale"), np.asarray(layer.real("max_range"), np.float32))
    return g.Mul(cast(g, layer.x(), F32), scale)
