"""Attention: of many heads, grouped, and Keras' two layers without weights of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.keras.net import Spec
from workers.formats.keras.read.dense import floating
from workers.formats.keras.read.layer import BOOL, I64, Layer, Result, reads
from workers.formats.keras.read.masks import both
from workers.formats.keras.read.quantized import dense_kernel, projected
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.keras.weights import Stock
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

_ORDER = ("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask",
          "return_attention_scores", "training", "use_causal_mask")  # fmt: skip


def argument(layer: Layer, name: str) -> Any:
    """An argument of the call, by keyword or by place."""
    if name in layer.kwargs:
        return layer.kwargs[name]
    place = _ORDER.index(name)
    return layer.args[place] if place < len(layer.args) else None


@reads("MultiHeadAttention", "GroupQueryAttention")
def multi_head_attention(g: GraphBuilder, layer: Layer, *xs: Tensor) -> Result:
    """softmax(q k / sqrt(key_dim) + mask) v. Kernels [D, heads, size], the output's [heads, size, D]."""
    query = floating(g, layer, xs[0])
    given = [argument(layer, name) for name in ("value", "key")]
    value = floating(g, layer, given[0]) if isinstance(given[0], Tensor) else query
    key = floating(g, layer, given[1]) if isinstance(given[1], Tensor) else value
    grouped = layer.kind == "GroupQueryAttention"
    if layer.has("sliding_window"):
        raise layer.unsupported("it attends over a sliding window")
    between = list(range(1, query.rank - 1))
    axes = sorted(layer.axis(axis, query.rank) for axis in layer.integers("attention_axes", between))
    if axes != between:
        raise layer.unsupported(f"it attends over the axes {axes} of {query.rank}; onnxhub reads all between the ends")
    q, k, v = (
        _heads(g, layer, part, x) for part, x in (("query", query), ("key", key), ("value", value))
    )  # [batch, heads, positions, size]
    if grouped:
        k, v = (_repeated(g, layer, part, q) for part in (k, v))
    size = layer.fixed(g.shape(q)[3:])[0]
    scores = g.MatMul(g.Mul(q, layer.number(q, 1 / math.sqrt(size))), g.Transpose(k, perm=[0, 1, 3, 2]))
    scores = _masked(g, layer, scores, _mask(g, layer, scores, query, key, value))
    weights = g.Softmax(scores, axis=-1)
    y = g.Transpose(g.MatMul(weights, v), perm=[0, 2, 1, 3])
    if layer.flag("use_gate", False):
        y = g.Mul(y, g.Sigmoid(g.Transpose(_heads(g, layer, "gate", query), perm=[0, 2, 1, 3])))
    result = _output(g, layer, y, query)
    result.mask = query.mask if _sees_masks(layer) else None
    if layer.generation > 2:
        # Keras 3 takes the masks off its inputs: whatever runs after it finds none there.
        for name, x in zip(("query", "value", "key"), (xs[0], *given), strict=True):
            if isinstance(x, Tensor) and not isinstance(argument(layer, f"{name}_mask"), Tensor):
                x.mask = None
    return [result, plain(weights)] if argument(layer, "return_attention_scores") else result


def _part(layer: Layer, part: str) -> Layer:
    stock = layer.stock.inner.get(f"{part}_dense", Stock())
    config = {"use_bias": layer.flag("use_bias", True), "dtype": layer.config.get("dtype")}
    return Layer(Spec(part, "EinsumDense", "EinsumDense", config, layer.generation), stock, layer.scope,
                 f"{layer.name}.{part}")  # fmt: skip


def _flat(g: GraphBuilder, layer: Layer, x: Tensor) -> Value:
    """[batch, positions, features]: all axes between the ends in one."""
    value = x.plain(g)
    return value if x.rank == 3 else g.Reshape(value, [0, -1, layer.size(x, -1)])


