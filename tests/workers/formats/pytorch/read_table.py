"""One line an operator: a name, the body of ``forward`` and its inputs. Recorded in PyTorch by record_operators.py.

Inputs are written ``x:2,3,4`` (float32, standard normal), ``i:2,3:int64<5`` (whole numbers below 5), ``m:2,3:bool``,
``p:2,3:positive``. The first axis is the batch.
"""

from __future__ import annotations

X = "x:2,3,4"
XY = "x:2,3,4 y:2,3,4"
P = "p:2,3,4:positive"
IMAGE = "x:2,4,7,6"

UNARY = (
    "abs neg sqrt exp sin cos tan asin acos atan sinh cosh asinh atanh erf erfc reciprocal floor ceil round trunc frac "
    "sign sigmoid tanh relu log2 log10 log1p expm1 exp2 rsqrt square deg2rad rad2deg isnan isinf isfinite logical_not "
    "signbit sinc logit nan_to_num positive"
).split()

TABLE: dict[str, tuple[str, str]] = {
    **{name: (f"torch.{name}({'p' if name in ('logit', 'log2', 'log10', 'sqrt', 'rsqrt') else 'x'})",
              P if name in ("logit", "log2", "log10", "sqrt", "rsqrt") else X) for name in UNARY},
    **{f"F_{name}": (f"F.{name}(x)", X) for name in (
        "relu6 elu selu celu gelu silu mish hardsigmoid hardswish softplus softsign logsigmoid hardshrink softshrink "
        "tanhshrink leaky_relu hardtanh").split()},
    "gelu_tanh": ("F.gelu(x, approximate='tanh')", X), "elu_alpha": ("F.elu(x, alpha=0.7)", X),
    "softplus_beta": ("F.softplus(x, 2.0, 3.0)", X), "threshold": ("F.threshold(x, 0.1, -2.0)", X),
    "glu": ("F.glu(x, 2)", X), "prelu": ("F.prelu(x, torch.tensor([0.1, 0.2, 0.3]))", X), "rrelu": ("F.rrelu(x)", X),
    "softmax": ("F.softmax(x, 1)", X), "softmin": ("F.softmin(x, 1)", X), "log_softmax": ("F.log_softmax(x, -1)", X),
    "normalize": ("F.normalize(x, dim=1)", X), "acosh": ("torch.acosh(x.abs() + 1)", X),
    # arithmetic
    "add_alpha": ("torch.add(x, y, alpha=3)", XY), "sub_alpha": ("torch.sub(x, y, alpha=2)", XY), "rsub": ("1.5 - x", X),
    "mul_number": ("x * 2", X), "div": ("x / y", XY), "div_floor": ("torch.div(x, y, rounding_mode='floor')", XY),
    "div_trunc": ("torch.div(x, y, rounding_mode='trunc')", XY), "pow": ("p ** 1.7", P), "pow_2": ("x ** 2", X),
    "pow_tensor": ("p ** y", "p:2,3,4:positive y:2,3,4"), "pow_base": ("2.0 ** x", X), "remainder": ("x % 0.7", X),
    "fmod": ("torch.fmod(x, 0.7)", X), "floor_divide": ("x // 0.3", X), "int_floor": ("i // 2", "i:2,5:int64<9"),
    "int_floor_negative": ("(i - 5) // 3", "i:2,5:int64<9"), "int_remainder": ("(i - 5) % 3", "i:2,5:int64<9"),
    "int_div": ("i / 2", "i:2,5:int64<9"), "int_float": ("i * 1.5", "i:2,5:int64<9"),
    "bool_sum": ("(x > 0).sum(1)", X), "bool_add": ("(x > 0) + (y > 0)", XY), "bool_mul": ("(x > 0) * y", XY),
    "maximum": ("torch.maximum(x, y)", XY), "minimum": ("torch.minimum(x, y)", XY), "clamp": ("x.clamp(-0.5, 0.6)", X),
    "clamp_min": ("x.clamp(min=0.1)", X), "clamp_tensor": ("torch.clamp(x, y, y + 1)", XY),
    "addcmul": ("torch.addcmul(x, x, y, value=0.5)", XY), "addcdiv": ("torch.addcdiv(x, x, y.abs() + 1, value=0.5)", XY),
    "lerp": ("torch.lerp(x, y, 0.3)", XY), "lerp_tensor": ("torch.lerp(x, y, y.sigmoid())", XY),
    "atan2": ("torch.atan2(x, y)", XY), "hypot": ("torch.hypot(x, y)", XY), "logaddexp": ("torch.logaddexp(x, y)", XY),
    "xlogy": ("torch.xlogy(x, y.abs())", XY), "heaviside": ("torch.heaviside(x, y)", XY),
    "comparisons": ("(x > y, x >= y, x < y, x <= y, x == y, x != y)", XY), "compare_number": ("(x > 0.1, x == 0)", X),
    "logic": ("((x > 0) & (y > 0), (x > 0) | (y > 0), (x > 0) ^ (y > 0), ~(x > 0))", XY),
    "bits": ("(i & 3, i | 4, i ^ 5, ~i, i << 2, i >> 1)", "i:2,5:int64<9"), "isclose": ("torch.isclose(x, y, 0.5, 0.5)", XY),
    "where": ("torch.where(x > 0, x, y)", XY), "where_number": ("torch.where(x > 0, x, 0.5)", X),
    "masked_fill": ("x.masked_fill(x > 0.2, -1.0)", X), "masked_fill_inf": ("x.masked_fill(m, float('-inf')).softmax(-1)",
                                                                           "x:2,3,4 m:2,1,4:bool"),
    "cast": ("(x.long(), x.half().float(), x.double(), x.int(), (x > 0).float())", X),
    "promote": ("(i + x[..., :5], i.float() + 1, i + 1.5)", "i:2,1:int64<9 x:2,6"), "type_as": ("i.type_as(x) + x", "i:2,4:int64<9 x:2,4"),
    # reductions
    "sum_all": ("x.sum()", X), "sum_dim": ("x.sum((1, 2))", X), "sum_keep": ("x.sum(-1, keepdim=True)", X),
    "mean": ("(x.mean(), x.mean(1), x.mean((1, 2), keepdim=True))", X), "prod": ("(x.prod(1), x.prod())", X),
    "amax": ("(x.amax(1), x.amin((1, 2)), x.amax(-1, keepdim=True))", X), "max_dim": ("x.max(1)", X),
    "min_dim": ("torch.min(x, 2, True)", X), "max_all": ("(x.max(), x.min())", X), "max_two": ("torch.max(x, y)", XY),
    "argmax": ("(x.argmax(1), x.argmin(2, True), x[0].argmax())", X), "all_any": ("((x > 0).all(1), (x > 0).any(), (x > -9).all())", X),
    "logsumexp": ("torch.logsumexp(x, (1, 2))", X), "var": ("(x.var(1), x.std(2, unbiased=False), x.var(), x.std((1, 2), keepdim=True))", X),
    "var_mean": ("torch.var_mean(x, 1)", X), "std_mean": ("torch.std_mean(x, 2, keepdim=True)", X),
    "norm": ("(x.norm(), x.norm(dim=1), x.norm(1, 2), x.norm(3, dim=1))", X), "vector_norm": ("torch.linalg.vector_norm(x, 2, dim=(1, 2))", X),
    "norm_inf": ("torch.linalg.vector_norm(x, float('inf'), dim=1)", X), "cumsum": ("(x.cumsum(1), i.cumsum(1))", "x:2,3,4 i:2,5:int64<9"),
    "cumprod": ("x.cumprod(1)", X), "count_nonzero": ("torch.count_nonzero(x > 0, 1)", X), "diff": ("torch.diff(x, dim=1)", X),
    "median": ("(x.median(1), x[0].median())", X), "logcumsumexp": ("x.logcumsumexp(1)", X), "aminmax": ("torch.aminmax(x, dim=1)", X),
    "mse": ("F.mse_loss(x, y)", XY), "smooth_l1": ("F.smooth_l1_loss(x, y, reduction='none')", XY), "l1": ("F.l1_loss(x, y, reduction='sum')", XY),
    # shapes
    "view": ("x.view(x.size(0), -1)", X), "view_merge": ("x.view(-1, 4)", X), "reshape": ("x.reshape(x.shape[0], 2, 6)", X),
    "reshape_three": ("x.reshape(x.shape[0], 3, 2, 2).permute(0, 2, 1, 3).reshape(x.shape[0], 2, 6)", X),
    "flatten": ("(x.flatten(1), x.flatten())", X), "unflatten": ("x.unflatten(2, (2, 2))", X), "squeeze": ("x[:, :1].squeeze(1)", X),
    "unsqueeze": ("(x.unsqueeze(0), x.unsqueeze(-1))", X), "transpose": ("(x.transpose(1, 2), x.permute(2, 0, 1), x.mT)", X),
    "movedim": ("x.movedim(0, 2)", X), "expand": ("x[:, :1].expand(-1, 5, -1)", X), "expand_as": ("x[:, :1].expand_as(y)", XY),
    "repeat": ("(x.repeat(1, 2, 3), x.repeat(2, 1, 1, 1), x.tile(2))", X), "repeat_interleave": ("x.repeat_interleave(3, 1)", X),
    "cat": ("torch.cat([x, y, x], 1)", XY), "stack": ("(torch.stack([x, y], 1), torch.stack([x, y], -1))", XY),
    "stacks": ("(torch.hstack([x, y]), torch.vstack([x, y]), torch.dstack([x, y]))", XY),
    "split": ("x.split(2, 2)", X), "split_uneven": ("x.split([1, 3], 2)", X), "chunk": ("x.chunk(2, 2)", X), "chunk_3": ("x.chunk(3, 2)", X),
    "unbind": ("x.unbind(1)", X), "slices": ("(x[:, 1:], x[..., ::2], x[:, :-1], x[:, -2:], x[:, 1], x[..., -1])", X),
    "narrow": ("x.narrow(1, 1, 2)", X), "flip": ("x.flip(1, 2)", X), "roll": ("(x.roll(1, 2), x.roll((1, -1), (1, 2)))", X),
    "tril": ("(x.tril(), x.triu(1), x.tril(-1))", X), "diagonal": ("(x.diagonal(0, 1, 2), x[0].diag())", X),
    "unfold_tensor": ("x.unfold(2, 2, 1)", X), "meshgrid": ("torch.meshgrid(x[0, 0], x[0, 1], indexing='xy')", X),
    "rot90": ("x.rot90(1, (1, 2))", X), "tensor_split": ("x.tensor_split(3, 2)", X), "size_arithmetic": ("x * x.size(0) + x.numel()", X),
    "movedim_list": ("x.movedim((0, 1), (1, 0))", X), "swapaxes": ("x.swapaxes(0, 1)", X), "broadcast_to": ("x[:, :1].broadcast_to(y.shape)", XY),
    # creation
    "zeros": ("torch.zeros(x.shape[0], 3) + x[..., 0]", X), "ones_like": ("torch.ones_like(x) + x", X), "full": ("torch.full((2, 3), 1.5) + x[0, 0, 0]", X),
    "arange": ("(torch.arange(4) + x, torch.arange(1, 9, 2) * x, torch.arange(x.size(1)))", X), "new_zeros": ("x.new_zeros(x.size(0), 4) + x[:, 0]", X),
    "linspace": ("torch.linspace(0, 1, 4) * x", X), "eye": ("torch.eye(4) @ x.transpose(1, 2)", X), "one_hot": ("F.one_hot(i, 9)", "i:2,5:int64<9"),
    "full_like": ("torch.full_like(x, 3) * x", X), "window": ("torch.hann_window(4) * x", X), "scalar_tensor": ("x + torch.tensor(2.5)", X),
    # indexing
    "embedding": ("F.embedding(i, w)", "i:2,5:int64<9 w:9,4"), "gather": ("x.gather(2, i)", "x:2,3,4 i:2,3,2:int64<4"),
    "index_select": ("x.index_select(1, torch.tensor([0, 2]))", X), "index": ("(x[:, [0, 2]], x[:, [0, 2], [1, 1]])", X),
    "index_tensor": ("x[:, i]", "x:2,3,4 i:2:int64<3"), "index_apart": ("x[[0, 1], :, [1, 2]]", X), "index_mask": ("x[x[:, 0, 0] > -9]", X),
    "take": ("torch.take(x, torch.tensor([0, 5]))", X), "take_along": ("torch.take_along_dim(x, i, 2)", "x:2,3,4 i:2,3,2:int64<4"),
    "scatter": ("x.scatter(2, i, 1.5)", "x:2,3,4 i:2,3,1:int64<4"), "scatter_add": ("x.scatter_add(2, i, y)", "x:2,3,4 i:2,3,4:int64<4 y:2,3,4"),
    "index_add": ("x.index_add(1, torch.tensor([0, 0, 2]), y)", XY), "index_copy": ("x.index_copy(1, torch.tensor([2, 0]), y[:, :2])", XY),
    "index_fill": ("x.index_fill(1, torch.tensor([1]), 7.0)", X), "nonzero": ("(x > 0).nonzero()", X), "masked_select": ("x.masked_select(x > 0)", X),
    "topk": ("x.topk(2, 2)", X), "topk_smallest": ("x.topk(2, 1, largest=False)", X), "sort": ("(x.sort(1), x.sort(2, descending=True))", X),
    "argsort": ("x.argsort(1)", X), "kthvalue": ("x.kthvalue(2, 1)", X), "bucketize": ("torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0]))", X),
    "searchsorted": ("torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), x, right=True)", X), "isin": ("torch.isin(i, torch.tensor([1, 4]))", "i:2,5:int64<9"),
    "embedding_negative": ("x[:, i - 1]", "x:2,5 i:3:int64<5"), "unique": ("torch.unique(i)", "i:2,5:int64<4"),
    # in place
    "inplace": ("x.add_(1).mul_(y).relu_() + x", XY), "inplace_view": ("(x[:, 0].add_(5), x)", X), "setitem": ("(x.__setitem__((slice(None), 1), 3.0), x)[1:]", X),
    "index_put": ("x.index_put((torch.tensor([0, 1]), torch.tensor([1, 2])), torch.tensor(9.0))", X), "fill": ("(x[..., 1:].fill_(2), x)", X),
    "copy": ("(x[:, :, ::2].copy_(y[:, :, ::2]), x)", XY), "mask_put": ("(x.masked_fill_(x > 0, 4.0), x)", X), "zero": ("(x[:, 1:2].zero_(), x)", X),
    "slice_scatter": ("torch.slice_scatter(x, y[:, :1], 1, 0, 1)", XY), "select_scatter": ("torch.select_scatter(x, y[:, 0], 1, 2)", XY),
    # products
    "matmul": ("x @ y.transpose(1, 2)", XY), "bmm": ("torch.bmm(x, y.mT)", XY), "mm": ("x[0] @ w", "x:2,3,4 w:4,5"), "linear": ("F.linear(x, w, b)", "x:2,3,4 w:5,4 b:5"),
    "linear_2d": ("F.linear(x, w, b)", "x:2,4 w:5,4 b:5"), "addmm": ("torch.addmm(b, x, w, beta=0.5, alpha=2)", "x:2,4 w:4,5 b:5"), "baddbmm": ("torch.baddbmm(x, x, w)", "x:2,4,4 w:2,4,4"),
    "einsum": ("torch.einsum('bij,bkj->bik', x, y)", XY), "outer": ("torch.outer(x[0, 0], y[0, 0])", XY), "mv": ("x @ w", "x:2,3,4 w:4"), "dot": ("torch.dot(x[0, 0], y[0, 0])", XY),
    "bilinear": ("F.bilinear(x, y, w, b)", "x:2,3 y:2,4 w:5,3,4 b:5"), "cosine": ("F.cosine_similarity(x, y, dim=2)", XY), "pairwise": ("F.pairwise_distance(x[:, 0], y[:, 0])", XY),
    "cdist": ("(torch.cdist(x, y), torch.cdist(x, y, p=1.0))", XY), "sdpa": ("F.scaled_dot_product_attention(x, y, y)", XY),
    "sdpa_causal": ("F.scaled_dot_product_attention(x, y, y, is_causal=True)", XY), "sdpa_mask": ("F.scaled_dot_product_attention(x, y, y, attn_mask=m)", "x:2,3,4 y:2,3,4 m:2,3,3:bool"),
    # layers over images
    "conv1d": ("F.conv1d(x, w, b, stride=2, padding=1)", "x:2,3,8 w:5,3,3 b:5"), "conv2d": ("F.conv2d(x, w, b, 2, 1, 2)", "x:2,4,9,8 w:5,4,3,3 b:5"),
    "conv_groups": ("F.conv2d(x, w, None, 1, (1, 0), 1, 2)", "x:2,4,7,6 w:6,2,3,2"), "conv_same": ("F.conv2d(x, w, padding='same', dilation=2)", "x:2,4,7,6 w:5,4,3,2"),
    "conv3d": ("F.conv3d(x, w, None, (1, 2, 1), 1)", "x:2,2,5,6,4 w:3,2,3,3,3"), "conv_transpose1d": ("F.conv_transpose1d(x, w, b, 2, 1)", "x:2,3,6 w:3,4,3 b:4"),
    "conv_transpose2d": ("F.conv_transpose2d(x, w, b, (2, 3), 1, (1, 0), 2)", "x:2,4,5,4 w:4,3,3,3 b:6"), "conv_unbatched": ("F.conv2d(x[0], w)", "x:2,4,7,6 w:5,4,3,3"),
    "max_pool": ("F.max_pool2d(x, 3, 2, 1)", IMAGE), "max_pool_ceil": ("F.max_pool2d(x, 2, 2, ceil_mode=True)", IMAGE), "max_pool_indices": ("F.max_pool2d(x, 2, 2, return_indices=True)", IMAGE),
    "max_pool_dilated": ("F.max_pool2d(x, (2, 3), 1, (1, 0), 2)", "x:2,4,8,8"), "max_pool1d": ("F.max_pool1d(x, 2, 1, 1)", X), "max_unpool": ("F.max_unpool2d(x, i, 2)", "x:2,1,2,2 i:2,1,2,2:int64<16"),
    "avg_pool": ("F.avg_pool2d(x, 3, 2, 1)", IMAGE), "avg_pool_exclude": ("F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)", IMAGE),
    "avg_pool_ceil": ("F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)", "x:2,4,8,6"), "avg_pool_ceil_exclude": ("F.avg_pool2d(x, 3, 2, 1, True, False)", "x:2,4,8,6"),
    "avg_pool_divisor": ("F.avg_pool2d(x, 2, divisor_override=3)", IMAGE), "avg_pool1d": ("F.avg_pool1d(x, 2, 1)", X), "avg_pool3d": ("F.avg_pool3d(x, 2)", "x:2,2,4,4,4"),
    "adaptive_avg": ("(F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (7, 3)), F.adaptive_avg_pool2d(x, (3, 4)))", IMAGE),
    "adaptive_max": ("(F.adaptive_max_pool2d(x, 1), F.adaptive_max_pool2d(x, (3, 4)))", IMAGE), "adaptive_avg1d": ("F.adaptive_avg_pool1d(x, 3)", X), "lp_pool": ("F.lp_pool2d(p, 2.0, 2)", "p:2,4,6,6:positive"),
    "batch_norm": ("F.batch_norm(x, b, p, w, v)", "x:2,4,7,6 b:4 p:4:positive w:4 v:4"), "instance_norm": ("F.instance_norm(x, weight=w, bias=b)", "x:2,4,7,6 w:4 b:4"),
    "layer_norm": ("F.layer_norm(x, (3, 4), w)", "x:2,3,4 w:3,4"), "layer_norm_plain": ("F.layer_norm(x, (4,))", X), "group_norm": ("F.group_norm(x, 2, w, b)", "x:2,4,7,6 w:4 b:4"),
    "rms_norm": ("F.rms_norm(x, (4,), w)", "x:2,3,4 w:4"), "local_response": ("F.local_response_norm(x, 3)", IMAGE), "pixel_shuffle": ("F.pixel_shuffle(x, 2)", IMAGE),
    "pixel_unshuffle": ("F.pixel_unshuffle(x, 2)", "x:2,3,4,6"), "channel_shuffle": ("F.channel_shuffle(x, 2)", IMAGE),
    "pad": ("(F.pad(x, (1, 2)), F.pad(x, (1, 0, 2, 1), value=0.5), F.pad(x, (-1, 1)))", IMAGE), "pad_reflect": ("F.pad(x, (1, 2, 2, 1), mode='reflect')", IMAGE),
    "pad_replicate": ("F.pad(x, (1, 2, 2, 1), mode='replicate')", IMAGE), "pad_circular": ("F.pad(x, (1, 2, 2, 1), mode='circular')", IMAGE),
    "unfold": ("F.unfold(x, (2, 3), padding=1, stride=2)", IMAGE), "fold": ("F.fold(x, (4, 4), 2, stride=2)", "x:2,8,4"),
    **{f"interpolate_{mode}{tag}": (f"F.interpolate(x, {size}, mode='{mode}'{corner})", IMAGE)
       for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
       for tag, size in (("_size", "size=(9, 4)"), ("_scale", "scale_factor=(1.5, 2.0)"))
       for corner in (["", ", align_corners=True"] if False else [""])},
    "interpolate_corners": ("F.interpolate(x, size=(9, 4), mode='bilinear', align_corners=True)", IMAGE), "interpolate_linear": ("F.interpolate(x, size=9, mode='linear')", X),
    "interpolate_trilinear": ("F.interpolate(x, scale_factor=2, mode='trilinear')", "x:2,2,3,4,3"), "interpolate_antialias": ("F.interpolate(x, size=(4, 3), mode='bilinear', antialias=True)", IMAGE),
    "grid_sample": ("F.grid_sample(x, y.tanh(), align_corners=False)", "x:2,4,7,6 y:2,3,5,2"), "grid_sample_border": ("F.grid_sample(x, y, 'nearest', 'border', True)", "x:2,4,7,6 y:2,3,5,2"),
    "affine_grid": ("F.affine_grid(y, [2, 4, 3, 5], align_corners=False)", "y:2,2,3"), "dropout": ("F.dropout(x, 0.5, self.training)", X),
}  # fmt: skip
