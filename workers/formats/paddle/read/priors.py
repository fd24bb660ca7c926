"""Boxes laid over a feature map: prior boxes, anchors. All are constants of the sizes of map and picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from workers.formats.paddle.read.layer import F32, Array, Layer, Value, reads
from workers.hub.graph import GraphBuilder


def _laid(g: GraphBuilder, layer: Layer, boxes: Array, key: str) -> dict[str, Value]:
    """[H, W, boxes, 4] and the variances in the same shape; flat where the layer says so."""
    count = 4
    variances = np.asarray(layer.reals("variances", (0.1, 0.1, 0.2, 0.2)))
    if variances.size != count:
        raise layer.malformed(f"it has {variances.size} variances")
    both = [boxes, np.broadcast_to(variances, boxes.shape)]
    if layer.flag("flatten_to_2d", False):
        both = [array.reshape(-1, count) for array in both]
    first, second = (g.weight(f"{layer.name}.{word}", np.ascontiguousarray(array.astype(np.float32)))
                     for word, array in zip((key.lower(), "variances"), both, strict=True))  # fmt: skip
    return {key: first, "Variances": second}


def _geometry(layer: Layer) -> tuple[tuple[int, int], tuple[int, int], tuple[float, float]]:
    """Sizes of map and picture, and the steps (down, across)."""
    grid = layer.sizes(layer.x("Input"), 2)
    picture = layer.sizes(layer.x("Image"), 2)
    if len(grid) != 2 or len(picture) != 2 or min(*grid, *picture) < 1:
        raise layer.malformed(f"its map {grid} or its picture {picture} is empty")
    steps = [layer.real(key, 0.0) for key in ("step_h", "step_w")]
    steps = [step if step else size / cells for step, size, cells in zip(steps, picture, grid, strict=True)]
    return (grid[0], grid[1]), (picture[0], picture[1]), (steps[0], steps[1])


def _centres(grid: tuple[int, int], steps: tuple[float, float], offset: float) -> tuple[Array, Array]:
    down, across = ((np.arange(cells) + offset) * step for cells, step in zip(grid, steps, strict=True))
    return np.meshgrid(across, down)[0], np.meshgrid(across, down)[1]


def ratios_of(layer: Layer) -> list[float]:
    """1 comes first; each other once, with its inverse if ``flip``."""
    found = [1.0]
    for ratio in layer.reals("aspect_ratios", (1.0,)):
        if ratio <= 0:
            raise layer.malformed(f"a ratio is {ratio}")
        if any(abs(ratio - known) < 1e-6 for known in found):
            continue
        found += [ratio, 1 / ratio] if layer.flag("flip", True) else [ratio]
    return found


@reads("prior_box")
def prior_box(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """For every small size its ratios, and the mean with its large size, before or behind them."""
    grid, picture, steps = _geometry(layer)
    small, large = layer.reals("min_sizes"), layer.reals("max_sizes")
    if not small or (large and len(large) != len(small)):
        raise layer.malformed(f"it has {len(small)} small and {len(large)} large sizes")
    halves = list(_halves(layer, small, large))
    layer.bounded(grid[0] * grid[1] * len(halves) * 4)
    across, down = _centres(grid, steps, layer.real("offset", 0.5))
    corners = []
    for wide, high in halves:
        corners.append(np.stack([(across - wide) / picture[1], (down - high) / picture[0],
                                 (across + wide) / picture[1], (down + high) / picture[0]], -1))  # fmt: skip
    boxes = np.stack(corners, 2)
    return _laid(g, layer, boxes.clip(0, 1) if layer.flag("clip", True) else boxes, "Boxes")


def _halves(layer: Layer, small: Sequence[float], large: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Half sizes (across, down) in the layer's order."""
    ratios = ratios_of(layer)
    for place, size in enumerate(small):
        shaped = [(size * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2) for ratio in ratios]
        mean = [(math.sqrt(size * large[place]) / 2,) * 2] if large else []
        if layer.flag("min_max_aspect_ratios_order", False):
            yield from [(size / 2, size / 2), *mean]
            yield from (half for half, ratio in zip(shaped, ratios, strict=True) if abs(ratio - 1) >= 1e-6)
        else:
            yield from [*shaped, *mean]


@reads("density_prior_box")
def density_prior_box(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Boxes of fixed sizes and ratios, ``density`` times ``density`` of each around every centre."""
    grid, picture, steps = _geometry(layer)
    sizes, ratios = layer.reals("fixed_sizes"), layer.reals("fixed_ratios")
    densities = layer.integers("densities")
    if (
        len(sizes) != len(densities)
        or any(not 1 <= density <= 64 for density in densities)
        or min(ratios, default=0) <= 0
    ):
        raise layer.malformed("its sizes, ratios and densities make no sense")
    layer.bounded(grid[0] * grid[1] * sum(density**2 for density in densities) * len(ratios) * 4)
    across, down = _centres(grid, steps, layer.real("offset", 0.5))
    step = int((steps[0] + steps[1]) * 0.5)
    corners = []
    for size, density in zip(sizes, densities, strict=True):
        shift = step // density
        for ratio in ratios:
            wide, high = size * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2
            for row in range(density):
                for column in range(density):
                    x = across - step / 2 + shift / 2 + column * shift
                    y = down - step / 2 + shift / 2 + row * shift
                    corners.append(np.stack([
                        np.maximum((x - wide) / picture[1], 0), np.maximum((y - high) / picture[0], 0),
                        np.minimum((x + wide) / picture[1], 1), np.minimum((y + high) / picture[0], 1),
                    ], -1))  # fmt: skip
    boxes = np.stack(corners, 2)
    return _laid(g, layer, boxes.clip(0, 1) if layer.flag("clip", False) else boxes, "Boxes")


@reads("anchor_generator")
def anchor_generator(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Widths and heights of a cell rounded for each ratio, then scaled; both ends count."""
    grid = layer.sizes(layer.x("Input"), 2)
    strides = layer.reals("stride", (16.0, 16.0))
    sizes, ratios = layer.reals("anchor_sizes"), layer.reals("aspect_ratios")
    if len(grid) != 2 or len(strides) != 2 or min(*strides, *ratios, *sizes) <= 0:
        raise layer.malformed("its sizes, ratios or strides make no sense")
    layer.bounded(grid[0] * grid[1] * len(sizes) * len(ratios) * 4)
    offset = layer.real("offset", 0.5)
    across, down = np.meshgrid(*(np.arange(cells) * stride + offset * (stride - 1)
                                 for cells, stride in zip(grid[::-1], strides, strict=True)))  # fmt: skip
    corners = []
    for ratio in ratios:
        base = math.floor(math.sqrt(strides[0] * strides[1] / ratio) + 0.5)
        tall = math.floor(base * ratio + 0.5)
        for size in sizes:
            wide, high = (size / strides[0] * base - 1) / 2, (size / strides[1] * tall - 1) / 2
            corners.append(np.stack([across - wide, down - high, across + wide, down + high], -1))
    return _laid(g, layer, np.stack(corners, 2), "Anchors")


@reads("polygon_box_transform")
def polygon_box_transform(g: GraphBuilder, layer: Layer) -> Value:
    """Offsets become places: four times the column less those of even channels, the row less those of odd ones."""
    x = layer.x("Input")
    layer.rank(x, 4)
    channels, height, width = layer.sizes(x, 1)
    layer.bounded(channels * height * width)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    places = np.stack([(columns, rows)[channel % 2] * 4 for channel in range(channels)])[None]
    return g.Sub(g.constant(places.astype(F32.numpy())), x)
