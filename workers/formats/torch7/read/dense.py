"""Modules with weights on vectors, and element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from workers.formats.torch7.objects import Array, Object, Storage, Table, Tensor
from workers.formats.torch7.read.layer import I64, Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder


def rows(g: GraphBuilder, layer: Layer, x: Value, rule: Callable[[Value], Value]) -> Value:
    """``rule`` on a matrix; a vector becomes one of one row for it."""
    if layer.rank(x, 1, 2) == 2:
        return rule(x)
    return g.Squeeze(rule(g.Unsqueeze(x, [0])), [0])


def matrix(layer: Layer, key: str = "weight") -> tuple[int, int]:
    shape = layer.needed(key).shape
    if len(shape) != 2:
        raise layer.malformed(f"its {key} has the shape {list(shape)}")
    return shape[0], shape[1]


@reads("Linear", "nn.LinearNoBias", "nn.LinearTHNN")
def linear(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x W' + b with weight [out, in]."""
    outs, ins = matrix(layer)
    return affine(g, layer, x, layer.weight(g, "weight"), outs, ins)


def affine(g: GraphBuilder, layer: Layer, x: Value, weight: Value, outs: int, ins: int) -> Value:
    offset = layer.weight(g, "bias", (outs,)) if layer.tensor("bias") is not None else None

    def rule(x: Value) -> Value:
        size = layer.shape(x)[1]
        if isinstance(size, int) and size != ins:
            raise layer.malformed(f"it takes {ins} features, its input has {size}")
        return g.Gemm(x, weight, offset, transB=1)

    return rows(g, layer, x, rule)


