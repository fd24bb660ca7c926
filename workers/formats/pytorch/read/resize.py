"""Interpolation and sampling on grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import F32, Layer, reads
from workers.formats.pytorch.read.shaping import as_vector, size_list
from workers.formats.pytorch.read.symbols import Sym
from workers.hub.graph import GraphBuilder, Value

# Operator -> ONNX's mode, the coordinates without and with aligned corners, rounding of nearest.
_KINDS = {
    "nearest": ("nearest", "asymmetric", "floor"), "_nearest_exact": ("nearest", "half_pixel", "round_prefer_ceil"),
    "linear": ("linear", "half_pixel", None), "bilinear": ("linear", "half_pixel", None),
    "trilinear": ("linear", "half_pixel", None), "bicubic": ("cubic", "half_pixel", None),
}  # fmt: skip


def _scales(args: Any) -> list[Any]:
    """A list of scales, or one argument for each axis, of which some are None."""
    flat: list[Any] = []
    for item in args:
        flat.extend(item if isinstance(item, list | tuple) else [item])
    return [item for item in flat if item is not None]


def resized(
    g: GraphBuilder,
    layer: Layer,
    x: Value,
    size: Any,
    scales: list[Any],
    kind: str,
    corners: bool,
    antialias: bool = False,
) -> Value:
    """A given scale also gives the coordinates; a given size gives them by the ratio of both sizes."""
    mode, coordinates, rounding = _KINDS[kind]
    n = layer.rank(x) - 2
    settings: dict[str, Any] = {
        "mode": mode, "coordinate_transformation_mode": "align_corners" if corners else coordinates,
        "nearest_mode": rounding, "cubic_coeff_a": -0.75 if mode == "cubic" else None,
        "antialias": 1 if antialias else None, "exclude_outside": 1 if antialias else None,
    }  # fmt: skip
    if len(scales) == n and all(layer.known(s) is not None for s in scales):
        factors = [1.0, 1.0, *(layer.real(s) for s in scales)]
        if size is not None and not corners:
            factors = [1.0, 1.0, *_checked(layer, x, size_list(layer, size), factors[2:])]
        return g.Resize(x, None, g.constant(np.asarray(factors, np.float32)), **settings)
    if size is None:
        raise layer.unsupported("its scale is known only when the model runs")
    sizes = size_list(layer, size)
    batch, channels = layer.dim(x, 0), layer.dim(x, 1)
    made = g.Resize(x, None, None, as_vector(g, [batch, channels, *sizes]), **settings)
    return layer.shaped(made, [batch, channels, *sizes])


def _checked(layer: Layer, x: Value, sizes: list[Any], factors: list[float]) -> list[float]:
    """Exported graphs hold both the size and the scale: the scale must lead to that very size."""
    for axis, (size, factor) in enumerate(zip(sizes, factors, strict=True)):
        own = layer.dim(x, axis + 2)
        if isinstance(own, int) and isinstance(size, int) and int(np.floor(own * factor)) != size:
            return [s / layer.static(x, a + 2) for a, s in enumerate(layer.integers(sizes))]
    return factors


def _upsample(kind: str, n: int, has_corners: bool, antialias: bool) -> None:
    name = {"_nearest_exact": f"_upsample_nearest_exact{n}d"}.get(kind, f"upsample_{kind}{n}d")
    names = [f"aten::_{name}_aa"] if antialias else [f"aten::{name}", f"aten::{name.lstrip('_')}"]

    def plain(g: GraphBuilder, layer: Layer, input: Value, output_size: Any, *scales: Any, **named: Any) -> Value:
        return resized(g, layer, input, output_size, _scales([*scales, *named.values()]), kind, False)

    def aligned(
        g: GraphBuilder, layer: Layer, input: Value, output_size: Any, align_corners: Any, *scales: Any, **named: Any
    ) -> Value:
        return resized(
            g, layer, input, output_size, _scales([*scales, *named.values()]), kind, bool(align_corners), antialias
        )

    reads(*dict.fromkeys(names))(aligned if has_corners else plain)


for _n in (1, 2, 3):
    _upsample("nearest", _n, False, False)
    _upsample("_nearest_exact", _n, False, False)
_upsample("linear", 1, True, False)
_upsample("bilinear", 2, True, False)
_upsample("bilinear", 2, True, True)
_upsample("bicubic", 2, True, False)
_upsample("bicubic", 2, True, True)
_upsample("trilinear", 3, True, False)


@reads("aten::__interpolate", "aten::__upsample", "aten::__upsample_nearest", "aten::__upsample_bilinear")
def interpolate(
    g: GraphBuilder, layer: Layer, input: Value, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: Any = None, recompute_scale_factor: Any = None,
) -> Value:  # fmt: skip
    """``nn.functional.interpolate`` as torch 1.4 and older scripted it."""
    if mode == "area":
        raise layer.unsupported("interpolation by areas is not read from files this old")
    n = layer.rank(input) - 2
    scales = _scales([scale_factor] * n if isinstance(scale_factor, float) else [scale_factor])
    whole = size if size is None or isinstance(size, list | tuple) else [size] * n
    own = layer.dims(input)[2:]
    if whole is None and recompute_scale_factor is not False and not any(isinstance(s, Sym) for s in own):
        # The scale only gives the size, by which the coordinates go.
        whole = [int(np.floor(s * layer.real(f))) for s, f in zip(own, scales, strict=True) if isinstance(s, int)]
        scales = []
    return resized(g, layer, input, whole, scales, mode, bool(align_corners))


@reads("aten::grid_sampler", "aten::grid_sampler_2d", "aten::grid_sampler_3d")
def grid_sampler(
    g: GraphBuilder,
    layer: Layer,
    input: Value,
    grid: Value,
    interpolation_mode: Any,
    padding_mode: Any,
    align_corners: Any,
) -> Value:
    mode = ("linear", "nearest", "cubic")[layer.integer(interpolation_mode)]
    edge = ("zeros", "border", "reflection")[layer.integer(padding_mode)]
    return g.GridSample(input, grid, mode=mode, padding_mode=edge, align_corners=int(bool(align_corners)))


@reads("aten::affine_grid_generator")
def affine_grid(g: GraphBuilder, layer: Layer, theta: Value, size: Any, align_corners: Any) -> Value:
    return g.AffineGrid(theta, as_vector(g, size_list(layer, size)), align_corners=int(bool(align_corners)))


@reads("aten::fft_rfft", "aten::stft", "aten::fft_fft", "aten::fft_irfft", "aten::istft", "aten::fft_fft2",
       "aten::fft_ifft", "aten::fft_rfft2", "aten::fft_irfft2", "aten::fft_fftn", "aten::fft_ifft2",
       "aten::view_as_complex", "aten::view_as_real", "aten::imag", "aten::angle")  # fmt: skip
def fft(g: GraphBuilder, layer: Layer, self: Value, *_: Any, **__: Any) -> Value:
    raise layer.unsupported("it gives complex numbers, which ONNX has not; compute spectra before the model")


@reads("aten::nms")
def nms(g: GraphBuilder, layer: Layer, dets: Value, scores: Value, iou_threshold: Any) -> Value:
    boxes = g.Unsqueeze(dets, [0])
    ranked = g.Unsqueeze(scores, [0, 1])
    limit = operand(g, iou_threshold, F32)
    found = g.NonMaxSuppression(boxes, ranked, g.Shape(scores), limit)
    return g.Squeeze(g.Gather(found, g.constant([2]), axis=1), [1])
