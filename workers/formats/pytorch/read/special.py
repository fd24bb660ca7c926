"""Rare forms: at least so many axes, whole-tensor comparisons, operators under other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.read.convolution import convolve
from workers.formats.pytorch.read.layer import BOOL, F32, Layer, reads
from workers.formats.pytorch.read.logic import isclose
from workers.formats.pytorch.read.shape import diagonal
from workers.hub.graph import GraphBuilder, Value


@reads("aten::atleast_1d", "aten::atleast_2d", "aten::atleast_3d")
def atleast(g: GraphBuilder, layer: Layer, self: Any) -> Any:
    """Axes of size 1 in front; a third one behind."""
    if isinstance(self, list):
        return [atleast(g, layer, item) for item in self]
    wanted, rank = int(layer.type[-2]), layer.rank(self)
    places = {(0, 1): [0], (0, 2): [0, 1], (1, 2): [0], (0, 3): [0, 1, 2], (1, 3): [0, 2], (2, 3): [2]}
    axes = places.get((rank, wanted))
    return g.Unsqueeze(self, axes) if axes else g.Identity(self)


@reads("aten::equal", "aten::allclose")
def equal(
    g: GraphBuilder, layer: Layer, self: Value, other: Value, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False
) -> Value:
    """One truth for the whole tensor."""
    exact = layer.type.endswith("equal")
    close = g.Equal(self, other) if exact else isclose(g, layer, self, other, rtol, atol, equal_nan)
    return g.Cast(g.ReduceMin(g.Cast(close, to=ir.DataType.INT32), keepdims=0), to=BOOL)


@reads("aten::_trilinear")
def trilinear(
    g: GraphBuilder, layer: Layer, i1: Value, i2: Value, i3: Value, expand1: Any, expand2: Any, expand3: Any,
    sumdim: Any, unroll_dim: Any = 1,
) -> Value:  # fmt: skip
    """The product of three tensors with new axes, summed over some of them."""
    parts = [
        g.Unsqueeze(x, axes) if axes else x
        for x, axes in zip((i1, i2, i3), (layer.integers(e) for e in (expand1, expand2, expand3)), strict=True)
    ]
    made = g.Mul(g.Mul(parts[0], parts[1]), parts[2])
    return g.ReduceSum(made, layer.integers(sumdim), keepdims=0) if sumdim else made


@reads("aten::is_nonzero")
def is_nonzero(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Reshape(g.Cast(self, to=BOOL), g.constant(np.zeros(0, np.int64)))


@reads("aten::diagonal_copy")
def diagonal_copy(g: GraphBuilder, layer: Layer, self: Value, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Any:
    return diagonal(g, layer, self, offset, dim1, dim2)


@reads("aten::conj_physical")
def conj_physical(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Identity(self)


@reads("aten::range")
def range_(g: GraphBuilder, layer: Layer, start: Any, end: Any, step: Any = 1, *rest: Any, **named: Any) -> Value:
    """The end is part of it; floats unless told."""
    code = named.get("dtype", rest[0] if rest else None)
    dtype = layer.dtype(code if isinstance(code, int) else None, F32)
    low, high, by = layer.real(start), layer.real(end), layer.real(step)
    count = layer.bounded(int(np.floor((high - low) / by)) + 1)
    return g.Identity(g.constant((low + by * np.arange(count)).astype(dtype.numpy())))


@reads("aten::cudnn_convolution_relu", "aten::cudnn_convolution_add_relu")
def convolution_relu(
    g: GraphBuilder, layer: Layer, self: Value, weight: Value, *rest: Any
) -> Value:  # fmt: skip
    """(x, w, bias, stride, padding, dilation, groups); with (z, alpha) before the bias where something is added."""
    z, alpha, rest = (rest[0], rest[1], rest[2:]) if "add" in layer.type else (None, 1, rest)
    made = convolve(g, layer, self, weight, *rest)
    if z is not None:
        factor = 1.0 if alpha is None else layer.real(alpha)
        made = g.Add(made, z if factor == 1 else g.Mul(z, g.constant(factor)))
    return g.Relu(made)


@reads("aten::dim_arange", "aten::_dim_arange")
def dim_arange(g: GraphBuilder, layer: Layer, like: Value, dim: Any) -> Value:
    size = layer.dim(like, layer.axis(like, dim))
    return g.Range(0, size if isinstance(size, int) else size.scalar(g), 1)


@reads("aten::empty_strided")
def empty_strided(
    g: GraphBuilder, layer: Layer, size: Any, stride: Any, dtype: Any = None, *_: Any, **__: Any
) -> Value:
    wanted = layer.dtype(dtype if isinstance(dtype, int) else None, F32)
    layer.bounded(int(np.prod(layer.integers(size), dtype=np.float64)))
    return g.Identity(g.constant(np.zeros(layer.integers(size), wanted.numpy())))
