"""Preprocessing layers: arithmetic on pixels and features, look-ups, encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.keras.read.dense import floating
from workers.formats.keras.read.layer import BOOL, F32, I32, I64, STRING, Array, Layer, reads, unwrapped
from workers.formats.keras.read.normalization import along, axes_of
from workers.formats.keras.read.resize import resized, to_aspect
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.keras.read.windows import spatial
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

TABLE = 1 << 22


def _numbers(layer: Layer, key: str) -> Array:
    value: Any = layer.config.get(key)
    if isinstance(value, dict):
        value = unwrapped(value)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise layer.malformed(f"its {key} is {str(value)[:60]}") from None
    if array.size > TABLE or not np.isfinite(array).all():
        raise layer.malformed(f"its {key} holds what are no numbers, or too many")
    return array.astype(np.float32)


@reads("Rescaling")
def rescaling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """x * scale + offset; both may differ from channel to channel."""
    x = floating(g, layer, x)
    scale = _numbers(layer, "scale")
    offset = _numbers(layer, "offset") if layer.has("offset") else np.zeros((), np.float32)
    y = x.like(g.Mul(x.value, _broadcast(g, layer, "scale", scale, x)))
    return y if not offset.any() else y.like(g.Add(y.value, _broadcast(g, layer, "offset", offset, x)))


def _broadcast(g: GraphBuilder, layer: Layer, name: str, array: Array, x: Tensor) -> Value:
    if array.size == 1:
        return g.constant(array.reshape(()).astype(layer.element(x).numpy()))
    if array.ndim != 1:
        raise layer.unsupported(f"its {name} has {array.ndim} axes")
    return along(g, layer, name, x, [x.rank - 1], array)


@reads("Normalization")
def normalization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """(x - mean) / max(sqrt(variance), 1e-7) over the kept axes; ``invert`` goes back."""
    x = floating(g, layer, x)
    axes = axes_of(layer, x) if layer.has("axis") else []
    shape = [layer.size(x, axis) for axis in axes]
    if layer.has("mean"):
        mean, variance = _numbers(layer, "mean"), _numbers(layer, "variance")
    else:
        mean, variance = layer.array("mean"), layer.array("variance")
    if mean.size not in (1, int(np.prod(shape))) or variance.size != mean.size:
        raise layer.malformed(f"its mean has {mean.size} values for the sizes {shape}")
    deviation = np.maximum(np.sqrt(variance.astype(np.float32)), np.float32(1e-7))
    values = []
    for name, array in (("mean", mean.astype(np.float32)), ("deviation", deviation)):
        if array.size == 1:
            values.append(g.constant(array.reshape(()).astype(layer.element(x).numpy())))
        else:
            values.append(along(g, layer, name, x, axes, array.reshape(shape)))
    if layer.flag("invert", False):
        return x.like(g.Add(values[0], g.Mul(x.value, values[1])))
    return x.like(g.Div(g.Sub(x.value, values[0]), values[1]))


# --- images ----------------------------------------------------------------------------------------------------------


@reads("Resizing")
def resizing(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Images to a size; of the right aspect ratio first, where that is asked for."""
    x = floating(g, layer, x)
    value, make = spatial(g, layer, x, 2)
    size = [layer.integer("height"), layer.integer("width")]
    if min(size) < 1:
        raise layer.malformed(f"its size is {size[0]} x {size[1]}")
    crop, pad = layer.flag("crop_to_aspect_ratio", False), layer.flag("pad_to_aspect_ratio", False)
    value = to_aspect(g, layer, value, size, crop, pad, layer.real("fill_value", 0.0))
    word = layer.word("interpolation", "bilinear").lower()
    return make(resized(g, layer, value, word, size, [1, 1], layer.flag("antialias", False)))


