"""Sequences of their own lengths: masked, reversed, cut at their end. Time is axis 0, the batch axis 1, or swapped."""

from __future__ import annotations

import numpy as np

from workers.formats.mxnet.read.layer import Layer, Value, reads, whole
from workers.formats.mxnet.read.shaping import size_of
from workers.hub.graph import GraphBuilder


def _time(layer: Layer, x: Value) -> int:
    layer.rank(x, *range(2, 33))
    return layer.axis(layer.integer("axis", 0), 2)


def _lengths(layer: Layer, x: Value, lengths: Value | None, time: int) -> Value | None:
    """The lengths, one for each of the batch, or None when the whole is meant."""
    if not layer.flag("use_sequence_length", False):
        return None
    if lengths is None:
        raise layer.malformed("it uses lengths but has no second input")
    layer.rank(lengths, 1)
    layer.same(layer.shape(lengths)[0], layer.shape(x)[1 - time], "the number of sequences")
    return lengths


@reads("SequenceMask", "_npx_sequence_mask")
def sequence_mask(g: GraphBuilder, layer: Layer, x: Value, lengths: Value | None = None) -> Value:
    """``value`` behind the end of every sequence."""
    time = _time(layer, x)
    ends = _lengths(layer, x, lengths, time)
    if ends is None:
        return x
    places = _places(g, layer, x, time)
    rank = len(layer.shape(x))
    tail = list(range(2, rank))
    inside = g.Less(g.Unsqueeze(places, [1 - time, *tail]), g.Unsqueeze(whole(g, ends), [time, *tail]))
    return g.Where(inside, x, layer.number(x, layer.real("value", 0)))


def _places(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value:
    size = size_of(g, layer, x, axis)
    if isinstance(size, list):
        return g.constant(np.arange(size[0]))
    return g.Range(np.asarray(0), g.Squeeze(size, [0]), np.asarray(1))


@reads("SequenceLast")
def sequence_last(g: GraphBuilder, layer: Layer, x: Value, lengths: Value | None = None) -> Value:
    """The last step of every sequence."""
    time = _time(layer, x)
    ends = _lengths(layer, x, lengths, time)
    if ends is None:
        return g.Gather(x, np.asarray(-1), axis=time)
    if time == 0:
        x = g.Transpose(x, perm=[1, 0, *range(2, len(layer.shape(x)))])
    places = g.Sub(whole(g, ends), np.asarray(1))
    return g.GatherND(x, g.Unsqueeze(places, [1]), batch_dims=1)


@reads("SequenceReverse")
def sequence_reverse(g: GraphBuilder, layer: Layer, x: Value, lengths: Value | None = None) -> Value:
    """Every sequence turned around within its length."""
    time = _time(layer, x)
    ends = _lengths(layer, x, lengths, time)
    if ends is None:
        return g.Slice(x, [-1], [-(2**63) + 1], [time], [-1])
    return g.ReverseSequence(x, whole(g, ends), time_axis=time, batch_axis=1 - time)
