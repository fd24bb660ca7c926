"""Normalisation by batch statistics, within a sample, and by neighbouring channels."""

from __future__ import annotations

import numpy as np

from workers.formats.dims import times, whole
from workers.formats.paddle.read.activation import activated
from workers.formats.paddle.read.convolution import back, first, is_last
from workers.formats.paddle.read.layer import F32, Layer, Value, cast, reads
from workers.formats.paddle.read.linear import flat_product
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder


@reads("batch_norm", "sync_batch_norm", "inplace_abn", "fused_batch_norm_act")
def batch_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """With the stored statistics, or (not ``is_test``, no global statistics) with those of the batch at hand."""
    x = layer.x()
    last = is_last(layer, "data_layout") and layer.rank(x) > 2
    x = first(g, layer, x, last)
    scale, bias, mean, variance = (layer.x(slot) for slot in ("Scale", "Bias", "Mean", "Variance"))
    epsilon = layer.real("epsilon", 1e-5)
    if not layer.flag("is_test", True) and not layer.flag("use_global_stats"):
        axes = [axis for axis in range(layer.rank(x)) if axis != 1]
        mean = g.ReduceMean(x, axes, keepdims=0)
        centred = g.Sub(x, g.Unsqueeze(mean, axes))
        variance = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=0)
    y = back(g, layer, g.BatchNormalization(x, scale, bias, mean, variance, epsilon=epsilon), last)
    if layer.op.type == "inplace_abn":
        y = activated(g, layer, y, layer.word("activation", ""), layer.real("alpha", 0.01))
    if layer.op.type == "fused_batch_norm_act":
        y = activated(g, layer, y, layer.word("act_type", "relu"))
    return {"Y": y}


@reads("data_norm")
def data_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """(x - sum / size) * sqrt(size / sum of squares)."""
    x, size = layer.x(), layer.x("BatchSize")
    mean = g.Div(layer.x("BatchSum"), size)
    y = g.Mul(g.Sub(x, mean), g.Sqrt(g.Div(size, layer.x("BatchSquareSum"))))
    if layer.flag("enable_scale_and_shift"):
        y = g.Add(g.Mul(y, layer.x("scale_w")), layer.x("bias"))
    return {"Y": y}


@reads("layer_norm")
def layer_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    return {"Y": normalised(g, layer, x, layer.maybe("Scale"), layer.maybe("Bias"), layer.real("epsilon", 1e-5),
                            layer.integer("begin_norm_axis", 1))}  # fmt: skip


def normalised(
    g: GraphBuilder, layer: Layer, x: Value, scale: Value | None, bias: Value | None, epsilon: float, begin: int
) -> Value:
    """Over the axes from ``begin`` on; scale and bias are stored flat."""
    begin = layer.axis(begin, layer.rank(x))
    dims = layer.shape(x)[begin:]
    sizes = whole(dims)
    if scale is None and sizes is None:
        axes = list(range(begin, layer.rank(x)))
        centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
        spread = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)
        return g.Div(centred, g.Sqrt(g.Add(spread, layer.number(x, epsilon))))
    if scale is None:
        layer.bounded(int(np.prod(sizes or [])))
        scale = g.constant(np.ones(sizes or [], layer.element(x).numpy()))
    scale = cast(g, reshaped(g, layer, scale, dims), layer.element(x))
    if bias is not None:
        bias = cast(g, reshaped(g, layer, bias, dims), layer.element(x))
    return g.LayerNormalization(x, scale, bias, axis=begin, epsilon=epsilon)


@reads("rms_norm")
def rms_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """x / sqrt(mean(x^2) + eps) * scale over the last axes."""
    x, scale = layer.x(), layer.maybe("Scale")
    count = len(layer.integers("normalized_shape", [0]))
    y = g.Cast(x, to=int(F32)) if x.dtype != F32 else x
    mean = g.ReduceMean(g.Mul(y, y), list(range(-count, 0)), keepdims=1)
    y = cast(g, g.Div(y, g.Sqrt(g.Add(mean, layer.number(y, layer.real("epsilon", 1e-5))))), layer.element(x))
    return {"Y": y if scale is None else g.Mul(y, scale)}


