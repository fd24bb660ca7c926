"""Weights that Keras 3 quantised: integers with scales, which become the weights that they stand for."""

from __future__ import annotations

import numpy as np

from workers.formats.keras.read.layer import Array, Layer
from workers.hub.graph import GraphBuilder


def mode(layer: Layer) -> str:
    """``int8``, ``int4``, ``float8``... or '' for a layer that is not quantised."""
    dtype = layer.config.get("dtype")
    config = dtype.get("config") if isinstance(dtype, dict) else None
    word = config.get("mode") or config.get("name") if isinstance(config, dict) else dtype
    if isinstance(config, dict) and config.get("mode"):
        return str(word).split("/")[0]
    return word.split("_from_")[0] if isinstance(word, str) and "_from_" in word else ""


def dense_kernel(g: GraphBuilder, layer: Layer) -> Array:
    """The kernel of a Dense or an EinsumDense layer in floating point, with its low-rank update."""
    kind = mode(layer)
    if kind in ("", "float8"):
        return _updated(layer, layer.array("kernel"))
    if kind != "int8":
        raise layer.unsupported(f"its weights are quantised as {kind}; onnxhub reads int8 and unquantised layers")
    if not layer.scope.note_quantized:
        layer.note(
            "dequantized-weights",
            "int8 weights became the floating-point weights that they stand for. Keras also rounds the inputs of such "
            "layers to int8 as it runs; the converted model does not, so its outputs are the more exact ones.",
        )
        layer.scope.note_quantized = True
    arrays = [dataset.read() for dataset in layer.stock.raw]
    kernel, scale = arrays[0], arrays[-1]
    if kernel.dtype != np.int8 or scale.dtype == np.int8:
        raise layer.malformed("its policy says int8, its weights are not")
    return np.asarray(kernel.astype(np.float32) / _aligned(layer, kernel, scale).astype(np.float32))


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