@reads("CenterCrop", "RandomCrop")
def center_crop(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """The middle of the image, rounded down; a smaller image is enlarged to fit and then cropped."""
    if layer.rank(x, 3, 4) == 3:
        raise layer.unsupported("it crops images without a batch")
    value, make = spatial(g, layer, x, 2)
    want = [layer.integer("height"), layer.integer("width")]
    have = layer.fixed(g.shape(value)[2:])
    if min(want) < 1:
        raise layer.malformed(f"its size is {want[0]} x {want[1]}")
    if any(size < to for size, to in zip(have, want, strict=True)):
        value = to_aspect(g, layer, value, want, True, False, 0.0)
        return make(resized(g, layer, value, "bilinear", want, [1, 1]))
    first = [int((size - to) / 2) for size, to in zip(have, want, strict=True)]
    return make(g.Slice(value, first, [at + to for at, to in zip(first, want, strict=True)], [2, 3]))


# --- categories ------------------------------------------------------------------------------------------------------


def encoded(g: GraphBuilder, layer: Layer, indices: Value, count: int, mode: str) -> Tensor:
    """Indices, or rows of ``count`` columns: one row an index, what occurs in a sample, or how often."""
    if mode == "int":
        return plain(indices)
    if not 1 <= count <= TABLE:
        raise layer.malformed(f"it has {count} categories")
    rank = len(g.shape(indices))
    hot = g.OneHot(cast(g, indices, I64), np.asarray(count), np.asarray([0, 1], np.float32), axis=-1)
    if mode == "one_hot":
        last = g.shape(indices)[-1] if rank else None
        return plain(g.Squeeze(hot, [-2]) if last == 1 and rank > 1 else hot)
    if mode == "multi_hot":
        return plain(g.ReduceMax(hot, [-2], keepdims=0))
    if mode == "count":
        return plain(g.ReduceSum(hot, [-2], keepdims=0))
    raise layer.unsupported(f"its output_mode {mode!r} is none that onnxhub reads")


@reads("CategoryEncoding")
def category_encoding(g: GraphBuilder, layer: Layer, x: Tensor, weights: Tensor | None = None) -> Tensor:
    mode = layer.word("output_mode", "multi_hot").replace("binary", "multi_hot")
    if weights is not None or layer.has("count_weights") or layer.kwargs.get("count_weights") is not None:
        raise layer.unsupported("it counts with weights")
    if layer.flag("sparse", False):
        raise layer.unsupported("its result is sparse")
    indices = cast(g, x.plain(g), I64)
    count = layer.integer("num_tokens", layer.integer("max_tokens", 0))
    if x.rank == 1 and mode != "one_hot":
        indices = g.Unsqueeze(indices, [1])
    return encoded(g, layer, indices, count, mode)


@reads("Discretization")
def discretization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """How many boundaries are not above the value."""
    bounds = _numbers(layer, "bin_boundaries").reshape(-1)
    if not bounds.size:
        raise layer.malformed("it has no bin_boundaries; adapt it before saving")
    value = cast(g, x.plain(g), F32)
    above = g.GreaterOrEqual(g.Unsqueeze(value, [-1]), bounds)
    mode = layer.word("output_mode", "int")
    if mode == "int":
        integers = I64 if layer.generation < 3 else I32
        return plain(cast(g, g.ReduceSum(cast(g, above, I64), [-1], keepdims=0), integers))
    return encoded(g, layer, g.ReduceSum(cast(g, above, I64), [-1], keepdims=0), bounds.size + 1, mode)


@reads("IntegerLookup")
def integer_lookup(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Known integers by their place behind the mask and the unknown ones."""
    return _lookup(g, layer, cast(g, x.plain(g), I64), text=False)


@reads("StringLookup")
def string_lookup(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    return _lookup(g, layer, x.plain(g), text=layer.flag("invert", False) is False)


def _vocabulary(layer: Layer) -> list[Any]:
    words: Any = layer.config.get("vocabulary")
    words = words.get("config", words) if isinstance(words, dict) else words
    words = words.get("value", words) if isinstance(words, dict) else words
    if not isinstance(words, list) or not words:
        raise layer.unsupported("its vocabulary lies in a file of its own; give it as a list when the layer is made")
    if len(words) > TABLE:
        raise layer.malformed(f"its vocabulary has {len(words):,} words")
    return words


def _lookup(g: GraphBuilder, layer: Layer, x: Value, *, text: bool) -> Tensor:
    words = _vocabulary(layer)
    unknown = layer.integer("num_oov_indices", 1)
    first = (1 if layer.config.get("mask_token") is not None else 0) + unknown
    mode = layer.word("output_mode", "int").replace("binary", "multi_hot")
    special = [token for token in (layer.config.get("mask_token"), layer.config.get("oov_token")) if token is not None]
    if words[: len(special)] == special and len(words) > len(special):
        words = words[len(special) :]
    if layer.flag("invert", False):
        return _inverse(g, layer, x, words, first)
    if unknown > 1 or (unknown == 0 and mode == "int"):
        raise layer.unsupported(f"it has {unknown} places for unknown words; ONNX has no hash that tells them apart")
    places = list(range(first, first + len(words)))
    keys = list(words)
    if layer.config.get("mask_token") is not None:
        keys.append(layer.config["mask_token"])
        places.append(0)
    default = first - unknown
    table = _strings(g, layer, keys) if text else g.constant(layer.as_integers(keys, "vocabulary"))
    indices = _found(g, x, table, g.constant(places), g.constant(np.asarray(default)))
    found = encoded(g, layer, indices, first + len(words), mode)
    return found if layer.generation < 3 else found.like(cast(g, found.value, I64))


def _strings(g: GraphBuilder, layer: Layer, words: list[Any]) -> Value:
    """Words as an initialiser."""
    tensor = ir.StringTensor([str(word).encode() for word in words], shape=ir.Shape([len(words)]))
    name = f"{layer.name}.vocabulary"
    value = ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(STRING), const_value=tensor)
    tensor.name = name
    g.graph.register_initializer(value)
    return value


def _found(g: GraphBuilder, x: Value, keys: Value, values: Value, default: Value) -> Value:
    """The value beside the key that equals each element of ``x``, the default where none does."""
    hits = cast(g, g.Equal(g.Unsqueeze(x, [-1]), keys), I32)
    known = cast(g, g.ReduceMax(hits, [-1], keepdims=0), BOOL)
    return g.Where(known, g.Gather(values, g.ArgMax(hits, axis=-1, keepdims=0), axis=0), default)


def _inverse(g: GraphBuilder, layer: Layer, x: Value, words: list[Any], first: int) -> Tensor:
    """Places as the words behind them; the unknown word for all others."""
    unknown = layer.config.get("oov_token")
    places = g.constant(list(range(first, first + len(words))))
    if all(isinstance(word, str) for word in words):
        both = _strings(g, layer, [*words, unknown])
        table, other = g.Slice(both, [0], [len(words)]), g.Squeeze(g.Slice(both, [len(words)], [len(words) + 1]), [0])
    else:
        table = g.constant(layer.as_integers(words, "vocabulary"))
        other = g.constant(np.asarray(layer.as_integers(-1 if unknown is None else unknown, "oov_token")[0]))
    return plain(_found(g, cast(g, x, I64), places, table, other))
