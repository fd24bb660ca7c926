"""What turns the outputs of a recognition or translation net into words: greedy CTC, paths of a beam search."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import F32, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole


@reads("CTCGreedyDecoder")
def ctc_greedy_decoder(g: Builder, layer: Layer, x: Value, lengths: Value) -> list[Value]:
    """[time, batch, classes] -> the sparse tensor of what is left without blanks (and repetitions), and its score.

    Indices are (row, place in the row); the score is minus the sum of the largest logits within a row's length.
    """
    classes = layer.size(x, 2)
    blank = layer.i("blank_index", -1)
    blank = blank if blank >= 0 else classes + blank
    best = g.Transpose(g.ArgMax(x, axis=2, keepdims=0), perm=[1, 0])
    steps = g.Range(np.array(0, np.int64), g.Squeeze(g.Shape(x, start=0, end=1), [0]), np.array(1, np.int64))
    within = g.Less(steps, g.Unsqueeze(whole(g, lengths), [1]))
    kept = g.And(within, g.Not(g.Equal(best, np.array(blank, np.int64))))
    if layer.flag("merge_repeated"):
        before = g.Pad(g.Slice(best, [0], [-1], [1]), [0, 1, 0, 0], np.array(-1, np.int64))
        kept = g.And(kept, g.Not(g.Equal(best, before)))
    counted = cast(g, kept, I64)
    places = g.Transpose(g.NonZero(kept), perm=[1, 0])
    column = g.Sub(g.GatherND(g.CumSum(counted, np.array(1, np.int64)), places), np.array(1, np.int64))
    indices = g.Concat(g.Slice(places, [0], [1], [1]), g.Unsqueeze(column, [1]), axis=1)
    longest = g.ReduceMax(g.Pad(g.ReduceSum(counted, [1], keepdims=0), [1, 0]), [0], keepdims=1)
    shape = g.Concat(g.Shape(best, start=0, end=1), longest, axis=0)
    top = g.Transpose(g.ReduceMax(x, [2], keepdims=0), perm=[1, 0])
    score = g.Neg(g.ReduceSum(g.Where(within, top, layer.number(x, 0)), [1], keepdims=1))
    return [indices, g.GatherND(best, places), shape, score]


@reads("GatherTree", "Addons>GatherTree")
def gather_tree(g: Builder, layer: Layer, ids: Value, parents: Value, lengths: Value, *token: Value) -> Value:
    """[time, batch, beams]: every beam's path followed from its last step back to the first.

    Behind the first end token, and behind a row's length, there are end tokens only. Up to TensorFlow 1.4 every beam
    has a length of its own, and -1 stands behind it.
    """
    end = token[0] if token else g.constant(layer.number(ids, -1))
    kind, dims = layer.element(ids), layer.shape(ids)[1:]
    beams = g.Shape(ids, start=2, end=3)
    steps = g.Range(np.array(0, np.int64), g.Squeeze(g.Shape(ids, start=0, end=1), [0]), np.array(1, np.int64))
    within = g.Less(g.Unsqueeze(steps, [1, 2]), g.Unsqueeze(whole(g, lengths), [0, 2] if token else [0]))
    within = g.Expand(within, g.Shape(ids))
    start = g.Range(np.array(0, np.int64), g.Squeeze(beams, [0]), np.array(1, np.int64))
    start = g.Expand(start, g.Shape(ids, start=1))
    body = g.inner(f"{layer.name}_body")
    state = body.input(f"{layer.name}_parent", dims, I64)
    step = [
        body.input(f"{layer.name}_{word}", dims, layer.element(value))
        for word, value in (("id", ids), ("back", whole(g, parents)), ("within", within))
    ]
    with body.layer(layer.name, layer.type):
        found = body.Where(step[2], body.GatherElements(step[0], state, axis=-1), end)
        above = body.Where(step[2], body.GatherElements(step[1], state, axis=-1), state)
    body.graph.outputs.extend([above, found])
    path = g.ops(
        "Scan", start, ids, whole(g, parents), within, outputs=2, body=body.graph, num_scan_inputs=3,
        scan_input_directions=[1, 1, 1], scan_output_directions=[1],
    )[1]  # fmt: skip
    if not token:
        return path
    ended = cast(g, g.Equal(path, end), F32)
    over = g.Greater(g.CumSum(ended, np.array(0, np.int64), exclusive=1), np.float32(0))
    return cast(g, g.Where(over, end, path), kind)
