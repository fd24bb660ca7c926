"""Functions of numpy's interface that no older operator has."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet import attributes
from workers.formats.mxnet.read.elementwise import floating, truth
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.read.shaping import reshaped
from workers.formats.mxnet.read.slicing import FAR
from workers.hub.graph import GraphBuilder


@reads("_npi_isnan", "_npi_isinf", "_npi_isposinf", "_npi_isneginf", "_npi_isfinite")
def is_special(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    x = floating(g, layer, x)
    kind = layer.type.removeprefix("_npi_is")
    if kind == "nan":
        return g.IsNaN(x)
    if kind == "finite":
        return g.Not(g.Or(g.IsNaN(x), g.IsInf(x)))
    return g.IsInf(x, detect_negative=int(kind != "posinf"), detect_positive=int(kind != "neginf"))


@reads("_npi_nan_to_num")
def nan_to_num(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Numbers in place of nan and the infinities, for the latter the largest there are."""
    if not layer.is_float(x):
        return x
    largest = float(np.finfo(np.float32 if x.dtype == ir.DataType.BFLOAT16 else layer.element(x).numpy()).max)
    high, low = layer.real("posinf", largest), layer.real("neginf", -largest)
    x = g.Where(g.IsNaN(x), layer.number(x, layer.real("nan", 0)), x)
    x = g.Where(g.IsInf(x, detect_negative=0), layer.number(x, high), x)
    return g.Where(g.IsInf(x, detect_positive=0), layer.number(x, low), x)


