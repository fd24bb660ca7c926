"""Pooling."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.layer import FLOATS
from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import F32, Layer, reads
from workers.formats.pytorch.read.symbols import Sym
from workers.hub.graph import GraphBuilder, Value


def _spatial(g: GraphBuilder, layer: Layer, x: Value, n: int) -> tuple[Value, bool]:
    """``x`` with a batch axis, and whether that was added."""
    return (g.Unsqueeze(x, [0]), True) if layer.rank(x) == n + 1 else (x, False)


def _sums(layer: Layer) -> int:
    return int(next(c for c in layer.type if c.isdigit()))


def max_pooled(
    g: GraphBuilder, layer: Layer, x: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: Any, outputs: int,
) -> list[Value]:  # fmt: skip
    n = _sums(layer)
    kernel = layer.integers(kernel_size, n)
    strides = layer.integers(stride, n) if stride not in (None, [], ()) else kernel
    x, added = _spatial(g, layer, x, n)
    dtype = x.dtype
    made = g.ops(
        "MaxPool", x if dtype in FLOATS else g.Cast(x, to=F32), outputs=outputs, kernel_shape=kernel, strides=strides,
        pads=layer.integers(padding, n) * 2, dilations=layer.integers(dilation, n), ceil_mode=int(bool(ceil_mode)),
    )  # fmt: skip
    if dtype is not None and dtype not in FLOATS:
        made[0] = g.Cast(made[0], to=dtype)
    if outputs == 2:
        made[1] = _within_plane(g, layer, x, made[1], n)
    return [g.Squeeze(value, [0]) for value in made] if added else made


def _within_plane(g: GraphBuilder, layer: Layer, x: Value, indices: Value, n: int) -> Value:
    """ONNX counts positions through the whole tensor, torch within one channel's plane."""
    plane = int(np.prod([layer.static(x, axis) for axis in range(2, 2 + n)]))
    return g.Mod(indices, g.constant(plane))


@reads("aten::max_pool1d", "aten::max_pool2d", "aten::max_pool3d", "quantized::max_pool2d")
def max_pool(
    g: GraphBuilder, layer: Layer, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: Any = False,
) -> Value:  # fmt: skip
    return max_pooled(g, layer, self, kernel_size, stride, padding, dilation, ceil_mode, 1)[0]


@reads(
    "aten::max_pool1d_with_indices", "aten::max_pool2d_with_indices", "aten::max_pool3d_with_indices",
)  # fmt: skip
def max_pool_with_indices(
    g: GraphBuilder, layer: Layer, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: Any = False,
) -> tuple[Value, ...]:  # fmt: skip
    return tuple(max_pooled(g, layer, self, kernel_size, stride, padding, dilation, ceil_mode, 2))