@reads("instance_norm")
def instance_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    rank = layer.rank(x, *range(2, 33))
    channels = layer.size(x, 1)
    scale, bias = layer.maybe("Scale"), layer.maybe("Bias")
    ones, zeros = (g.constant(layer.number(x, np.full(channels, value))) for value in (1, 0))
    wide = g.Unsqueeze(x, [2]) if rank == 2 else x
    y = g.InstanceNormalization(
        wide, scale if scale is not None else ones, bias if bias is not None else zeros,
        epsilon=layer.real("epsilon", 1e-5),
    )  # fmt: skip
    return {"Y": g.Squeeze(y, [2]) if rank == 2 else y}


@reads("group_norm")
def group_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x, groups = layer.x(), layer.integer("groups")
    last = is_last(layer, "data_layout")
    x = first(g, layer, x, last)
    layer.rank(x, *range(3, 33))
    channels = layer.size(x, 1)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels are no {groups} groups")
    scale, bias = layer.maybe("Scale"), layer.maybe("Bias")
    ones, zeros = (g.constant(layer.number(x, np.full(channels, value))) for value in (1, 0))
    y = g.GroupNormalization(
        x, scale if scale is not None else ones, bias if bias is not None else zeros, num_groups=groups,
        epsilon=layer.real("epsilon", 1e-5),
    )  # fmt: skip
    return {"Y": back(g, layer, y, last)}


@reads("lrn")
def lrn(g: GraphBuilder, layer: Layer) -> Value:
    """Fluid's alpha is not divided by the number of neighbours; ONNX's is."""
    x = layer.x()
    layer.rank(x, 4)
    last, size = is_last(layer), layer.integer("n", 5)
    if not 1 <= size <= 2**20 or size % 2 == 0:
        raise layer.malformed(f"it has {size} neighbours")
    y = g.LRN(first(g, layer, x, last), size=size, alpha=layer.real("alpha", 1e-4) * size,
              beta=layer.real("beta", 0.75), bias=layer.real("k", 2.0))  # fmt: skip
    return back(g, layer, y, last)


@reads("affine_channel")
def affine_channel(g: GraphBuilder, layer: Layer) -> Value:
    x, rank = layer.x(), layer.rank(layer.x())
    last = is_last(layer, "data_layout")

    def placed(slot: str) -> Value:
        value = layer.x(slot)
        size = times(layer.shape(value))
        return reshaped(g, layer, value, [size] if last else [size, *([1] * (rank - 2))])

    return g.Add(g.Mul(x, placed("Scale")), placed("Bias"))


@reads("norm")
def norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """x / sqrt(sum of squares + epsilon) along an axis."""
    x = layer.x()
    axis = layer.axis(layer.integer("axis", 1), layer.rank(x))
    length = g.Sqrt(g.Add(g.ReduceSumSquare(x, [axis], keepdims=1), layer.number(x, layer.real("epsilon", 1e-10))))
    return {"Out": g.Div(x, length), "Norm": length}


@reads("l1_norm", "squared_l2_norm")
def whole_norm(g: GraphBuilder, layer: Layer) -> Value:
    return g.op("ReduceL1" if layer.op.type == "l1_norm" else "ReduceSumSquare", layer.x(), keepdims=0)


# --- fused ------------------------------------------------------------------------------------------------------------


@reads("skip_layernorm")
def skip_layernorm(g: GraphBuilder, layer: Layer) -> Value:
    x = g.Add(layer.x("X"), layer.x("Y"))
    begin = layer.integer("begin_norm_axis", 2)
    return normalised(g, layer, x, layer.maybe("Scale"), layer.maybe("Bias"), layer.real("epsilon", 1e-5), begin)