@reads("nn.SparseLinear")
def sparse_linear(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Pairs {place, value} of a sample, [pairs, 2], or of a batch, [N, pairs, 2]; places from 1 on."""
    outs, ins = matrix(layer)
    rank = layer.rank(x, 2, 3)
    if layer.shape(x)[-1] != 2:
        raise layer.malformed("its input holds no pairs of a place and a value")
    places, values = g.ops("Split", x, outputs=2, axis=-1, num_outputs=2)
    index = g.Sub(g.Cast(g.Squeeze(places, [rank - 1]), to=int(I64)), 1)
    columns = layer.weight(g, "weight", (ins, outs), lambda w: w.T, "transposed")
    total = g.ReduceSum(g.Mul(g.Gather(columns, index, axis=0), values), [rank - 2], keepdims=0)
    return g.Add(total, layer.weight(g, "bias", (outs,))) if layer.tensor("bias") is not None else total


@reads("nn.LinearWeightNorm")
def linear_weight_norm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """weight = g * v / |row of v|, a stored weight may be stale."""
    outs, ins = matrix(layer, "v")
    eps = layer.real("eps", 1e-16)

    def make() -> Array:
        v = layer.array("v").astype(np.float64)
        norm: Array = np.maximum(np.linalg.norm(v, axis=1, keepdims=True), eps)
        return v * layer.array("g").reshape(outs, 1) / norm

    if layer.needed("g").size != outs:
        raise layer.malformed(f"its g has {layer.needed('g').size} values for {outs} rows")
    return affine(g, layer, x, layer.made(g, f"{layer.name}.weight", (outs, ins), make), outs, ins)


@flows("nn.WeightNorm")
def weight_norm(run: Run, layer: Layer, data: Data) -> Data:
    """The module inside with weight = g * v / sqrt(|row of v|^2 + 1e-4); v has outputDim in front, the rest flat."""
    inner = (layer.modules() or [layer.inner("module")])[0]
    shape, first = layer.sizes("weightSize"), layer.integer("outputDim", 1) - 1
    v, scale = layer.array("v"), layer.array("g")
    if not 0 <= first < len(shape) or v.size != math.prod(shape) or scale.size != shape[first]:
        raise layer.malformed(f"its v of {v.size} values does not fit the weight {shape}")
    flat = v.reshape(shape[first], -1).astype(np.float64)
    norm = np.sqrt((flat * flat).sum(1, keepdims=True) + 1e-4)
    turned = (flat * scale.reshape(-1, 1) / norm).reshape([shape[first], *shape[:first], *shape[first + 1 :]])
    weight = np.ascontiguousarray(np.moveaxis(turned, 0, first), np.float32)
    made = Object(inner.class_name, inner.version, [_with_weight(layer, inner, weight)])
    return run.module(made, data, f"{layer.name}.{inner.text('name') or 1}")


def _with_weight(layer: Layer, inner: Object, weight: Array) -> object:
    flat = weight.reshape(-1)
    strides = tuple(stride // weight.itemsize for stride in weight.strides)
    storage = Storage("torch.FloatStorage", flat.size, flat.dtype, lambda: flat)
    fields = dict(inner.fields.entries)
    fields["weight"] = Tensor("torch.FloatTensor", weight.shape, strides, 0, storage)
    if isinstance(layer.get("bias"), Tensor):
        fields.setdefault("bias", layer.get("bias"))
    return Table(fields)


@flows("nn.LookupTable")
def lookup_table(run: Run, layer: Layer, data: Data) -> Data:
    """Rows by indices from 1 on; with maxNorm rows used are scaled down to that norm."""
    count, width = matrix(layer)
    weight = layer.weight(run.g, "weight") if not layer.has("maxNorm") else _bounded(run, layer, count, width)
    return Ref(run.g.Gather(weight, run.index(layer.one(data).read()), axis=0))


def _bounded(run: Run, layer: Layer, count: int, width: int) -> Value:
    most, kind = layer.real("maxNorm"), layer.real("normType", 2)

    def make() -> Array:
        w = layer.array("weight").astype(np.float64)
        norm = (np.abs(w) ** kind).sum(1, keepdims=True) ** (1 / kind)
        return np.where(norm > most, w * (most / (norm + 1e-7)), w)

    return layer.made(run.g, f"{layer.name}.weight", (count, width), make)


@flows("nn.LookupTableMaskZero")
def lookup_table_mask_zero(run: Run, layer: Layer, data: Data) -> Data:
    """Index 0 gives zeros; the row of index k is the one behind the k-th."""
    index = run.index(layer.one(data).read(), base=0)

    def masked(w: Array) -> Array:
        return np.concatenate([np.zeros_like(w[:1]), w[1:]])

    count, width = matrix(layer)
    return Ref(run.g.Gather(layer.weight(run.g, "weight", (count, width), masked, "masked"), index, axis=0))


@flows("nn.OneHot")
def one_hot(run: Run, layer: Layer, data: Data) -> Data:
    """An axis more, of outputSize, with 1 at the index."""
    values = run.g.constant(np.asarray([0, 1], np.float32))
    return Ref(run.g.OneHot(run.index(layer.one(data).read()), layer.positive("outputSize"), values, axis=-1))


# --- element by element ---------------------------------------------------------------------------------------------


def _fitted(g: GraphBuilder, layer: Layer, x: Value, key: str) -> tuple[Value, bool]:
    """A parameter that broadcasts against ``x``, and whether ``x`` has to be flat behind its first axis for it.

    With as many axes as the input it broadcasts; else it belongs to a sample, element by element.
    """
    shape, own = layer.shape(x), layer.needed(key).shape
    elements = math.prod(own)
    if len(own) == len(shape) and all(isinstance(a, str) or b in (1, a) for a, b in zip(shape, own, strict=True)):
        return layer.weight(g, key), False
    for lead in (1, 0):
        sample = shape[lead:]
        if all(isinstance(dim, int) for dim in sample) and _product(sample) == elements and sample:
            return layer.weight(g, key, [int(dim) for dim in sample if isinstance(dim, int)]), False
    return layer.weight(g, key, (1, elements)), True


def _product(dims: Sequence[object]) -> int:
    return math.prod(dim for dim in dims if isinstance(dim, int))


def _applied(g: GraphBuilder, layer: Layer, x: Value, key: str, operator: str) -> Value:
    parameter, flat = _fitted(g, layer, x, key)
    if not flat:
        return g.op(operator, x, parameter)
    shape = layer.shape(x)
    if any(isinstance(dim, int) is False for dim in shape[1:]) or _product(shape[1:]) != layer.needed(key).size:
        raise layer.malformed(f"its {key} of {layer.needed(key).size} values does not fit {list(shape)}")
    return layer.reshape(g, g.op(operator, g.Flatten(x, axis=1), parameter), shape)


@reads("nn.CMul")
def c_mul(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _applied(g, layer, x, "weight", "Mul")


@reads("nn.CAdd")
def c_add(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _applied(g, layer, x, "bias", "Add")


@reads("nn.Add")
def add(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A number, or a vector for every sample."""
    if layer.flag("scalar") or layer.needed("bias").size == 1:
        return g.Add(x, layer.weight(g, "bias", ()) if layer.needed("bias").size == 1 else layer.array("bias")[0])
    return _applied(g, layer, x, "bias", "Add")


@reads("nn.Mul")
def mul(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, layer.weight(g, "weight", ()))


@reads("AddConstant")
def add_constant(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A number, or a tensor that fits the last axes."""
    if isinstance(layer.get("constant_scalar"), Tensor) and layer.needed("constant_scalar").size > 1:
        return g.Add(x, layer.weight(g, "constant_scalar"))
    return g.Add(x, np.float32(layer.real("constant_scalar")))


# --- distances ------------------------------------------------------------------------------------------------------


@reads("nn.Cosine")
def cosine(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """w . x / ((|w| + 1e-12) (|x| + 1e-12)), weight [out, in]."""
    outs, ins = matrix(layer)

    def make() -> Array:
        w = layer.array("weight").astype(np.float64)
        norm: Array = np.linalg.norm(w, axis=1, keepdims=True)
        return w / (norm + 1e-12)

    weight = layer.made(g, f"{layer.name}.weight", (outs, ins), make)

    def rule(x: Value) -> Value:
        norm = g.Add(g.ReduceL2(x, [1], keepdims=1), np.float32(1e-12))
        return g.Div(g.Gemm(x, weight, transB=1), norm)

    return rows(g, layer, x, rule)


@reads("nn.Euclidean", "nn.WeightedEuclidean")
def euclidean(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """|x - w_j|, or |c_j (x - w_j)|: weight and diagCov [in, out]."""
    matrix(layer)

    def rule(x: Value) -> Value:
        difference = g.Sub(g.Unsqueeze(x, [2]), layer.weight(g, "weight"))
        if layer.type == "nn.WeightedEuclidean":
            difference = g.Mul(difference, layer.weight(g, "diagCov"))
        return g.ReduceL2(difference, [1], keepdims=0)

    return rows(g, layer, x, rule)


@reads("nn.Kmeans")
def kmeans(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The number, from 1 on, of the centre nearest to every sample: weight [k, dim]."""
    layer.rank(x, 2)
    matrix(layer)
    difference = g.Sub(g.Unsqueeze(x, [1]), layer.weight(g, "weight"))
    nearest = g.ArgMin(g.ReduceSumSquare(difference, [2], keepdims=0), axis=1, keepdims=0)
    return g.Add(layer.floats(g, nearest), np.float32(1))