@reads("aten::avg_pool1d", "aten::avg_pool2d", "aten::avg_pool3d")
def avg_pool(
    g: GraphBuilder, layer: Layer, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: Any = False, count_include_pad: Any = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    """Windows that reach beyond the padding are divided by what lies within input and padding."""
    n = _sums(layer)
    kernel = layer.integers(kernel_size, n)
    strides = layer.integers(stride, n) if stride not in (None, [], ()) else kernel
    pads = layer.integers(padding, n)
    x, added = _spatial(g, layer, self, n)
    if ceil_mode and _clipped(layer, x, kernel, strides, pads):
        made = _counted(g, layer, x, kernel, strides, pads, bool(count_include_pad), divisor_override)
    else:
        include = 1 if divisor_override is not None else int(bool(count_include_pad))
        made = g.AveragePool(x, kernel_shape=kernel, strides=strides, pads=pads * 2, count_include_pad=include)
        if divisor_override is not None:
            factor = float(np.prod(kernel)) / layer.integer(divisor_override)
            made = g.Mul(made, operand(g, factor, made.dtype or F32))
    return g.Squeeze(made, [0]) if added else made


def _output(size: int, kernel: int, stride: int, pad: int) -> int:
    """Rounded up; a window that starts in the padding behind is dropped."""
    count = -(-(size + 2 * pad - kernel) // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pad else count


def _clipped(layer: Layer, x: Value, kernel: list[int], strides: list[int], pads: list[int]) -> bool:
    sizes = [layer.static(x, axis + 2) for axis in range(len(kernel))]
    return any(
        _output(size, k, s, p) != (size + 2 * p - k) // s + 1
        for size, k, s, p in zip(sizes, kernel, strides, pads, strict=True)
    )


def _counted(
    g: GraphBuilder, layer: Layer, x: Value, kernel: list[int], strides: list[int], pads: list[int], include: bool,
    divisor: Any,
) -> Value:  # fmt: skip
    """Sums over windows of a padded input, divided by counts that are computed here."""
    sizes = [layer.static(x, axis + 2) for axis in range(len(kernel))]
    counts, after = np.ones((), np.float32), []
    for size, k, s, p in zip(sizes, kernel, strides, pads, strict=True):
        out = _output(size, k, s, p)
        starts = np.arange(out) * s - p
        low, high = (-p, size + p) if include else (0, size)
        spans = np.minimum(starts + k, high) - np.maximum(starts, low)
        counts = np.multiply.outer(counts, spans.astype(np.float32))
        after.append(max(0, (out - 1) * s + k - size - p))
    padded = g.Pad(x, [0, 0, *pads, 0, 0, *after])
    mean = g.AveragePool(padded, kernel_shape=kernel, strides=strides)
    total = float(np.prod(kernel))
    scale = np.full_like(counts, total / layer.integer(divisor)) if divisor is not None else total / counts
    return g.Mul(mean, operand(g, g.constant(scale.astype(np.float32)), x.dtype or F32))


# --- adaptive --------------------------------------------------------------------------------------------------------


def _bins(size: int, count: int) -> list[tuple[int, int]]:
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _adaptive(g: GraphBuilder, layer: Layer, x: Value, output_size: Any, op: str) -> Value:
    """Equal bins are one pooling; others are reduced bin by bin along each axis."""
    n = _sums(layer)
    target = output_size if isinstance(output_size, list | tuple) else [output_size] * n
    target = [*target] * n if len(target) == 1 and n > 1 else target
    x, added = _spatial(g, layer, x, n)
    wanted: list[int | None] = [None if size is None else layer.integer(size) for size in target]
    if all(size == 1 for size in wanted):
        made = g.GlobalAveragePool(x) if op == "Mean" else g.GlobalMaxPool(x)
        return g.Squeeze(made, [0]) if added else made
    sizes = [layer.dim(x, axis + 2) for axis in range(n)]
    if any(isinstance(s, Sym) for s in sizes):
        raise layer.free("its bins follow from the size of its input")
    pairs = [(int(s), int(s) if w is None else w) for s, w in zip(sizes, wanted, strict=True) if isinstance(s, int)]
    if all(size % count == 0 for size, count in pairs):
        kernel = [size // count for size, count in pairs]
        name = "AveragePool" if op == "Mean" else "MaxPool"
        made = g.op(name, x, kernel_shape=kernel, strides=kernel)
    else:
        made = x
        for axis, (size, count) in enumerate(pairs):
            layer.bounded(count << 12)  # each bin is a node
            rows = [
                g.op(f"Reduce{op}", g.Slice(made, [low], [high], [axis + 2]), [axis + 2], keepdims=1)
                for low, high in _bins(size, count)
            ]
            made = g.Concat(*rows, axis=axis + 2) if size != count else made
    return g.Squeeze(made, [0]) if added else made


@reads(
    "aten::adaptive_avg_pool1d", "aten::adaptive_avg_pool2d", "aten::adaptive_avg_pool3d",
    "aten::_adaptive_avg_pool2d", "aten::_adaptive_avg_pool3d",
)  # fmt: skip
def adaptive_avg_pool(g: GraphBuilder, layer: Layer, self: Value, output_size: Any) -> Value:
    return _adaptive(g, layer, self, output_size, "Mean")


@reads("aten::adaptive_max_pool1d", "aten::adaptive_max_pool2d", "aten::adaptive_max_pool3d")
def adaptive_max_pool(g: GraphBuilder, layer: Layer, self: Value, output_size: Any) -> tuple[Value, Value]:
    """The maxima and their positions within the plane."""
    made = _adaptive(g, layer, self, output_size, "Max")
    n = _sums(layer)
    x, added = _spatial(g, layer, self, n)
    target = output_size if isinstance(output_size, list | tuple) else [output_size] * n
    target = [*target] * n if len(target) == 1 and n > 1 else target
    if all(size is not None and layer.integer(size) == 1 for size in target):
        first = g.ArgMax(g.Reshape(x, [0, 0, -1]), axis=2, keepdims=1)
        indices = g.Unsqueeze(first, list(range(3, 2 + n))) if n > 1 else first
    else:
        sizes = [layer.static(x, axis + 2, "a size that its bins follow from") for axis in range(n)]
        counts = [size if each is None else layer.integer(each) for size, each in zip(sizes, target, strict=True)]
        indices = _places(g, layer, x, sizes, counts)
    return made, g.Squeeze(indices, [0]) if added else indices


def _places(g: GraphBuilder, layer: Layer, x: Value, sizes: Sequence[int], counts: Sequence[int]) -> Value:
    """Positions of the first maximum of every bin: by one pooling where the bins are equal, else bin by bin."""
    n = len(sizes)
    if all(size % count == 0 for size, count in zip(sizes, counts, strict=True)):
        kernel = [size // count for size, count in zip(sizes, counts, strict=True)]
        _, indices = g.ops("MaxPool", x, outputs=2, kernel_shape=kernel, strides=kernel)
        return _within_plane(g, layer, x, indices, n)
    layer.bounded(int(np.prod(counts)) << 12)  # each bin is a few nodes
    plane, found = np.arange(int(np.prod(sizes))).reshape(sizes), []
    for cell in itertools.product(*(_bins(size, count) for size, count in zip(sizes, counts, strict=True))):
        lows, highs = [low for low, _ in cell], [high for _, high in cell]
        inside = g.Reshape(g.Slice(x, lows, highs, list(range(2, 2 + n))), [0, 0, -1])
        places = plane[tuple(slice(*ends) for ends in cell)].reshape(-1)
        found.append(g.Gather(g.constant(places), g.ArgMax(inside, axis=2, keepdims=1), axis=0))
    return g.Reshape(g.Concat(*found, axis=2), [0, 0, *counts])


@reads("aten::max_unpool2d", "aten::max_unpool3d", "aten::max_unpool1d")
def max_unpool(
    g: GraphBuilder,
    layer: Layer,
    self: Value,
    indices: Value,
    output_size: Any,
    stride: Any = None,
    padding: Any = None,
) -> Value:
    """Each value goes to its position within the plane; everything else is 0."""
    n = _sums(layer)
    out = layer.integers(output_size)[-n:]
    plane = layer.bounded(int(np.prod(out)))
    lead = [0, 0] if layer.rank(self) == n + 2 else [0]
    flat, places = (g.Reshape(x, [*lead, -1]) for x in (self, indices))
    ends = layer.dims(self)[: len(lead)]
    if any(isinstance(size, Sym) for size in ends):
        zeros = g.Expand(
            operand(g, 0.0, self.dtype or F32), g.Concat(g.Shape(self, end=len(lead)), g.constant([plane]), axis=0)
        )
    else:
        zeros = g.constant(np.zeros([*[int(s) for s in ends if isinstance(s, int)], plane], np.float32))
    made = g.ScatterElements(zeros, places, flat, axis=len(lead))
    return g.Reshape(made, [*lead, *out])


@reads("aten::lp_pool1d", "aten::lp_pool2d")
def lp_pool(
    g: GraphBuilder,
    layer: Layer,
    self: Value,
    norm_type: Any,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: Any = False,
) -> Value:
    n = _sums(layer)
    kernel = layer.integers(kernel_size, n)
    return g.LpPool(self, p=layer.integer(norm_type), kernel_shape=kernel, ceil_mode=int(bool(ceil_mode)),
                    strides=layer.integers(stride, n) if stride else kernel)  # fmt: skip