@reads("fused_embedding_eltwise_layernorm")
def fused_embedding_eltwise_layernorm(g: GraphBuilder, layer: Layer) -> Value:
    """The sum of several embeddings, normalised."""
    ids, tables = layer.all("Ids"), layer.all("Embs")
    if len(ids) != len(tables) or not ids:
        raise layer.malformed(f"it has {len(ids)} inputs for {len(tables)} tables")
    total: Value | None = None
    for x, table in zip(ids, tables, strict=True):
        rank = layer.rank(x)
        x = g.Squeeze(x, [rank - 1]) if rank > 2 and layer.shape(x)[-1] == 1 else x
        rows = g.Gather(table, x, axis=0)
        total = rows if total is None else g.Add(total, rows)
    assert total is not None
    epsilon = layer.real("epsilon", 1e-5)
    return normalised(g, layer, total, layer.maybe("Scale"), layer.maybe("Bias"), epsilon, layer.rank(total) - 1)


@reads("fused_fc_elementwise_layernorm")
def fused_fc_elementwise_layernorm(g: GraphBuilder, layer: Layer) -> Value:
    x = flat_product(g, layer, layer.x("X"), layer.x("W"), layer.integer("x_num_col_dims", 1))
    bias = layer.maybe("Bias0")
    if bias is not None:
        x = g.Add(x, bias)
    x = g.Add(activated(g, layer, x, layer.word("activation_type", "")), layer.x("Y"))
    begin = layer.integer("begin_norm_axis", 1)
    return normalised(g, layer, x, layer.maybe("Scale"), layer.maybe("Bias1"), layer.real("epsilon", 1e-5), begin)


@reads("fused_bias_dropout_residual_layer_norm")
def fused_bias_dropout_residual_layer_norm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x, bias = layer.x(), layer.maybe("Bias")
    x = x if bias is None else g.Add(x, bias)
    x = dropped(g, layer, x)
    x = g.Add(x, layer.x("Residual"))
    scale, shift = layer.maybe("LnScale"), layer.maybe("LnBias")
    return {"Y": normalised(g, layer, x, scale, shift, layer.real("ln_epsilon", 1e-5), layer.rank(x) - 1)}


def dropped(g: GraphBuilder, layer: Layer, x: Value, key: str = "dropout_rate") -> Value:
    """Dropout at inference: ``downgrade_in_infer``, fluid's default, weakens the values then."""
    if layer.word("dropout_implementation", "downgrade_in_infer") == "upscale_in_train":
        return x
    return g.Mul(x, layer.number(x, 1 - layer.real(key, 0.5)))


@reads("dropout")
def dropout(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    tensor = layer.maybe("P")
    array = g.const(tensor)
    if tensor is not None and layer.word("dropout_implementation", "downgrade_in_infer") != "upscale_in_train":
        if array is None:
            return {"Out": g.Mul(x, g.Sub(layer.number(x, 1), cast(g, tensor, layer.element(x))))}
        return {"Out": g.Mul(x, layer.number(x, 1 - layer.single(array)))}
    y = dropped(g, layer, x, "dropout_prob")
    return {"Out": g.Identity(x) if y is x else y}


@reads("fused_dropout_add")
def fused_dropout_add(g: GraphBuilder, layer: Layer) -> Value:
    return g.Add(dropped(g, layer, layer.x("X"), "dropout_prob"), layer.x("Y"))


@reads("clip_by_norm")
def clip_by_norm(g: GraphBuilder, layer: Layer) -> Value:
    """The whole tensor made shorter where its norm is beyond ``max_norm``."""
    x, most = layer.x(), layer.real("max_norm")
    norm = g.Sqrt(g.ReduceSum(g.Mul(x, x), keepdims=0))
    return g.Mul(x, g.Div(layer.number(x, most), g.Max(norm, layer.number(x, most))))
