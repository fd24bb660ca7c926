"""Modules that change the shape of a tensor, or take a part of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workers.formats.torch7.objects import Table, Tensor
from workers.formats.torch7.read.dims import divided, times
from workers.formats.torch7.read.layer import Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


def viewed(run: Run, layer: Layer, ref: Ref, dims: Sequence[Dim]) -> Ref:
    return run.same_elements(layer, ref, lambda x: layer.reshape(run.g, x, dims))


@flows("nn.View")
def view(run: Run, layer: Layer, data: Data) -> Data:
    """``size``, of which one may be -1, with a batch of what is left over in front.

    Torch drops a batch of one when numInputDims is not set (View(512) on [1, 512, 1, 1] gives [512]): the batch is kept
    here, as it is for every other number of samples.
    """
    ref = layer.one(data)
    shape, size = layer.shape(ref.read()), layer.sizes("size")
    if not size or any(number < -1 for number in size) or size.count(-1) > 1:
        raise layer.malformed(f"its size is {size}")
    elements = math.prod(number for number in size if number != -1)
    inputs = layer.integer("numInputDims", len(shape))
    sample = shape[max(len(shape) - inputs, 0) :]
    lead = shape[: len(shape) - len(sample)]
    rest = divided(times(sample), elements)
    if rest is None:
        _mismatch(layer, shape, size)
        raise layer.free(f"it makes {size} of {list(shape)}")
    whole: list[Dim] = [rest if number == -1 else number for number in size]
    batch = times(lead) if -1 in size else times([rest, *lead])
    keeps = layer.has("numInputDims") and len(shape) > inputs
    one_sample = batch == 1 and len(shape) > 1 and shape[0] == 1 and size[0] != 1 and -1 not in size
    return viewed(run, layer, ref, [batch, *whole] if batch != 1 or keeps or one_sample else whole)


def _mismatch(layer: Layer, shape: Sequence[Dim], size: Sequence[int]) -> None:
    if all(isinstance(dim, int) for dim in shape):
        raise layer.malformed(f"an input of shape {list(shape)} does not fit the size {size}")


@flows("nn.Reshape")
def reshape(run: Run, layer: Layer, data: Data) -> Data:
    """batchMode true: the first axis is kept; false: exactly ``size``; not set: exactly, when the elements agree."""
    ref = layer.one(data)
    shape, size = layer.shape(ref.read()), layer.sizes("size")
    elements = math.prod(size)
    mode = layer.get("batchMode")
    total = times(shape)
    exact = mode is False or (mode is None and total == elements and shape[0] != 1)
    if divided(total if exact else times(shape[1:]), elements) != 1:
        _mismatch(layer, shape, size)
        raise layer.free(f"it makes {size} of {list(shape)}")
    return viewed(run, layer, ref, size if exact else [shape[0], *size])


@flows("nn.Collapse")
def collapse(run: Run, layer: Layer, data: Data) -> Data:
    """All axes but the batch's as one."""
    ref = layer.one(data)
    shape = layer.shape(ref.read())
    batched = len(shape) > layer.positive("nInputDim")
    return viewed(run, layer, ref, [shape[0], times(shape[1:])] if batched else [times(shape)])


@flows("nn.Squeeze")
def squeeze(run: Run, layer: Layer, data: Data) -> Data:
    """One axis of size 1, or all of them; with numInputDims a batch of one stays."""
    ref = layer.one(data)
    shape = layer.shape(ref.read())
    batched = layer.has("numInputDims") and len(shape) == layer.integer("numInputDims") + 1
    if layer.has("dim"):
        axis = layer.axis(layer.integer("dim") + batched, len(shape))
        dims = [dim for place, dim in enumerate(shape) if place != axis or dim != 1]
    else:
        keeps = bool(batched) or not isinstance(shape[0], int)
        dims = [dim for place, dim in enumerate(shape) if dim != 1 or (place == 0 and keeps)]
    return viewed(run, layer, ref, dims or [1])


@flows("nn.Unsqueeze")
def unsqueeze(run: Run, layer: Layer, data: Data) -> Data:
    ref = layer.one(data)
    shape = list(layer.shape(ref.read()))
    offset = len(shape) - layer.integer("numInputDims") if layer.has("numInputDims") else 0
    place = layer.integer("pos") - 1 + offset
    if not 0 <= place <= len(shape):
        raise layer.malformed(f"position {place + 1} does not exist in an input of {len(shape)} axes")
    return viewed(run, layer, ref, [*shape[:place], 1, *shape[place:]])