@reads("_npi_bitwise_not")
def bitwise_not(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Not(x) if x.dtype == ir.DataType.BOOL else g.BitwiseNot(x)


@reads("_npi_tril")
def tril(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The lower triangle, 0 above."""
    if len(layer.shape(x)) == 1:
        x = g.Expand(x, [layer.sizes(x)[0]] * 2)
    return g.Trilu(x, np.asarray(layer.integer("k", 0)), upper=0)


@reads("_npi_diff")
def diff(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Differences of neighbours, ``n`` times over."""
    axis, count = layer.axis(layer.integer("axis", -1), layer.rank(x, *range(1, 33))), layer.integer("n", 1)
    if not 0 <= count <= 64:
        raise layer.malformed(f"its n is {count}")
    for _ in range(count):
        x = g.Sub(g.Slice(x, [1], [FAR], [axis]), g.Slice(x, [0], [-1], [axis]))
    return x


@reads("_npi_polyval")
def polyval(g: GraphBuilder, layer: Layer, coefficients: Value, x: Value) -> Value:
    """Coefficients from the highest power down."""
    layer.rank(coefficients, 1)
    count = layer.sizes(coefficients)[0]
    if not 1 <= count <= 256:
        raise layer.unsupported(f"a polynomial of {count} terms is written out term by term")
    total = g.Gather(coefficients, np.asarray(0))
    for place in range(1, count):
        total = g.Add(g.Mul(total, x), g.Gather(coefficients, np.asarray(place)))
    return g.Add(g.Mul(x, layer.number(x, 0)), total) if count == 1 else total


@reads("_np_roll")
def roll(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Shifted around the end, on each axis or as one flat array."""
    have = layer.shape(x)
    shifts, axes = list(layer.integers("shift")), [layer.axis(axis, len(have)) for axis in layer.integers("axis")]
    if not shifts:
        raise layer.malformed("it has no shift")
    if not axes:
        flat = reshaped(g, layer, x, [times(have)])
        return reshaped(g, layer, _rolled(g, layer, flat, 0, shifts[0]), have)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    if len(shifts) != len(axes):
        raise layer.malformed(f"it has {len(shifts)} shifts for {len(axes)} axes")
    for axis, shift in zip(axes, shifts, strict=True):
        x = _rolled(g, layer, x, axis, shift)
    return x


def _rolled(g: GraphBuilder, layer: Layer, x: Value, axis: int, shift: int) -> Value:
    size = layer.sizes(x, axis, axis + 1)[0]
    cut = -shift % size if size else 0
    if not cut:
        return x
    return g.Concat(g.Slice(x, [cut], [size], [axis]), g.Slice(x, [0], [cut], [axis]), axis=axis)


@reads("_npi_rot90")
def rot90(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Turned by right angles in the plane of two axes."""
    rank = layer.rank(x, *range(2, 33))
    plane = [layer.axis(axis, rank) for axis in layer.integers("axes", (0, 1))]
    if len(plane) != 2 or plane[0] == plane[1]:
        raise layer.malformed(f"its axes are {plane}")
    one, two = plane
    order = list(range(rank))
    order[one], order[two] = two, one
    turns = layer.integer("k", 1) % 4
    if turns == 0:
        return x
    if turns == 2:
        return g.Slice(x, [-1, -1], [-FAR, -FAR], [one, two], [-1, -1])
    if turns == 1:
        return g.Transpose(g.Slice(x, [-1], [-FAR], [two], [-1]), perm=order)
    return g.Slice(g.Transpose(x, perm=order), [-1], [-FAR], [two], [-1])


@reads("_np_atleast_1d", "_np_atleast_2d", "_np_atleast_3d")
def atleast(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """With axes of size 1 added in front, in three dimensions also one behind."""
    least = int(layer.type[-2])
    found = []
    for x in xs:
        have = layer.shape(x)
        if len(have) >= least:
            found.append(x)
        elif least == 3 and len(have) == 2:
            found.append(g.Unsqueeze(x, [2]))
        elif least == 3 and len(have) == 1:
            found.append(g.Unsqueeze(x, [0, 2]))
        else:
            found.append(g.Unsqueeze(x, list(range(least - len(have)))))
    return found


@reads("_npi_pad")
def np_pad(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Constant, edge, reflect or symmetric; widths are a pair an axis."""
    rank = len(layer.shape(x))
    try:
        pairs = attributes.groups(layer.word("pad_width", ""))
    except ValueError as error:
        raise layer.malformed(f"its pad_width: {error}") from None
    if len(pairs) != rank or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise layer.malformed(f"its pad_width {pairs} does not fit an input of {rank} axes")
    mode = layer.word("mode", "constant")
    widths = [pair[side] for side in range(2) for pair in pairs]
    if mode == "constant":
        return g.Pad(x, widths, layer.number(x, layer.real("constant_value", 0)))
    if mode in ("edge", "reflect") and layer.word("reflect_type", "even") == "even":
        return g.Pad(x, widths, None, mode=mode)
    raise layer.unsupported(f"ONNX does not pad in the mode {mode}")


@reads("_npx_nonzero", "_npi_nonzero")
def nonzero(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[count, axes]: as many rows as the data says."""
    layer.rank(x, *range(1, 33))
    return g.Transpose(g.NonZero(x), perm=[1, 0])


@reads("_npi_unique")
def unique(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """Sorted values without repetition, and what was asked for: first places, the way back, counts."""
    asked = [layer.flag(f"return_{key}", False) for key in ("index", "inverse", "counts")]
    axis = layer.axis(layer.integer("axis"), len(layer.shape(x))) if layer.has("axis") else None
    found = g.ops("Unique", x, outputs=4, sorted=1, axis=axis)
    return [found[0], *(value for value, wanted in zip(found[1:], asked, strict=True) if wanted)]


@reads("_npi_boolean_mask_assign_scalar")
def boolean_mask_assign(g: GraphBuilder, layer: Layer, x: Value, mask: Value) -> Value:
    """A number where the mask holds; the mask's axes are those of the array from ``start_axis`` on."""
    rank, first = len(layer.shape(x)), layer.integer("start_axis", 0)
    width = len(layer.shape(mask))
    if not 0 <= first <= rank - width:
        raise layer.malformed(f"its start_axis {first} does not fit a mask of {width} axes")
    tail = list(range(width, rank - first))
    chosen = truth(g, layer, mask)
    chosen = g.Unsqueeze(chosen, tail) if tail else chosen
    return g.Where(chosen, layer.number(x, layer.real("value", 0)), x)


@reads("_npi_diag_indices_from")
def diag_indices_from(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The places of the diagonal of a cube, [axes, side]."""
    sizes = layer.sizes(x)
    return g.constant(np.tile(np.arange(sizes[0] if sizes else 0), (len(sizes), 1)))


@reads("_contrib_fft")
def fft(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Along the last axis: real and imaginary parts side by side, [..., 2 d]."""
    have = layer.shape(x)
    layer.rank(x, 2, 4)
    rank = len(have)
    found = g.DFT(g.Unsqueeze(x, [rank]), None, np.asarray(rank - 1))
    return reshaped(g, layer, found, [*have[:-1], times([have[-1], 2])])


@reads("_contrib_ifft")
def ifft(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The reverse, of which the real part is kept; not divided by the length."""
    have = layer.shape(x)
    layer.rank(x, 2, 4)
    size = layer.sizes(x, -1)[0]
    if size % 2:
        raise layer.malformed(f"its last axis has {size} values; real and imaginary parts come in pairs")
    pairs = reshaped(g, layer, x, [*have[:-1], size // 2, 2])
    found = g.DFT(pairs, None, np.asarray(len(have) - 1), inverse=1)
    real = g.Gather(found, np.asarray(0), axis=len(have))
    return g.Mul(real, layer.number(x, size // 2))


# --- pictures --------------------------------------------------------------------------------------------------------


@reads("_image_to_tensor", "_npx__image_to_tensor")
def image_to_tensor(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[..., H, W, C] of 0..255 to [..., C, H, W] of 0..1."""
    rank = layer.rank(x, 3, 4)
    scaled = g.Div(cast(g, x, ir.DataType.FLOAT), np.asarray(255, np.float32))
    return g.Transpose(scaled, perm=[*range(rank - 3), rank - 1, rank - 3, rank - 2])


@reads("_image_normalize", "_npx__image_normalize")
def image_normalize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """(x - mean) / std for each channel of [..., C, H, W]."""
    rank = layer.rank(x, 3, 4)
    channels = layer.sizes(x, rank - 3, rank - 2)[0]
    mean, std = layer.reals("mean", (0.0,)), layer.reals("std", (1.0,))
    parts = []
    for values in (mean, std):
        if len(values) == 1:
            values = values * channels
        if len(values) < channels or any(not math.isfinite(value) for value in values):
            raise layer.malformed(f"{len(values)} values do not fit {channels} channels")
        parts.append(np.asarray(values[:channels]).astype(layer.element(x).numpy()).reshape(-1, 1, 1))
    return g.Div(g.Sub(x, parts[0]), parts[1])


@reads("_image_crop", "_npx__image_crop")
def image_crop(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A rectangle of [..., H, W, C]."""
    rank = layer.rank(x, 3, 4)
    left, top, width, height = (layer.integer(key) for key in ("x", "y", "width", "height"))
    rows, columns = layer.sizes(x, rank - 3, rank - 1)
    if not (0 <= top <= top + height <= rows and 0 <= left <= left + width <= columns):
        raise layer.malformed(f"its rectangle lies outside {rows}x{columns}")
    return g.Slice(x, [top, left], [top + height, left + width], [rank - 3, rank - 2])


@reads("_image_flip_left_right", "_image_flip_top_bottom", "_npx__image_flip_left_right", "_npx__image_flip_top_bottom")
def image_flip(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    rank = layer.rank(x, 3, 4)
    return g.Slice(x, [-1], [-FAR], [rank - 2 if layer.type.endswith("right") else rank - 3], [-1])


# --- chance ----------------------------------------------------------------------------------------------------------


@reads("_random_uniform", "random_uniform", "uniform", "_random_normal", "random_normal", "normal")
def random(g: GraphBuilder, layer: Layer) -> Value:
    """Drawn anew at every run."""
    shape = list(layer.integers("shape"))
    if any(size < 1 for size in shape):
        raise layer.malformed(f"its shape is {shape}")
    dtype = int(layer.dtype())
    if "uniform" in layer.type:
        return g.RandomUniform(shape=shape, dtype=dtype, low=layer.real("low", 0), high=layer.real("high", 1))
    return g.RandomNormal(shape=shape, dtype=dtype, mean=layer.real("loc", 0), scale=layer.real("scale", 1))


@reads("_random_uniform_like", "_random_normal_like")
def random_like(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    if "uniform" in layer.type:
        return g.RandomUniformLike(x, low=layer.real("low", 0), high=layer.real("high", 1))
    return g.RandomNormalLike(x, mean=layer.real("loc", 0), scale=layer.real("scale", 1))


@reads("_sample_multinomial", "sample_multinomial")
def sample_multinomial(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """So many draws from each row of probabilities."""
    if layer.flag("get_prob", False):
        raise layer.unsupported("the probabilities of the draws (get_prob) serve training only")
    rank = layer.rank(x, 1, 2)
    shape = layer.integers("shape")
    count = math.prod(shape)
    if not 1 <= count <= 2**20:
        raise layer.malformed(f"its shape is {shape}")
    rows = g.Unsqueeze(x, [0]) if rank == 1 else x
    drawn = g.Multinomial(g.Log(rows), sample_size=count, dtype=int(ir.DataType.INT32))
    found = cast(g, drawn, layer.dtype(ir.DataType.INT32))
    if rank == 1:
        return reshaped(g, layer, found, [*(shape or (1,))])
    return reshaped(g, layer, found, [layer.shape(x)[0], *shape])
