"""Operators of opsets after 21 that ONNX gives no function body for, in the words of opset 21."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.opset.edit import refuse

D = ir.DataType
Rule = Callable[[GraphBuilder, Node], Sequence[Value]]
INTEGERS = (D.INT8, D.INT16, D.INT32, D.INT64, D.UINT8, D.UINT16, D.UINT32, D.UINT64)
SIGNED = INTEGERS[:4]


def bit_cast(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """Between integers of one width Cast keeps the bits; it rounds where a floating-point number is involved."""
    source, target = node.dtype(), ir.DataType(node.i("to"))
    if target not in INTEGERS or source not in (*INTEGERS, D.BOOL):
        raise refuse(node, f"opset {OPSET} cannot take the bits of a {source and source.name} as a {target.name}")
    return [g.Cast(node.x(), to=target.value)]


def bit_shift(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """Signed integers: the sign fills in from the left; a shift by no place that there is leaves the sign alone."""
    dtype = node.dtype()
    if dtype not in SIGNED:
        raise refuse(node, f"opset {OPSET} cannot shift a {dtype and dtype.name}")
    wide, bare = (D.INT64, D.UINT64) if dtype is D.INT64 else (D.INT32, D.UINT32)
    zero, one, width = (np.asarray(number, wide.numpy()) for number in (0, 1, dtype.itemsize * 8))
    x, y = g.Cast(node.x(), to=wide.value), g.Cast(node.x(1), to=wide.value)
    outside = g.Or(g.Less(y, zero), g.GreaterOrEqual(y, width))
    places = g.Cast(g.Where(outside, zero, y), to=bare.value)
    negative = g.Less(x, zero)
    if node.s("direction") == "LEFT":
        shifted = g.Cast(g.BitShift(g.Cast(x, to=bare.value), places, direction="LEFT"), to=wide.value)
        return [g.Cast(g.Where(outside, zero, shifted), to=dtype.value)]
    magnitude = g.Where(negative, g.BitwiseNot(x), x)
    shifted = g.Cast(g.BitShift(g.Cast(magnitude, to=bare.value), places, direction="RIGHT"), to=wide.value)
    signed = g.Where(negative, g.BitwiseNot(shifted), shifted)
    return [g.Cast(g.Where(outside, g.Where(negative, -one, zero), signed), to=dtype.value)]


def cum_prod(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """A Scan along the axis whose state is the product so far."""
    axis, x, dtype, rank = node.const(1), node.x(), node.dtype(), node.rank
    if axis is None or rank is None or dtype is None:
        raise refuse(node, "the axis, or the rank of its input, is unknown")
    along = int(axis.reshape(-1)[0]) % rank
    shape = g.Shape(x)
    others = g.Concat(g.Slice(shape, [0], [along], [0]), g.Slice(shape, [along + 1], [rank], [0]), axis=0)
    ones = g.ConstantOfShape(others, value=ir.tensor(np.ones(1, dtype.numpy())))
    body = g.inner(f"{node.name}_body")
    sizes = [size for place, size in enumerate(node.shape() or ()) if place != along]
    product, item = body.input("product", sizes, dtype), body.input("item", sizes, dtype)
    following = body.Mul(product, item)
    body.output(following)
    body.output(product if node.i("exclusive") else following)
    backward = [node.i("reverse")]
    results = g.ops(
        "Scan", ones, x, outputs=2, body=body.graph, num_scan_inputs=1, scan_input_axes=[along],
        scan_output_axes=[along], scan_input_directions=backward, scan_output_directions=backward,
    )  # fmt: skip
    return results[1:]


def mod(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """Floating-point numbers: the remainder that has the sign of the divisor."""
    x, y, dtype = node.x(), node.x(1), node.dtype()
    assert dtype is not None  # it was asked before
    zero = np.asarray(0, dtype.numpy())
    rest = g.Mod(x, y, fmod=1)
    other_sign = g.And(g.Not(g.Equal(rest, zero)), g.Xor(g.Less(rest, zero), g.Less(y, zero)))
    return [g.Where(other_sign, g.Add(rest, y), rest)]


def tensor_scatter(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """ScatterElements along the axis of the sequence, every sample from its own index on."""
    cache, update, rank = node.x(), node.x(1), node.rank
    if rank is None:
        raise refuse(node, "the rank of its cache is unknown")
    axis = node.i("axis", -2) % rank
    steps = g.Squeeze(g.Shape(update, start=axis, end=axis + 1), [0])
    places = g.Range(np.asarray(0), steps, np.asarray(1))
    along = [1] * rank
    along[axis] = -1
    places = g.Reshape(places, along)
    if node.input(2) is not None:
        places = g.Add(places, g.Reshape(node.x(2), [-1] + [1] * (rank - 1)))
    if node.s("mode", "linear") == "circular":
        places = g.Mod(places, g.Shape(cache, start=axis, end=axis + 1))
    return [g.ScatterElements(cache, g.Expand(places, g.Shape(update)), update, axis=axis)]


RULES: dict[str, Rule] = {
    "BitCast": bit_cast,
    "BitShift": bit_shift,
    "CumProd": cum_prod,
    "Mod": mod,
    "TensorScatter": tensor_scatter,
}


def widened(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """The same operator on float32 instead of bfloat16, which holds every value; the results are narrowed again."""
    inputs = [
        g.Cast(value, to=D.FLOAT.value) if value is not None and value.dtype is D.BFLOAT16 else value
        for value in node.inputs
    ]
    attributes = {name: attribute.value for name, attribute in node.raw.attributes.items()}
    narrow = [value.dtype is D.BFLOAT16 for value in node.outputs]
    results = g.ops(node.op, *inputs, outputs=len(node.outputs), **attributes)
    return [
        g.Cast(value, to=D.BFLOAT16.value) if again else value for value, again in zip(results, narrow, strict=True)
    ]