def _heads(g: GraphBuilder, layer: Layer, part: str, x: Tensor) -> Value:
    """A projection as [batch, heads, positions, size]."""
    inner = _part(layer, part)
    kernel = dense_kernel(inner)
    if kernel.ndim != 3 or kernel.shape[0] != layer.size(x, -1):
        raise layer.malformed(f"its {part} kernel has the shape {list(kernel.shape)} for {layer.size(x, -1)} features")
    _, heads, size = kernel.shape
    y = projected(g, inner, _flat(g, layer, x), kernel)
    if layer.flag("use_bias", True):
        y = g.Add(y, inner.weight(g, "bias", inner.array("bias", heads, size).reshape(-1), layer.element(x)))
    return g.Transpose(g.Reshape(y, [0, -1, heads, size]), perm=[0, 2, 1, 3])


def _repeated(g: GraphBuilder, layer: Layer, x: Value, query: Value) -> Value:
    """Each head of keys and values serves a group of query heads that follow each other."""
    heads, size = layer.fixed([g.shape(x)[1], g.shape(x)[3]])
    wanted = layer.fixed(g.shape(query)[1:2])[0]
    if wanted % heads:
        raise layer.malformed(f"{wanted} query heads cannot share {heads} heads of keys")
    spread = g.Concat(*[g.Unsqueeze(x, [2])] * (wanted // heads), axis=2)
    return g.Reshape(spread, [0, wanted, -1, size])


def _output(g: GraphBuilder, layer: Layer, y: Value, query: Tensor) -> Tensor:
    """[batch, positions, heads, size] through the last projection, in the query's outer shape."""
    inner = _part(layer, "output")
    kernel = dense_kernel(inner)
    heads, size = layer.fixed(g.shape(y)[2:])
    if kernel.shape[:2] != (heads, size):
        raise layer.malformed(f"its output kernel has the shape {list(kernel.shape)} for {heads} heads of {size}")
    tail = list(kernel.shape[2:])
    flat = g.Reshape(y, [0, -1, heads * size])
    y = projected(g, inner, flat, kernel)
    if layer.flag("use_bias", True):
        y = g.Add(y, inner.weight(g, "bias", inner.array("bias", *tail).reshape(-1), layer.element(y)))
    if query.rank > 3 or len(tail) > 1:
        middle = [size if isinstance(size, int) else -1 for size in query.shape[1:-1]]
        y = g.Reshape(y, [0, *middle, *tail])
    return plain(y)


# --- masks -----------------------------------------------------------------------------------------------------------


def _mask(g: GraphBuilder, layer: Layer, scores: Value, query: Tensor, key: Tensor, value: Tensor) -> Value | None:
    """What may be attended to, as [batch, heads, queries, keys]: all of Keras' masks at once."""
    masks: list[Value | None] = []
    for name, axes, tensor in (("query", [1, 3], query), ("value", [1, 2], value), ("key", [1, 2], key)):
        given = argument(layer, f"{name}_mask")
        mask = given.plain(g) if isinstance(given, Tensor) else tensor.mask if _sees_masks(layer) else None
        own = name != "key" or tensor is not value
        if mask is not None and own:
            masks.append(g.Unsqueeze(cast(g, mask, BOOL), axes))
    given = argument(layer, "attention_mask")
    if isinstance(given, Tensor):
        mask = cast(g, given.plain(g), BOOL)
        masks.append(g.Unsqueeze(mask, [1]) if given.rank == 3 else mask)
    if argument(layer, "use_causal_mask"):
        masks.append(causal(g, scores))
    return both(g, masks)


def _sees_masks(layer: Layer) -> bool:
    """Before TensorFlow 2.10 the layer knew only of the mask that it was given."""
    major, minor = (*(int(part) if part.isdigit() else 0 for part in layer.scope.version.split(".")[:2]), 0, 0)[:2]
    return layer.generation > 2 or (major, minor) >= (2, 10)


def causal(g: GraphBuilder, scores: Value) -> Value:
    """True where a key does not come behind the query: [queries, keys]."""
    rank = len(g.shape(scores))
    rows, columns = g.shape(scores)[-2:]
    if isinstance(rows, int) and isinstance(columns, int) and rows * columns <= 1 << 20:
        return g.constant(np.tril(np.ones((rows, columns), np.bool_)))
    sizes = [g.Squeeze(g.Shape(scores, start=axis, end=axis + 1)) for axis in (rank - 2, rank - 1)]
    first, second = (g.Range(np.asarray(0), size, np.asarray(1)) for size in sizes)
    return g.GreaterOrEqual(g.Unsqueeze(cast(g, first, I64), [1]), g.Unsqueeze(second, [0]))


def _masked(g: GraphBuilder, layer: Layer, scores: Value, mask: Value | None) -> Value:
    """1e9 (30000 in half precision) is taken off what is masked; a row that is masked whole stays as it was."""
    if mask is None:
        return scores
    low = layer.number(scores, -3e4 if layer.element(scores).itemsize == 2 else -1e9)
    return g.Add(scores, g.Where(mask, layer.number(scores, 0), low))


# --- Attention and AdditiveAttention ---------------------------------------------------------------------------------


@reads("Attention", "AdditiveAttention")
def attention(g: GraphBuilder, layer: Layer, *xs: Tensor) -> Result:
    """[query, value, key]: softmax(scores) value, scores by product or by a sum through tanh."""
    if not 2 <= len(xs) <= 3:
        raise layer.malformed(f"it has {len(xs)} inputs")
    masks = layer.kwargs.get("mask")
    xs = tuple(floating(g, layer, x) for x in xs)
    query, value = xs[0].plain(g), xs[1].plain(g)
    key = xs[2].plain(g) if len(xs) == 3 else value
    for x in xs:
        layer.rank(x, 3)
    scores = _scores(g, layer, query, key)
    scores = _reach(g, layer, scores, xs, masks)
    weights = g.Softmax(scores, axis=-1)
    y = g.MatMul(weights, value)
    query_mask = _listed_mask(g, masks, 0) or xs[0].mask
    if query_mask is not None:
        y = g.Mul(y, g.Unsqueeze(cast(g, query_mask, layer.element(y)), [2]))
    result = plain(y, query_mask)
    return [result, plain(weights)] if layer.kwargs.get("return_attention_scores") else result


def _listed_mask(g: GraphBuilder, masks: Any, place: int) -> Value | None:
    item = masks[place] if isinstance(masks, list) and place < len(masks) else None
    return item.plain(g) if isinstance(item, Tensor) else None


def _reach(g: GraphBuilder, layer: Layer, scores: Value, xs: Sequence[Tensor], masks: Any) -> Value:
    """1e9 (65504 in half precision) off the scores of what is masked."""
    mask = _listed_mask(g, masks, 1) or xs[1].mask
    allowed = [None if mask is None else g.Unsqueeze(cast(g, mask, BOOL), [1])]
    if layer.kwargs.get("use_causal_mask") or layer.flag("causal", False):
        allowed.append(causal(g, scores))
    found = both(g, allowed)
    if found is None:
        return scores
    low = layer.number(scores, 65504.0 if layer.element(scores).itemsize == 2 else 1e9)
    return g.Sub(scores, g.Where(found, layer.number(scores, 0), low))


def _scores(g: GraphBuilder, layer: Layer, query: Value, key: Value) -> Value:
    scale = None
    if layer.kind == "AdditiveAttention":
        total = g.Tanh(g.Add(g.Unsqueeze(query, [2]), g.Unsqueeze(key, [1])))
        if layer.flag("use_scale", True):
            total = g.Mul(total, layer.weight(g, "scale", layer.array("scale", None), layer.element(query)))
        return g.ReduceSum(total, [-1], keepdims=0)
    if layer.flag("use_scale", False):
        scale = layer.weight(g, "scale", layer.array("scale").reshape(()), layer.element(query))
    if layer.word("score_mode", "dot") == "concat":
        total = g.Add(g.Unsqueeze(query, [2]), g.Unsqueeze(key, [1]))
        total = g.Tanh(total if scale is None else g.Mul(total, scale))
        array = layer.array("concat_score_weight").reshape(())
        weight = layer.weight(g, "concat_score_weight", array, layer.element(query))
        return g.Mul(g.ReduceSum(total, [-1], keepdims=0), weight)
    scores = g.MatMul(query, g.Transpose(key, perm=[0, 2, 1]))
    return scores if scale is None else g.Mul(scores, scale)
