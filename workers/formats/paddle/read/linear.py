"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.dims import times
from workers.formats.paddle.read.activation import activated
from workers.formats.paddle.read.layer import F32, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


def turned(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The last two axes exchanged; a vector as it is."""
    rank = layer.rank(x)
    if rank < 2:
        return x
    return g.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@reads("matmul_v2", "matmul", "fused_matmul")
def matmul(g: GraphBuilder, layer: Layer) -> Value:
    """numpy's rules; fluid's ``matmul`` keeps [1] where two vectors meet and has a factor ``alpha``."""
    x, y = layer.x("X"), layer.x("Y")
    if layer.op.type == "fused_matmul":
        _plain(layer)
    first = layer.flag("trans_x", False) or layer.flag("transpose_X", False)
    second = layer.flag("trans_y", False) or layer.flag("transpose_Y", False)
    if layer.integer("head_number", 1) > 1:
        raise layer.unsupported("head_number splits the product for one kind of attention only")
    vectors = layer.rank(x) == 1 and layer.rank(y) == 1
    product = g.MatMul(turned(g, layer, x) if first else x, turned(g, layer, y) if second else y)
    alpha = layer.real("alpha", 1.0)
    product = product if alpha == 1 else g.Mul(product, layer.number(product, alpha))
    return g.Reshape(product, [1]) if vectors and layer.op.type == "matmul" else product


def _plain(layer: Layer) -> None:
    keys = ("fused_reshape_X", "fused_reshape_Y", "fused_transpose_X", "fused_transpose_Y", "fused_reshape_Out",
            "fused_transpose_Out")  # fmt: skip
    if any(layer.op.attrs.get(key) for key in keys) or layer.op.inputs.get("ResidualData"):
        raise layer.unsupported("it was fused with reshapes for one processor; convert the program as it was before")


@reads("mul")
def mul(g: GraphBuilder, layer: Layer) -> Value:
    """Both operands as matrices, their leading axes flattened into rows."""
    x, y = layer.x("X"), layer.x("Y")
    at, to = layer.integer("x_num_col_dims", 1), layer.integer("y_num_col_dims", 1)
    return flat_product(g, layer, x, y, at, to)


def flat_product(g: GraphBuilder, layer: Layer, x: Value, y: Value, at: int, to: int = 1) -> Value:
    have, other = layer.shape(x), layer.shape(y)
    if not 0 < at < max(len(have), 2) or not 0 < to < max(len(other), 2):
        raise layer.malformed(f"its operands of {len(have)} and {len(other)} axes are no matrices at {at} and {to}")
    right = y if len(other) == 2 else reshaped(g, layer, y, [times(other[:to]), times(other[to:])])
    if at == len(have) - 1:
        product = g.MatMul(x, right)
    else:
        rows = reshaped(g, layer, x, [*have[:at], times(have[at:])])
        product = g.MatMul(rows, right)
    return product if len(other) == 2 else reshaped(g, layer, product, [*have[:at], *other[to:]])


@reads("fc")
def fc(g: GraphBuilder, layer: Layer) -> Value:
    """Fused dense layer."""
    return _dense(g, layer)


def _dense(g: GraphBuilder, layer: Layer) -> Value:
    """``padding_weights`` adds four rows and columns that do not count."""
    x, w, bias = layer.x("Input"), layer.x("W"), layer.maybe("Bias")
    if layer.flag("padding_weights", False):
        rows, columns = layer.sizes(w)
        w = g.Slice(w, [0, 0], [rows - 4, columns - 4], [0, 1])
    if layer.flag("use_quantizer", False) or layer.op.attrs.get("enable_int8"):
        raise layer.unsupported("it was quantised for one processor; convert the model as it was before")
    product = flat_product(g, layer, x, w, layer.integer("in_num_col_dims", 1))
    if bias is not None:
        product = g.Add(product, reshaped(g, layer, bias, [times(layer.shape(bias))]))
    return activated(g, layer, product, layer.word("activation_type", ""))


@reads("gemm_epilogue", "fused_gemm_epilogue")
def gemm_epilogue(g: GraphBuilder, layer: Layer) -> Value:
    if layer.op.type == "gemm_epilogue":
        return _dense(g, layer)
    x, y = layer.x("X"), layer.x("Y")
    x = turned(g, layer, x) if layer.flag("trans_x") else x
    y = turned(g, layer, y) if layer.flag("trans_y") else y
    return activated(g, layer, g.Add(g.MatMul(x, y), layer.x("Bias")), layer.word("activation", "none"))


@reads("linear_v2")
def linear_v2(g: GraphBuilder, layer: Layer) -> Value:
    w, bias = layer.x("Weight"), layer.maybe("Bias")
    product = g.MatMul(layer.x("Input"), turned(g, layer, w) if layer.flag("transpose_weight") else w)
    return product if bias is None else g.Add(product, bias)


@reads("bmm", "mv", "dot")
def products(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("X")
    if layer.op.type == "mv":
        return g.MatMul(x, layer.x("Vec"))
    if layer.op.type == "bmm":
        return g.MatMul(x, layer.x("Y"))
    return g.ReduceSum(g.Mul(x, layer.x("Y")), [-1], keepdims=0)


@reads("multi_dot")
def multi_dot(g: GraphBuilder, layer: Layer) -> Value:
    first, *rest = layer.several("X")
    for other in rest:
        first = g.MatMul(first, other)
    return first


@reads("addmm", "baddbmm")
def addmm(g: GraphBuilder, layer: Layer) -> Value:
    """Beta input + Alpha x y."""
    product, base = g.MatMul(layer.x("X"), layer.x("Y")), layer.x("Input")
    alpha, beta = layer.real("Alpha", 1.0), layer.real("Beta", 1.0)
    product = product if alpha == 1 else g.Mul(product, layer.number(product, alpha))
    return g.Add(base if beta == 1 else g.Mul(base, layer.number(base, beta)), product)


@reads("kron")
def kron(g: GraphBuilder, layer: Layer) -> Value:
    x, y = layer.x("X"), layer.x("Y")
    rank = max(layer.rank(x), layer.rank(y))
    a: list[Dim] = [*([1] * (rank - layer.rank(x))), *layer.shape(x)]
    b: list[Dim] = [*([1] * (rank - layer.rank(y))), *layer.shape(y)]
    wide = reshaped(g, layer, x, [dim for size in a for dim in (size, 1)])
    high = reshaped(g, layer, y, [dim for size in b for dim in (1, size)])
    return reshaped(g, layer, g.Mul(wide, high), [times(pair) for pair in zip(a, b, strict=True)])


@reads("cross")
def cross(g: GraphBuilder, layer: Layer) -> Value:
    """Along ``dim``, by default (9) the first axis of size 3."""
    x, y, axis = layer.x("X"), layer.x("Y"), layer.integer("dim", 9)
    dims = layer.shape(x)
    place = layer.axis(axis, len(dims)) if axis != 9 else next((i for i, dim in enumerate(dims) if dim == 3), None)
    if place is None or dims[place] != 3:
        raise layer.malformed(f"no axis of {list(dims)} has the size 3")

    def rolled(value: Value, by: Sequence[int]) -> Value:
        return g.Gather(value, list(by), axis=place)

    one, two = (1, 2, 0), (2, 0, 1)
    return g.Sub(g.Mul(rolled(x, one), rolled(y, two)), g.Mul(rolled(x, two), rolled(y, one)))


@reads("bilinear_tensor_product")
def bilinear_tensor_product(g: GraphBuilder, layer: Layer) -> Value:
    """x W_k y for every k."""
    x, y, weight, bias = layer.x("X"), layer.x("Y"), layer.x("Weight"), layer.maybe("Bias")
    result = g.Einsum(x, weight, y, equation="bi,kij,bj->bk")
    return result if bias is None else g.Add(result, bias)


@reads("einsum")
def einsum(g: GraphBuilder, layer: Layer) -> Value:
    return g.Einsum(*layer.several("Operands"), equation=layer.word("equation").replace(" ", ""))


@reads("cos_sim")
def cos_sim(g: GraphBuilder, layer: Layer) -> Value:
    """Row by row; the second operand may be one row."""
    x, y = cast(g, layer.x("X"), F32), cast(g, layer.x("Y"), F32)
    lengths = [g.ReduceL2(value, [1], keepdims=1) for value in (x, y)]
    return g.Div(g.ReduceSum(g.Mul(x, y), [1], keepdims=1), g.Mul(*lengths))


@reads("fusion_squared_mat_sub")
def fusion_squared_mat_sub(g: GraphBuilder, layer: Layer) -> Value:
    """scalar ((x y)^2 - x^2 y^2)."""
    x, y = layer.x("X"), layer.x("Y")
    product = g.MatMul(x, y)
    difference = g.Sub(g.Mul(product, product), g.MatMul(g.Mul(x, x), g.Mul(y, y)))
    return g.Mul(difference, layer.number(x, layer.real("scalar", 1.0)))


@reads("determinant")
def determinant(g: GraphBuilder, layer: Layer) -> Value:
    return g.Det(layer.x("Input"))


@reads("fsp")
def fsp(g: GraphBuilder, layer: Layer) -> Value:
    """How channels of two pictures go together: [N, C, H, W], [N, D, H, W] -> [N, C, D], a mean over all places."""
    x, y = layer.x("X"), layer.x("Y")
    layer.rank(x, 4)
    batch, _, height, width = layer.shape(x)
    points = times([height, width])
    flat = [reshaped(g, layer, value, [batch, layer.shape(value)[1], points]) for value in (x, y)]
    product = g.MatMul(flat[0], g.Transpose(flat[1], perm=[0, 2, 1]))
    return g.Div(product, g.Cast(g.Size(g.Slice(x, [0, 0], [1, 1], [0, 1])), to=int(layer.element(x))))
