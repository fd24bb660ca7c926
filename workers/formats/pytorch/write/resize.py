"""Resizing: ``nn.Upsample`` where torch samples at the same points, else axis by axis by ONNX's own formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import all_of, rank_known, writes
from workers.formats.pytorch.write.types import FLOATS
from workers.hub.node import Node

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


def _floating(node: Node) -> bool | str:
    exact = node.dtype() in FLOATS or node.s("mode", "nearest") == "nearest"
    return exact or "integers are interpolated with a rounding that ONNX leaves open"


@writes("Resize", only_if=all_of(rank_known, _floating))
def resize(net: NetWriter, node: Node) -> None:
    rank = node.rank or 0
    axes = tuple(each % rank for each in node.ints("axes", tuple(range(rank))))
    scales, sizes = node.const(2), net.items(node, 3) if node.input(3) is not None else None
    if scales is not None and scales.size == 0:
        scales = None
    factors = None if scales is None else [float(scale) for scale in scales.reshape(-1)]
    native = _native(node, axes, factors, [item.value for item in sizes] if sizes else None)
    if native is not None:
        if factors is not None:
            inner = [factor for axis, factor in zip(axes, factors, strict=True) if axis >= 2]
            same = all(factor == inner[0] for factor in inner)
            written = text.number(inner[0]) if same else text.tuple_of([text.number(factor) for factor in inner])
            net.layer(node, "nn.Upsample", scale_factor=written, **native, word="upsample")
        else:
            assert sizes is not None
            inner_sizes = [item.text for axis, item in zip(axes, sizes, strict=True) if axis >= 2]
            net.set(node, text.call("F.interpolate", net.x(node), text.tuple_of(inner_sizes), **native))
        return
    _by_formula(net, node, axes)


def _native(
    node: Node, axes: Sequence[int], factors: list[float] | None, sizes: Sequence[int | None] | None
) -> dict[str, Any] | None:
    """Keywords of nn.Upsample when it computes the same, else None."""
    rank, shape, out = node.rank or 0, node.shape() or (), node.out_shape() or ()
    plain = not (node.i("antialias") or node.i("exclude_outside")) and node.dtype() in FLOATS
    if not plain or rank not in LINEAR or node.s("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    if set(range(2, rank)) - set(axes) or len(out) != rank:
        return None
    ratios: list[float | None] = list(factors or [])
    if not ratios:
        given = [shape[axis] for axis in axes]
        ratios = [
            None if size is None or not isinstance(have, int) else size / have
            for size, have in zip(sizes or (), given, strict=False)
        ]
    if len(ratios) != len(axes) or any(r != 1 for axis, r in zip(axes, ratios, strict=True) if axis < 2):
        return None
    inner = [ratio for axis, ratio in zip(axes, ratios, strict=True) if axis >= 2]
    return _keywords(node, inner, all(isinstance(size, int) and size > 1 for size in out[2:]))


def _keywords(node: Node, ratios: Sequence[float | None], large: bool) -> dict[str, Any] | None:
    """``large``: every resized axis is known to be longer than 1."""
    mode, place = node.s("mode", "nearest"), node.s("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        whole = all(ratio is not None and ratio >= 1 and ratio == int(ratio) for ratio in ratios)
        rounding = node.s("nearest_mode", "round_prefer_floor")
        repeats = (place, rounding) == ("asymmetric", "floor") or (
            place in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer")
        )
        return {"mode": '"nearest"'} if whole and repeats else None
    half = place == "half_pixel" or (place == "pytorch_half_pixel" and large)
    corners = "True" if place == "align_corners" and large else None
    if not half and corners is None:
        return None
    if mode == "linear":
        return {"mode": f'"{LINEAR[node.rank or 4]}"', "align_corners": corners}
    if node.rank == 4 and node.f("cubic_coeff_a", -0.75) == -0.75:
        return {"mode": '"bicubic"', "align_corners": corners}
    return None


def _by_formula(net: NetWriter, node: Node, axes: Sequence[int]) -> None:
    mode, place = node.s("mode", "nearest"), node.s("coordinate_transformation_mode", "half_pixel")
    scales = node.const(2)
    if node.input(2) is None or (scales is not None and scales.size == 0):
        target = {"sizes": net.ints(node, 3)}
    else:
        target = {"scales": _floats(net, node, 2)}
    policy = node.s("keep_aspect_ratio_policy", "stretch")
    crop = place == "tf_crop_and_resize"
    settings = {
        "mode": f'"{mode}"',
        "coordinates": f'"{place}"',
        "rounding": f'"{node.s("nearest_mode", "round_prefer_floor")}"' if mode == "nearest" else None,
        "cubic": text.floating(node.f("cubic_coeff_a", -0.75)) if mode == "cubic" else None,
        "exclude_outside": "True" if node.i("exclude_outside") else None,
        "antialias": "True" if node.i("antialias") else None,
        "policy": None if policy == "stretch" else f'"{policy}"',
        "roi": _floats(net, node, 1) if crop else None,
        "outside": text.floating(node.f("extrapolation_value")) if crop else None,
    }
    listed = f"[{', '.join(str(axis) for axis in axes)}]"
    net.set(node, text.call(net.helper("resize"), net.x(node), listed, **target, **settings))


def _floats(net: NetWriter, node: Node, index: int) -> str:
    array = node.const(index)
    return f"{net.plain(node.x(index))}.tolist()" if array is None else text.array(array)


@writes("GridSample", only_if=lambda n: n.rank in (4, 5) or "PyTorch samples grids over two or three axes only")
def grid_sample(net: NetWriter, node: Node) -> None:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(node.s("mode", "linear"), node.s("mode", "linear"))
    padding = node.s("padding_mode", "zeros")
    net.set(
        node,
        text.call(
            "F.grid_sample", net.x(node), net.x(node, 1), mode=None if mode == "bilinear" else f'"{mode}"',
            padding_mode=None if padding == "zeros" else f'"{padding}"', align_corners=bool(node.i("align_corners")),
        ),
    )  # fmt: skip
