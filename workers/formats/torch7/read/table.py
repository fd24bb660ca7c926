"""Modules that take tables of tensors, or make them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from workers.formats.torch7.read.layer import Layer, Value, flows, reads_table
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder


def shifted(layer: Layer, rank: int, key: str = "dimension", dims: str = "nInputDims") -> int:
    """A dimension of one sample as an axis: with ``nInputDims`` a batch in front shifts it, unless it is negative."""
    number = layer.integer(key)
    if number > 0 and layer.has(dims) and rank == layer.integer(dims) + 1:
        number += 1
    return layer.axis(number, rank)


def joined(g: GraphBuilder, layer: Layer, values: Sequence[Value], axis: int) -> Value:
    if any(layer.rank(value) != layer.rank(values[0]) for value in values):
        raise layer.malformed("it joins tensors of different ranks")
    return g.Concat(*values, axis=axis) if len(values) > 1 else values[0]


def _elements(layer: Layer, data: Data) -> list[Data]:
    if not isinstance(data, list):
        raise layer.malformed("its input is a tensor; it takes a table")
    return data


def _like_first(g: GraphBuilder, layer: Layer, xs: Sequence[Value]) -> list[Value]:
    """Torch compares elements, not shapes: the others in the shape of the first."""
    shape = layer.shape(xs[0])
    return [x if layer.shape(x) == shape else layer.reshape(g, x, shape) for x in xs]


# --- arithmetic -----------------------------------------------------------------------------------------------------


@reads_table("CAddTable")
def c_add_table(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    return reduce(g.Add, _like_first(g, layer, xs))


@reads_table("CMulTable")
def c_mul_table(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    return reduce(g.Mul, _like_first(g, layer, xs))


@reads_table("CSubTable", least=2)
def c_sub_table(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    return g.Sub(*_like_first(g, layer, xs[:2]))


@reads_table("CDivTable", least=2)
def c_div_table(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    return g.Div(*_like_first(g, layer, xs[:2]))


@reads_table("CMaxTable")
def c_max_table(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    return g.Max(*_like_first(g, layer, xs)) if len(xs) > 1 else xs[0]


@reads_table("CMinTable")
def c_min_table(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    return g.Min(*_like_first(g, layer, xs)) if len(xs) > 1 else xs[0]


@flows("nn.JoinTable")
def join_table(run: Run, layer: Layer, data: Data) -> Data:
    refs = layer.table(data)
    values = [ref.read() for ref in refs]
    if len({value.dtype for value in values}) > 1:
        values = [layer.floats(run.g, value) for value in values]
    return Ref(joined(run.g, layer, values, shifted(layer, layer.rank(values[0]))))


# --- picking --------------------------------------------------------------------------------------------------------


@flows("nn.SelectTable")
def select_table(run: Run, layer: Layer, data: Data) -> Data:
    """Element ``index``, from the end when negative."""
    items = _elements(layer, data)
    index = layer.integer("index")
    if index == 0 or abs(index) > len(items):
        raise layer.malformed(f"its index {index} is not in a table of {len(items)}")
    return items[index - 1 if index > 0 else index]


@flows("nn.NarrowTable")
def narrow_table(run: Run, layer: Layer, data: Data) -> Data:
    items = _elements(layer, data)
    offset, length = layer.integer("offset", 1), layer.integer("length", 1)
    if length < 0:
        length = len(items) - offset + 2 + length
    if offset < 1 or length < 1 or offset - 1 + length > len(items):
        raise layer.malformed(f"{length} elements from {offset} are not in a table of {len(items)}")
    return items[offset - 1 : offset - 1 + length]


@flows("nn.FlattenTable")
def flatten_table(run: Run, layer: Layer, data: Data) -> Data:
    return _flat(_elements(layer, data))


def _flat(items: list[Data]) -> list[Data]:
    return [leaf for item in items for leaf in (_flat(item) if isinstance(item, list) else [item])]


@flows("nn.ReverseTable")
def reverse_table(run: Run, layer: Layer, data: Data) -> Data:
    return _elements(layer, data)[::-1]


@flows("nn.ZipTable")
def zip_table(run: Run, layer: Layer, data: Data) -> Data:
    """{{a1, a2}, {b1, b2}} -> {{a1, b1}, {a2, b2}}."""
    rows = [_elements(layer, item) for item in _elements(layer, data)]
    if len({len(row) for row in rows}) != 1:
        raise layer.malformed("it takes tables of one length")
    return [list(column) for column in zip(*rows, strict=True)]


@flows("nn.ZipTableOneToMany")
def zip_table_one_to_many(run: Run, layer: Layer, data: Data) -> Data:
    """{x, {a, b}} -> {{x, a}, {x, b}}."""
    items = _elements(layer, data)
    if len(items) != 2:
        raise layer.malformed("it takes a table of an element and a table")
    return [[items[0], item] for item in _elements(layer, items[1])]


@flows("nn.SplitTable")
def split_table(run: Run, layer: Layer, data: Data) -> Data:
    """Every slice along an axis, without that axis: views of the input."""
    ref = layer.one(data)
    x = ref.read()
    axis = shifted(layer, layer.rank(x))
    count = layer.size(x, axis)
    return [part(run, layer, ref, axis, index) for index in range(count)]


def part(run: Run, layer: Layer, ref: Ref, axis: int, index: int) -> Ref:
    """One slice of a tensor as a view."""

    def put(base: Value, new: Value) -> Value:
        shape = layer.shape(base)
        pieces = [run.g.Slice(base, [0], [index], [axis]), run.g.Unsqueeze(new, [axis]),
                  run.g.Slice(base, [index + 1], [2**31 - 1], [axis])]  # fmt: skip
        last = shape[axis]
        kept = pieces[int(index == 0) : 2 if isinstance(last, int) and index == last - 1 else 3]
        return run.g.Concat(*kept, axis=axis) if len(kept) > 1 else kept[0]

    return run.view(layer, ref, lambda base: run.g.Gather(base, index, axis=axis), put)


# --- products -------------------------------------------------------------------------------------------------------


@flows("nn.CAddTensorTable")
def c_add_tensor_table(run: Run, layer: Layer, data: Data) -> Data:
    """{t, {a, b}} -> {a + t, b + t}."""
    items = _elements(layer, data)
    if len(items) != 2:
        raise layer.malformed("it takes a table of a tensor and a table")
    t = layer.floats(run.g, layer.one(items[0]).read())
    return [Ref(run.g.Add(layer.floats(run.g, ref.read()), t)) for ref in layer.table(items[1])]


@flows("nn.MixtureTable")
def mixture_table(run: Run, layer: Layer, data: Data) -> Data:
    """{gate [N, K], {expert 1, ... K}}, or the experts stacked along ``dim``: their sum weighted by the gate."""
    items, g = _elements(layer, data), run.g
    if len(items) != 2:
        raise layer.malformed("it takes a table of gates and experts")
    gate = layer.floats(g, layer.one(items[0]).read())
    lead = layer.rank(gate, 1, 2) - 1
    if isinstance(items[1], list):
        experts = [layer.floats(g, ref.read()) for ref in layer.table(items[1])]
        axis = lead
        stacked = g.Concat(*[g.Unsqueeze(expert, [axis]) for expert in experts], axis=axis)
    else:
        stacked = layer.floats(g, layer.one(items[1]).read())
        axis = layer.axis(layer.integer("dim", lead + 1), layer.rank(stacked))
    others = [place for place in range(layer.rank(stacked)) if place != axis and not (lead and place == 0)]
    return Ref(g.ReduceSum(g.Mul(stacked, g.Unsqueeze(gate, others) if others else gate), [axis], keepdims=0))


@reads_table("MM", least=2, most=2)
def mm(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    """Products of matrices, or of batches of them, either of them transposed."""
    turned = []
    for x, key in zip(xs, ("transA", "transB"), strict=True):
        rank = layer.rank(x, 2, 3)
        swap = [1, 0] if rank == 2 else [0, 2, 1]
        turned.append(g.Transpose(x, perm=swap) if layer.flag(key) else x)
    return g.MatMul(*turned)


@reads_table("MV", least=2, most=2)
def mv(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    """[N, A, B] by [N, B] -> [N, A]; ``trans`` turns the matrix."""
    matrix, vector = xs
    rank = layer.rank(matrix, 2, 3)
    if layer.flag("trans"):
        matrix = g.Transpose(matrix, perm=[1, 0] if rank == 2 else [0, 2, 1])
    if rank == 2:
        return g.MatMul(matrix, vector)
    return g.Squeeze(g.MatMul(matrix, g.Unsqueeze(vector, [2])), [2])


def _pair(g: GraphBuilder, layer: Layer, xs: list[Value]) -> tuple[Value, Value, bool]:
    """Both as [N, D], and whether they were single vectors."""
    single = layer.rank(xs[0], 1, 2) == 1
    a, b = (g.Unsqueeze(x, [0]) if layer.rank(x) == 1 else x for x in xs)
    return a, b, single


@reads_table("DotProduct", least=2, most=2)
def dot_product(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    """[N]; of single vectors [1]."""
    a, b, _ = _pair(g, layer, xs)
    return g.ReduceSum(g.Mul(a, b), [1], keepdims=0)


@reads_table("CosineDistance", least=2, most=2)
def cosine_distance(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    """x.y / sqrt((|x|^2 + 1e-12) (|y|^2 + 1e-12)): [N]."""
    a, b, _ = _pair(g, layer, xs)
    squares = [g.Add(g.ReduceSum(g.Mul(x, x), [1], keepdims=0), np.float32(1e-12)) for x in (a, b)]
    norm = g.Mul(g.Sqrt(squares[0]), g.Sqrt(squares[1]))
    return g.Div(g.ReduceSum(g.Mul(a, b), [1], keepdims=0), norm)


@reads_table("PairwiseDistance", least=2, most=2)
def pairwise_distance(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    """(sum |x - y|^p)^(1/p): [N]."""
    a, b, _ = _pair(g, layer, xs)
    power = layer.real("norm", 2)
    difference = g.Sub(a, b)
    if power in (1, 2):
        return g.op("ReduceL1" if power == 1 else "ReduceL2", difference, [1], keepdims=0)
    powers = g.Pow(g.Abs(difference), np.float32(power))
    return g.Pow(g.ReduceSum(powers, [1], keepdims=0), np.float32(1 / power))


@reads_table("Bilinear", least=2, most=2)
def bilinear(g: GraphBuilder, layer: Layer, xs: list[Value]) -> Value:
    """y_o = x1' W_o x2 + b_o with weight [out, in1, in2]."""
    tensor = layer.needed("weight")
    if len(tensor.shape) != 3:
        raise layer.malformed(f"its weight has {len(tensor.shape)} axes")
    outs, first, second = tensor.shape
    a, b = xs
    layer.rank(a, 2)
    weight = layer.weight(g, "weight", (first, outs * second), lambda w: w.transpose(1, 0, 2), "in first")
    wide = layer.reshape(g, g.MatMul(a, weight), [layer.shape(a)[0], outs, second])
    result = g.ReduceSum(g.Mul(wide, g.Unsqueeze(b, [1])), [2], keepdims=0)
    return g.Add(result, layer.weight(g, "bias", (outs,))) if layer.tensor("bias") else result


@flows("nn.Index")
def index(run: Run, layer: Layer, data: Data) -> Data:
    """{t, indices}: the slices of t along ``dimension``, indices from 1 on."""
    x, places = layer.table(data, 2, 2)
    axis = layer.axis(layer.integer("dimension"), layer.rank(x.read()))
    return Ref(run.g.Gather(x.read(), run.index(places.read()), axis=axis))