@reads("Transpose", keeps_type=True)
def transpose(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Pairs of dimensions, exchanged one pair after the other."""
    rank = layer.rank(x)
    offset = rank - layer.integer("numInputDims") if layer.has("numInputDims") else 0
    pairs = layer.get("permutations")
    order = list(range(rank))
    for pair in pairs.items() if isinstance(pairs, Table) else []:
        ends = pair.items() if isinstance(pair, Table) else []
        if len(ends) != 2 or not all(isinstance(end, int) and 0 < end + offset <= rank for end in ends):
            raise layer.malformed(f"it exchanges dimensions that an input of {rank} does not have")
        a, b = (end + offset - 1 for end in ends)
        order[a], order[b] = order[b], order[a]
    return g.Transpose(x, perm=order) if order != sorted(order) else x


@reads("Select", keeps_type=True)
def select(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """One slice without its axis; a negative index counts from the end."""
    rank = layer.rank(x)
    axis = layer.axis(layer.integer("dimension"), rank)
    index = layer.integer("index")
    size = layer.shape(x)[axis]
    if index == 0 or (isinstance(size, int) and abs(index) > size):
        raise layer.malformed(f"its index {index} does not exist in an axis of {size}")
    return g.Gather(x, index - 1 if index > 0 else index, axis=axis)


@reads("Narrow", keeps_type=True)
def narrow(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """``length`` slices from ``index`` on; -1 means up to the last one; a negative index leaves out the last ones."""
    axis = layer.axis(layer.integer("dimension"), layer.rank(x))
    size, index, length = layer.size(x, axis), layer.integer("index"), layer.integer("length")
    if length < 0:
        length = size - index + length + 2
    if index < 0:
        index, length = 1, size - length
    if index < 1 or length < 1 or index - 1 + length > size:
        raise layer.malformed(f"{length} slices from {index} do not exist in an axis of {size}")
    return g.Slice(x, [index - 1], [index - 1 + length], [axis])


@reads("Replicate", keeps_type=True)
def replicate(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The tensor nfeatures times along a new axis."""
    rank = layer.rank(x)
    batched = layer.has("ndim") and rank > layer.integer("ndim")
    axis = layer.positive("dim", 1) - 1 + batched
    if axis > rank:
        raise layer.malformed(f"position {axis + 1} does not exist in an input of {rank} axes")
    repeats = [1] * (rank + 1)
    repeats[axis] = layer.positive("nfeatures")
    return g.Tile(g.Unsqueeze(x, [axis]), repeats)


@reads("Padding")
def padding(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """|pad| values in front (negative) or behind; with index > 1 as far inside the tensor."""
    rank = layer.rank(x)
    number = layer.integer("dim")
    if layer.has("nInputDim") and rank != layer.integer("nInputDim"):
        number += 1
    axis = layer.axis(number, rank)
    pad, value, index = layer.integer("pad"), np.float32(layer.real("value", 0)), layer.integer("index", 1)
    if index == 1:
        pads = [0] * (2 * rank)
        pads[axis if pad < 0 else rank + axis] = abs(pad)
        return g.Pad(x, pads, value)
    place = layer.size(x, axis) - index + 1 if pad > 0 else index - 1
    if not 0 <= place <= layer.size(x, axis):
        raise layer.malformed(f"its index {index} does not exist in an axis of {layer.size(x, axis)}")
    pads = [0] * (2 * rank)
    pads[rank + axis] = abs(pad)
    front = g.Pad(g.Slice(x, [0], [place], [axis]), pads, value)
    return g.Concat(front, g.Slice(x, [place], [2**31 - 1], [axis]), axis=axis)


@flows("nn.Constant")
def constant(run: Run, layer: Layer, data: Data) -> Data:
    """A value, once a sample of the batch when the input has an axis more than nInputDim."""
    ref = layer.one(data)
    value = layer.get("value")
    if isinstance(value, Tensor):
        made = layer.weight(run.g, "value")
    else:
        made = run.g.constant(np.full((1,), layer.real("value"), np.float32))
    x = ref.read()
    if not layer.has("nInputDim") or layer.rank(x) == layer.integer("nInputDim"):
        return Ref(made)
    count = run.g.Shape(x, start=0, end=1)
    shape = layer.shape(made)
    target = run.g.Concat(count, list(shape), axis=0)
    wide = run.g.Expand(run.g.Unsqueeze(made, [0]), target)
    return Ref(layer.reshape(run.g, wide, [layer.shape(x)[0], *shape]))


@reads("ShaveImage", "SpatialSymmetricCrop")
def shave_image(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """``size`` rows and columns off every side."""
    rank, size = layer.rank(x, 3, 4), layer.positive("size", least=0)
    if size == 0:
        return x
    return g.Slice(x, [size, size], [-size, -size], [rank - 2, rank - 1])


@flows("nn.Convert")
def convert(run: Run, layer: Layer, data: Data) -> Data:
    """dpnn's change of layout, from a shape of letters to another: b batch, h height, w width, c channels, f features,
    t time, d data of one vector."""
    ref = layer.one(data)
    source, target = layer.module.text("inputShape"), layer.module.text("outputShape")
    x, g = ref.read(), run.g
    if not source or layer.rank(x) != len(source) or len(set(source)) != len(source):
        raise layer.malformed(f"an input of {layer.rank(x)} axes does not fit its shape {source!r}")
    if sorted(source) == sorted(target):
        return Ref(g.Transpose(x, perm=[source.index(letter) for letter in target]))
    if len(target) == 2 and "b" in target and target.index("b") == 0:
        order = [source.index("b"), *[place for place, letter in enumerate(source) if letter != "b"]]
        turned = g.Transpose(x, perm=order)
        shape = layer.shape(turned)
        return Ref(layer.reshape(g, turned, [shape[0], times(shape[1:])]))
    raise layer.unsupported(f"the change from {source!r} to {target!r} is not known")
