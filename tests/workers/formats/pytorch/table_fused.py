"""What exporters spell out, and the writer says in PyTorch's one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.workers.formats.pytorch.runs import Case, normal
from workers.hub.graph import GraphBuilder, Value

LAST, ONE, HALF = np.array([-1]), np.float32(1), np.float32(0.5)


def gelu(g: GraphBuilder, x: Value) -> Value:
    gate = g.Add(g.Erf(g.Div(x, np.float32(np.sqrt(2)))), ONE)
    return g.Mul(g.Mul(x, gate), HALF)


def tanh_gelu(g: GraphBuilder, x: Value) -> Value:
    cubic = g.Add(x, g.Mul(g.Pow(x, np.float32(3)), np.float32(0.044715)))
    return g.Mul(g.Mul(x, HALF), g.Add(g.Tanh(g.Mul(cubic, np.float32(np.sqrt(2 / np.pi)))), ONE))


def layer_norm(g: GraphBuilder, x: Value) -> Value:
    centre = g.Sub(x, g.ReduceMean(x, LAST, keepdims=1))
    variance = g.ReduceMean(g.Pow(centre, np.float32(2)), LAST, keepdims=1)
    y = g.Div(centre, g.Sqrt(g.Add(variance, np.float32(1e-5))))
    return g.Add(g.Mul(y, g.weight("g", normal(8))), g.weight("h", normal(8)))


def attention(g: GraphBuilder, x: Value, mask: Value | None = None) -> Value:
    """Two heads of four, from [batch, length, 8]."""
    heads = [
        g.Transpose(g.Reshape(g.MatMul(x, g.weight(name, normal(8, 8))), [0, 0, 2, 4]), perm=order)
        for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
    ]
    scores = g.Div(g.MatMul(heads[0], heads[1]), np.float32(2))
    scores = scores if mask is None else g.Add(scores, mask)
    context = g.MatMul(g.Softmax(scores, axis=-1), heads[2])
    return g.Reshape(g.Transpose(context, perm=[0, 2, 1, 3]), [0, 0, 8])


def read_inside(g: GraphBuilder, x: Value) -> Sequence[Value]:
    """The weights of the attention are an output, too: nothing is fused."""
    scores = g.Softmax(g.MatMul(x, g.Transpose(x, perm=[0, 1, 3, 2])), axis=-1)
    return [g.MatMul(scores, x), scores]


X = normal(2, 5, 8)
MASK = np.where(np.tri(5) > 0, 0.0, -10000.0).astype(np.float32).reshape(1, 1, 5, 5)
CASES = (
    Case("fused gelu", [X], gelu, free=(0, 1), says="nn.GELU()"),
    Case("fused tanh gelu", [X], tanh_gelu, free=(0, 1), says='approximate="tanh"'),
    Case("fused layer norm", [X], layer_norm, free=(0, 1), says="nn.LayerNorm(8"),
    Case("fused attention", [X], attention, free=(0,), says="F.scaled_dot_product_attention("),
    Case("fused masked attention", [X, MASK], attention, says="attn_mask="),
    Case("attention read inside", [normal(1, 2, 5, 4)], read_inside, says="nn.Softmax"),
)
