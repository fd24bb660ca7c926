"""Weights that Keras 3 quantised: integers with scales, which become the weights that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.keras.read.layer import Array, Layer
from workers.hub.graph import GraphBuilder, Value


def mode(layer: Layer) -> str:
    """``int8``, ``int4``, ``float8``... or '' for a layer that is not quantised.

    Layers inside attention are not told apart in the configuration: there the stored type tells.
    """
    dtype = layer.config.get("dtype")
    config = dtype.get("config") if isinstance(dtype, dict) else None
    word = config.get("mode") or config.get("name") if isinstance(config, dict) else dtype
    if isinstance(config, dict) and config.get("mode"):
        return str(word).split("/")[0]
    if isinstance(word, str) and "_from_" in word:
        return word.split("_from_")[0].split("/")[0]
    raw = layer.stock.raw
    if raw and raw[0].dtype == np.int8:
        return "int8" if len(raw) < 4 and len(raw[0].shape) >= len(raw[-1].shape) - 1 else "int4"
    return "float8" if len(raw) in (7, 8) and raw[-1].shape == raw[-3].shape == raw[-5].shape != () else ""


def dense_kernel(layer: Layer) -> Array:
    """The kernel of a Dense or an EinsumDense layer in floating point, with its low-rank update."""
    kind = mode(layer)
    if kind == "float8":
        raise layer.unsupported("its policy float8 rounds every input as it runs; save the model before quantising it")
    if kind == "":
        return _updated(layer, layer.array("kernel"))
    kernel, scale = int8(layer)
    try:
        aligned = np.broadcast_to(_aligned(layer, kernel, scale).astype(np.float32), kernel.shape)
    except ValueError:
        sizes = f"{list(scale.shape)} for a kernel of {list(kernel.shape)}"
        raise layer.malformed(f"its int8 scales have the shape {sizes}") from None
    with np.errstate(all="ignore"):
        return np.asarray(kernel.astype(np.float32) / aligned)


def int8(layer: Layer) -> tuple[Array, Array]:
    """Kernel and scales of a layer that was quantised to int8."""
    if mode(layer) != "int8":
        raise layer.unsupported(
            f"its weights are quantised as {mode(layer)}; onnxhub reads int8 and unquantised layers"
        )
    arrays = [dataset.read() for dataset in layer.stock.raw]
    if len(arrays) < 2 or arrays[0].dtype != np.int8 or arrays[-1].dtype == np.int8:
        raise layer.malformed("its policy says int8, its weights are not")
    return arrays[0], arrays[-1]


def rounds_inputs(layer: Layer) -> bool:
    """Whether the layer also rounds its inputs to int8 as it runs, as all do that are not told otherwise."""
    if mode(layer) != "int8":
        return False
    quantization = layer.config.get("quantization_config")
    config = quantization.get("config") if isinstance(quantization, dict) else None
    return not isinstance(config, dict) or config.get("activation_quantizer", True) is not None


def rounded(g: GraphBuilder, layer: Layer, x: Value, axes: Sequence[int]) -> tuple[Value, Value]:
    """Whole numbers in -127..127, kept as floats, and what they were multiplied by: 127 / (max|x| + 1e-7)."""
    largest = g.ReduceMax(g.Abs(x), list(axes), keepdims=1)
    scale = g.Div(layer.number(x, 127), g.Add(largest, layer.number(x, 1e-7)))
    whole = g.Clip(g.Round(g.Mul(x, scale)), layer.number(x, -127), layer.number(x, 127))
    return whole, scale


def projected(g: GraphBuilder, layer: Layer, x: Value, kernel: Array) -> Value:
    """``x`` [..., K] times a kernel of K rows, which int8 layers do in whole numbers."""
    rows = layer.fixed(g.shape(x)[-1:])[0]
    if not rounds_inputs(layer):
        return g.MatMul(x, layer.weight(g, "kernel", kernel.reshape(rows, -1), layer.element(x)))
    stored, scale = int8(layer)
    if stored.size % rows or stored.size // rows != scale.size:
        raise layer.malformed(f"its int8 scales are {scale.size} for a kernel of {list(stored.shape)}")
    whole, inputs = rounded(g, layer, x, [-1])
    products = g.MatMul(whole, layer.weight(g, "kernel", stored.reshape(rows, -1), layer.element(x)))
    return g.Div(products, g.Mul(inputs, layer.weight(g, "scale", scale.reshape(-1), layer.element(x))))


def _aligned(layer: Layer, kernel: Array, scale: Array) -> Array:
    """Scales of the kernel's output axes, so that they divide it."""
    if layer.kind == "Dense":
        return scale.reshape(1, -1)
    if scale.ndim != kernel.ndim:
        kept = [size for size in scale.shape if size != 1]
        shape = [1] * kernel.ndim
        if kept:
            shape[-len(kept) :] = kept
        return scale.reshape(shape)
    return scale


def _updated(layer: Layer, kernel: Array) -> Array:
    """W + alpha / rank * A B, where the file keeps the update apart."""
    if not (layer.owns("lora_kernel_a") and layer.owns("lora_kernel_b")):
        return kernel
    rank = layer.integer("lora_rank")
    share = layer.real("lora_alpha", float(rank)) / rank
    update = np.matmul(layer.array("lora_kernel_a"), layer.array("lora_kernel_b"))
    return np.asarray(kernel + share * update.reshape(kernel.shape), kernel.dtype)
