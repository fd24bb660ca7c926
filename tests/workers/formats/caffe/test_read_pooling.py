"""Caffe's pooling by its own formulas: sizes rounded up, windows clipped, divisors counted as Caffe counts them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import Array, compute, layer, normal, read_net
from tests.workers.formats.caffe.nets import net as make
from tests.workers.formats.cases import assert_same
from workers.errors import InvalidOptions, MalformedModel, UnsupportedOperators

GEOMETRY = [
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "pad": 1},
    {"kernel_size": 2, "stride": 2, "pad": 1},
    {"kernel_size": 3, "stride": 1, "pad": 1},
    {"kernel_size": 5, "stride": 4, "pad": 2},
    {"kernel_h": 3, "kernel_w": 2, "stride_h": 2, "stride_w": 3, "pad_h": 1, "pad_w": 0},
    {"kernel_size": 3, "stride": 2, "pad": 1, "round_mode": "FLOOR"},
    {"kernel_size": 2, "stride": 3, "round_mode": "FLOOR"},
    {"global_pooling": True},
]


def reference(x: Array, pool: str, p: dict[str, int]) -> tuple[Array, Array]:
    """Pooled values and winners' places, window by window as Caffe's CPU code walks them."""
    if p.get("global_pooling"):
        p = {"kernel_h": x.shape[2], "kernel_w": x.shape[3], "stride": 1}
    kernel, stride, pad = (
        [p.get(f"{stem}_h", p.get(field, default)), p.get(f"{stem}_w", p.get(field, default))]
        for stem, field, default in (("kernel", "kernel_size", 1), ("stride", "stride", 1), ("pad", "pad", 0))
    )
    out = []
    for i, k, s, q in zip(x.shape[2:], kernel, stride, pad, strict=True):
        room = (i + 2 * q - k) / s
        count = int(np.floor(room) if p.get("round_mode") == "FLOOR" else np.ceil(room)) + 1
        out.append(count - 1 if any(pad) and (count - 1) * s >= i + q else count)
    top = np.zeros((*x.shape[:2], *out), np.float32)
    place = np.zeros_like(top)
    for n, c, h, w in itertools.product(*map(range, top.shape)):
        starts = [h * stride[0] - pad[0], w * stride[1] - pad[1]]
        ends = [min(s + k, i + q) for s, k, i, q in zip(starts, kernel, x.shape[2:], pad, strict=True)]
        size = (ends[0] - starts[0]) * (ends[1] - starts[1])
        (y0, x0), (y1, x1) = [max(s, 0) for s in starts], [min(e, i) for e, i in zip(ends, x.shape[2:], strict=True)]
        window = x[n, c, y0:y1, x0:x1].astype(np.float64)
        if pool == "MAX":
            top[n, c, h, w] = window.max()
            y, column = np.unravel_index(window.argmax(), window.shape)
            place[n, c, h, w] = (y0 + y) * x.shape[3] + x0 + column
        elif pool == "AVE":
            top[n, c, h, w] = window.sum() / size
        else:
            total = window.sum()
            top[n, c, h, w] = (window**2).sum() / total if total > 0 else 0
    return top, place


# Caffe refuses pads for STOCHASTIC pooling.
FORMS = [
    (pool, geometry)
    for pool in ("MAX", "AVE", "STOCHASTIC")
    for geometry in GEOMETRY
    if pool != "STOCHASTIC" or not any("pad" in key for key in geometry)
]


@pytest.mark.parametrize(("pool", "geometry"), FORMS, ids=str)
@pytest.mark.parametrize("size", [(7, 9), (8, 6)], ids=str)
def test_values(tmp_path: Path, pool: str, geometry: dict[str, int], size: tuple[int, int]) -> None:
    x = normal(2, 3, *size)
    want, _ = reference(x, pool, geometry)
    got = compute(tmp_path, {"x": x}, layer("Pooling", pooling_param={"pool": pool, **geometry}))
    assert_same({"y": want}, got)


@pytest.mark.parametrize("geometry", GEOMETRY, ids=str)
def test_places_count_through_each_plane(tmp_path: Path, geometry: dict[str, int]) -> None:
    x = normal(3, 2, 7, 9)
    want, places = reference(x, "MAX", geometry)
    got = compute(tmp_path, {"x": x}, layer("Pooling", top=["y", "z"], pooling_param=geometry))
    assert_same({"y": want, "z": places}, got)


def test_the_divisor_counts_padding_but_no_overhang(tmp_path: Path) -> None:
    """Recorded from Caffe: a 6x6 plane of ones, kernel 3, stride 2, pad 1."""
    x = np.ones((1, 1, 6, 6), np.float32)
    p = {"pool": "AVE", "kernel_size": 3, "stride": 2, "pad": 1}
    got = compute(tmp_path, {"x": x}, layer("Pooling", pooling_param=p))["y"]
    np.testing.assert_allclose(got[0, 0, 0], [4 / 9, 6 / 9, 6 / 9, 2 / 6], rtol=1e-6)


@pytest.mark.parametrize(
    ("p", "reason"),
    [
        ({"kernel_size": 0}, "kernel and stride must be given"),
        ({"kernel_size": 2, "pad": 2}, "not smaller than the kernel"),
        ({"kernel_size": 1, "stride": 3}, "starts outside"),
        ({"global_pooling": True, "pad": 1}, "neither pad nor stride"),
        ({"kernel_size": 20, "round_mode": "FLOOR"}, "does not fit"),
        ({"pool": "STOCHASTIC", "kernel_size": 3, "pad": 1}, "takes no pad"),
    ],
)  # fmt: skip
def test_impossible_windows_name_the_layer(tmp_path: Path, p: dict[str, object], reason: str) -> None:
    with pytest.raises(MalformedModel, match=reason) as caught:
        read_net(tmp_path, make({"x": (1, 2, 5, 5)}, layer("Pooling", name="pool5", pooling_param=p)))
    assert caught.value.layer == "pool5"


def test_pooling_of_volumes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="5 axes"):
        read_net(tmp_path, make({"x": (1, 2, 5, 5, 5)}, layer("Pooling", pooling_param={"kernel_size": 2})))


def test_a_free_side_cannot_be_pooled(tmp_path: Path) -> None:
    model = make({"x": (1, 2, 5, 5)}, layer("Pooling", pooling_param={"kernel_size": 2}))
    with pytest.raises(InvalidOptions, match="'pooling_y'"):
        read_net(tmp_path, model, input_shapes={"x": [1, 2, "h", "w"]})


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_spatial_pyramid(tmp_path: Path, pool: str) -> None:
    x = normal(2, 3, 9, 6)
    rows = []
    for bins in (1, 2, 4):
        kernel = [-(-side // bins) for side in x.shape[2:]]
        pad = [(k * bins - side + 1) // 2 for k, side in zip(kernel, x.shape[2:], strict=True)]
        p = {"kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": kernel[0], "stride_w": kernel[1]}
        p |= {"pad_h": pad[0], "pad_w": pad[1]}
        rows.append(reference(x, pool, p)[0].reshape(2, -1))
    got = compute(tmp_path, {"x": x}, layer("SPP", spp_param={"pyramid_height": 3, "pool": pool}))
    assert_same({"y": np.concatenate(rows, 1)}, got)


def test_a_pyramid_of_one_level_keeps_four_axes(tmp_path: Path) -> None:
    x = normal(2, 3, 9, 6)
    got = compute(tmp_path, {"x": x}, layer("SPP", spp_param={"pyramid_height": 1}))
    assert_same({"y": x.max((2, 3), keepdims=True)}, got)


def test_unpooling_undoes_pooling_by_its_places(tmp_path: Path) -> None:
    x = normal(3, 2, 6, 8)
    pool = layer("Pooling", top=["p", "m"], pooling_param={"kernel_size": 2, "stride": 2})
    got = compute(tmp_path, {"x": x}, pool, layer("Upsample", ["p", "m"], upsample_param={"scale": 2}))["y"]
    want = np.zeros_like(x)
    values, places = reference(x, "MAX", {"kernel_size": 2, "stride": 2})
    for n, c, h, w in itertools.product(*map(range, values.shape)):
        want[n, c].flat[int(places[n, c, h, w])] = values[n, c, h, w]
    np.testing.assert_array_equal(got, want)


def test_upsampling_with_one_bottom_repeats_pixels(tmp_path: Path) -> None:
    x = normal(2, 3, 4, 5)
    got = compute(tmp_path, {"x": x}, layer("Upsample", upsample_param={"scale": 3}))
    assert_same({"y": x.repeat(3, 2).repeat(3, 3)}, got)


@pytest.mark.parametrize("type_", ["MaxUnpool", "Unpooling"])
def test_other_unpoolings_are_refused_by_name(tmp_path: Path, type_: str) -> None:
    with pytest.raises(UnsupportedOperators, match=type_):
        read_net(tmp_path, make({"x": (1, 2, 5, 5)}, layer(type_)))
