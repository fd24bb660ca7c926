"""Fluid's StaticRNN, which runs a block once for every step, and the decoding of label sequences: Scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.control import own, read_inner, sub_block
from workers.formats.paddle.read.layer import BOOL, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.recurrent import one_sequence
from workers.hub.graph import GraphBuilder


@reads("recurrent")
def recurrent(g: GraphBuilder, layer: Layer) -> Mapping[str, Sequence[Value]]:
    """Inputs [T, ...] are cut into steps; ``states`` of one step are the ``ex_states`` of the next."""
    block, xs, starts = sub_block(layer), layer.all("inputs"), layer.all("initial_states")
    before, after = _names(layer, "ex_states"), _names(layer, "states")
    outputs = layer.op.outputs.get("outputs", [])
    if not xs or not len(before) == len(after) == len(starts):
        raise layer.malformed(f"it has {len(xs)} inputs, {len(starts)} states before and {len(after)} after a step")
    inner, env = g.inner(f"{layer.name}_step"), layer.env.inner()
    for name, start in zip(before, starts, strict=True):
        env.values[name] = inner.input(f"{layer.name}_state", list(layer.shape(start)), layer.element(start))
    for name, x in zip(layer.op.inputs["inputs"], xs, strict=True):
        env.values[name] = inner.input(f"{layer.name}_input", list(layer.shape(x)[1:]), layer.element(x))
    read_inner(layer, inner, block, env)
    ends = [env[name] for name in (*after, *outputs)]
    if any(not isinstance(value, ir.Value) for value in ends):
        raise layer.unsupported("a result of its steps is no tensor")
    results = _scan(g, inner, starts, xs, ends, layer.flag("reverse"))
    return {"outputs": results[len(after) :]}


def _names(layer: Layer, key: str) -> list[str]:
    names = layer.attr(key, [])
    if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
        raise layer.malformed(f"its attribute {key} is no list of names")
    return names


def _scan(
    g: GraphBuilder, inner: GraphBuilder, starts: Sequence[Value], xs: Sequence[Value], ends: Sequence[Value],
    reverse: bool,
) -> list[Value]:  # fmt: skip
    """The last states, then what the steps give one behind the other."""
    for value in ends:
        inner.output(own(inner, value))
    count = len(ends) - len(starts)
    results = g.ops(
        "Scan", *starts, *xs, outputs=len(ends), body=inner.graph, num_scan_inputs=len(xs),
        scan_input_directions=[1] * len(xs) if reverse else None,
        scan_output_directions=[1] * count if reverse and count else None,
    )  # fmt: skip
    for place, (result, end) in enumerate(zip(results, ends, strict=True)):
        result.type = end.type
        if end.shape is not None:
            steps = [] if place < len(starts) else [GraphBuilder.shape(xs[0])[0]]
            result.shape = ir.Shape([*steps, *GraphBuilder.shape(end)])
    return results


# --- labels -----------------------------------------------------------------------------------------------------------


@reads("crf_decoding")
def crf_decoding(g: GraphBuilder, layer: Layer) -> Value:
    """The best path through Emission, [T, n] or [N, T, n] with Length; transitions [start; end; from n to n]."""
    x, w, lengths = layer.x("Emission"), layer.x("Transition"), layer.maybe("Length")
    if layer.maybe("Label") is not None:
        raise layer.unsupported("it compares its path with labels, as in training")
    rank = layer.rank(x, 2, 3)
    if rank == 2:
        one_sequence(layer)
        x = g.Unsqueeze(x, [0])
    start, end, table = g.ops("Split", w, [1, 1, layer.size(w, 0) - 2], outputs=3, axis=0)
    _, path = _best(g, layer, x, table, (start, end), lengths)
    return g.Transpose(path, perm=[1, 0]) if rank == 2 else path


@reads("viterbi_decode")
def viterbi_decode(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Input [N, T, n]; with tags for both ends the last row of Transition starts, the one before it ends."""
    x, w, lengths = layer.x("Input"), layer.x("Transition"), layer.x("Length")
    size = layer.size(w, 0)
    ends = None
    if layer.flag("include_bos_eos_tag", True):
        ends = g.Slice(w, [size - 1], [size], [0]), g.Slice(w, [size - 2], [size - 1], [0])
    scores, path = _best(g, layer, x, w, ends, lengths)
    longest = g.Reshape(g.ReduceMax(cast(g, lengths, I64), [0], keepdims=1), [1])
    return {"Scores": scores, "Path": g.Slice(path, [0], longest, [1])}


def _best(
    g: GraphBuilder, layer: Layer, x: Value, table: Value, ends: tuple[Value, Value] | None, lengths: Value | None
) -> tuple[Value, Value]:
    """Viterbi: scores [N] and paths [N, T], zeros behind the end, through x [N, T, n] with table[from, to]."""
    batch, steps, labels = layer.shape(x)
    by_time = g.Transpose(x, perm=[1, 0, 2])
    first, rest = (g.Slice(by_time, [a], [b], [0]) for a, b in ((0, 1), (1, np.iinfo(np.int64).max)))
    alpha = g.Squeeze(first, [0])
    alpha = g.Add(alpha, ends[0]) if ends else alpha
    alpha.shape = ir.Shape([batch, labels])
    dtype = layer.element(x)
    inside = None
    if lengths is not None:
        flat = g.Reshape(cast(g, lengths, I64), [-1, 1])
        count = g.Squeeze(g.Shape(x, start=1, end=2), [0])
        places = g.Range(np.asarray(0), count, np.asarray(1))
        inside = g.Less(g.Unsqueeze(places, [0]), flat)
    moving = [] if inside is None else [g.Slice(g.Transpose(inside, perm=[1, 0]), [1], [2**62], [0])]
    alpha, back = _forwards(g, layer, alpha, [rest, *moving], table)
    total = g.Add(alpha, ends[1]) if ends else alpha
    last = g.ArgMax(total, axis=1, keepdims=1)
    path = _backwards(g, layer, last, back)
    whole = g.Transpose(g.Squeeze(g.Concat(path, g.Unsqueeze(last, [0]), axis=0), [2]), perm=[1, 0])
    if inside is not None:
        whole = g.Mul(whole, g.Cast(inside, to=int(I64)))
    whole.shape = ir.Shape([batch, steps])
    return cast(g, g.ReduceMax(total, [1], keepdims=0), dtype), whole


def _forwards(g: GraphBuilder, layer: Layer, alpha: Value, xs: Sequence[Value], table: Value) -> tuple[Value, Value]:
    """The last scores [N, n], and for every step where the best way to each label came from."""
    batch, labels = layer.shape(alpha)
    inner = g.inner(f"{layer.name}_forwards")
    old = inner.input(f"{layer.name}_alpha", [batch, labels], layer.element(alpha))
    emission = inner.input(f"{layer.name}_emission", [batch, labels], layer.element(alpha))
    sums = inner.Add(inner.Unsqueeze(old, [2]), table)
    new = inner.Add(inner.ReduceMax(sums, [1], keepdims=0), emission)
    origin = inner.ArgMax(sums, axis=1, keepdims=0)
    if len(xs) == 2:
        going = inner.Unsqueeze(inner.input(f"{layer.name}_inside", [batch], BOOL), [1])
        stay = inner.constant(np.arange(layer.size(alpha, 1))[None])
        new, origin = inner.Where(going, new, old), inner.Where(going, origin, stay)
    found = _scan(g, inner, [alpha], xs, [new, origin], False)
    return found[0], found[1]


def _backwards(g: GraphBuilder, layer: Layer, last: Value, back: Value) -> Value:
    """The labels [T - 1, N, 1] before the last ones [N, 1]."""
    inner = g.inner(f"{layer.name}_backwards")
    label = inner.input(f"{layer.name}_label", list(layer.shape(last)), I64)
    origins = inner.input(f"{layer.name}_origins", list(layer.shape(back)[1:]), I64)
    before = inner.GatherElements(origins, label, axis=1)
    return _scan(g, inner, [last], [back], [before, inner.Identity(before)], True)[1]


@reads("gather_tree")
def gather_tree(g: GraphBuilder, layer: Layer) -> Value:
    """Paths of a beam search from the last step back: Ids and Parents [T, N, W]."""
    ids, parents = layer.x("Ids"), layer.x("Parents")
    steps, batch, width = layer.shape(ids)
    size = g.Squeeze(g.Shape(ids, start=2, end=3), [0])
    start = g.Expand(cast(g, g.Range(np.asarray(0), size, np.asarray(1)), layer.element(parents)),
                     g.Shape(ids, start=1))  # fmt: skip
    inner = g.inner(f"{layer.name}_step")
    beam = inner.input(f"{layer.name}_beam", [batch, width], layer.element(parents))
    values = [inner.input(f"{layer.name}_{word}", [batch, width], layer.element(x))
              for word, x in (("ids", ids), ("parents", parents))]  # fmt: skip
    here, before = (inner.GatherElements(value, beam, axis=1) for value in values)
    found = _scan(g, inner, [start], [ids, parents], [before, here], True)[1]
    found.shape = ir.Shape([steps, batch, width])
    return found
