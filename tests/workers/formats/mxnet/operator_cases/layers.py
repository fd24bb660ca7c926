"""Layers with parameters, pooling, sequences, recurrent layers."""
# Data for Python 3.8, one case a line as far as it fits.
# ruff: noqa
# fmt: off

import mxnet as mx

from operator_cases import case, distinct, normal, positive, steps, unit, v, values, whole

S = mx.sym


def convolutions():

    def conv(op, x, **kw):
        return lambda: getattr(S, op)(v("x"), name="y", **kw)
    image = normal("N", 4, 9, 11)
    case("Convolution", conv("Convolution", 4, kernel=(3, 3), num_filter=6), x=image)
    case("Convolution-all", conv("Convolution", 4, kernel=(3, 2), num_filter=6, stride=(2, 1), pad=(1, 2), dilate=(2,
        1), num_group=2, no_bias=True), x=image)
    case("Convolution-1d", conv("Convolution", 3, kernel=(3,), num_filter=5, pad=(1,), stride=(2,)), x=normal("N", 4,
        11))
    case("Convolution-3d", conv("Convolution", 5, kernel=(2, 3, 1), num_filter=3, pad=(1, 0, 1)), x=normal("N", 2, 4,
        5, 3))
    case("Convolution_v1", conv("Convolution_v1", 4, kernel=(3, 3), num_filter=6, pad=(1, 1)), x=image)
    case("Deconvolution", conv("Deconvolution", 4, kernel=(3, 3), num_filter=6), x=image)
    case("Deconvolution-all", conv("Deconvolution", 4, kernel=(4, 3), num_filter=6, stride=(3, 2), pad=(1, 1), adj=(2,
        1), num_group=2, no_bias=False), x=image)
    case("Deconvolution-adj", conv("Deconvolution", 4, kernel=(3, 3), num_filter=2, stride=(2, 2), adj=(1, 1)),
        x=image)
    case("Deconvolution-dilate", conv("Deconvolution", 4, kernel=(3, 3), num_filter=2, dilate=(2, 2), pad=(1, 1)),
        x=image)
    case("Deconvolution-target", conv("Deconvolution", 4, kernel=(4, 4), num_filter=3, stride=(2, 2),
        target_shape=(17, 22)), x=image)
    case("Deconvolution-1d", conv("Deconvolution", 3, kernel=(3,), num_filter=5, stride=(2,)), x=normal("N", 4, 7))
    case("DeformableConvolution", lambda: S.contrib.DeformableConvolution(v("x"), v("o"), name="y", kernel=(3, 3),
        num_filter=6, pad=(1, 1), num_deformable_group=2), x=normal(2, 4, 6, 7), o=normal(2, 36, 6, 7))
    case("ModulatedDeformableConvolution", lambda: S.contrib.ModulatedDeformableConvolution(v("x"), v("o"), v("m"),
        name="y", kernel=(3, 3), num_filter=6, pad=(1, 1), stride=(2, 2), num_deformable_group=1), x=normal(2, 4, 6,
        8), o=normal(2, 18, 3, 4), m=unit(2, 9, 3, 4))
    for multiply in (True, False):
        case("Correlation-%s" % multiply, lambda multiply=multiply: S.Correlation(v("a"), v("b"), name="y",
            kernel_size=1, max_displacement=2, stride1=1, stride2=1, pad_size=2, is_multiply=multiply), a=normal("N",
            3, 6, 7), b=normal("N", 3, 6, 7))
    case("Correlation-kernel", lambda: S.Correlation(v("a"), v("b"), name="y", kernel_size=3, max_displacement=4,
        stride1=2, stride2=2, pad_size=5), a=normal("N", 3, 9, 8), b=normal("N", 3, 9, 8))
    case("im2col", lambda: S.im2col(v("x"), kernel=(2, 3), stride=(2, 1), pad=(1, 1), name="y"), x=normal("N", 3, 5,
        6))
    case("col2im", lambda: S.col2im(v("x"), output_size=(5, 6), kernel=(2, 3), pad=(1, 1), name="y"), x=normal(2, 18,
        36))


def poolings():

    def pool(op="Pooling", **kw):
        return lambda: getattr(S, op)(v("x"), name="y", **kw)
    image = normal("N", 3, 9, 11)
    for kind in ("max", "avg", "sum"):
        for convention in ("valid", "full"):
            for index, kw in enumerate((dict(kernel=(3, 3), stride=(2, 2)), dict(kernel=(2, 2), stride=(3, 3)),
                dict(kernel=(3, 4), stride=(2, 3), pad=(1, 2)), dict(kernel=(3, 3)), dict(kernel=(3, 2), stride=(4,
                4)))):
                case("Pooling-%s-%s-%d" % (kind, convention, index), pool(pool_type=kind,
                    pooling_convention=convention, **kw), x=image)
    for convention in ("valid", "full"):
        for index, kw in enumerate((dict(kernel=(3, 3), stride=(2, 2), pad=(1, 1)), dict(kernel=(3, 2), stride=(4,
            4)))):
            case("Pooling-avg-exclude-%s-%d" % (convention, index), pool(pool_type="avg",
                pooling_convention=convention, count_include_pad=False, **kw), x=image)
    case("Pooling-lp", pool(pool_type="lp", p_value=2, kernel=(3, 3), stride=(2, 2), pad=(1, 1)), x=image)
    case("Pooling-lp1", pool(pool_type="lp", p_value=1, kernel=(2, 2), stride=(2, 2)), x=image)
    case("Pooling-global-lp3", pool(pool_type="lp", p_value=3, global_pool=True), x=image)
    case("Pooling-lp3", pool(pool_type="lp", p_value=3, kernel=(2, 2), pooling_convention="full", stride=(2, 2)),
        x=image)
    for kind in ("max", "avg", "sum"):
        case("Pooling-global-" + kind, pool(pool_type=kind, global_pool=True, kernel=(2, 2), pad=(1, 1)), x=image)
    case("Pooling-global-lp", pool(pool_type="lp", p_value=2, global_pool=True), x=image)
    case("Pooling-1d", pool(pool_type="avg", kernel=(3,), stride=(2,), pad=(1,)), x=normal("N", 3, 10))
    case("Pooling-3d", pool(pool_type="max", kernel=(2, 2, 3), stride=(2, 1, 2)), x=normal("N", 3, 4, 5, 6))
    case("Pooling-3d-avg", pool(pool_type="avg", kernel=(2, 2, 3), stride=(2, 2, 2), pooling_convention="full"),
        x=normal("N", 2, 5, 5, 6))
    for kind in ("max", "avg", "sum"):
        for convention in ("valid", "full"):
            case("Pooling_v1-%s-%s" % (kind, convention), pool("Pooling_v1", pool_type=kind, kernel=(3, 3), stride=(2,
                2), pad=(1, 1), pooling_convention=convention), x=lambda r, n: (r.normal(0, 1, (2, 3, 8,
                9)) - 2).astype("f4"))
    for size in (1, 3, (2, 3), (9, 11), (4, 5), ()):
        case("AdaptiveAvgPooling2D-%s" % (size,), lambda size=size: S.contrib.AdaptiveAvgPooling2D(v("x"),
            output_size=size, name="y"), x=image)


def norms():
    case("BatchNorm-default", lambda: S.BatchNorm(v("x"), name="y"), x=normal("N", 3, 4, 5))
    case("BatchNorm-gamma", lambda: S.BatchNorm(v("x"), fix_gamma=False, eps=1e-05, name="y"), x=normal("N", 3, 4, 5))
    case("BatchNorm-last", lambda: S.BatchNorm(v("x"), fix_gamma=False, axis=-1, name="y"), x=normal("N", 3, 4, 5))
    case("BatchNorm-axis2", lambda: S.BatchNorm(v("x"), fix_gamma=False, axis=2, name="y"), x=normal("N", 3, 4, 5))
    case("BatchNorm-2d", lambda: S.BatchNorm(v("x"), fix_gamma=False, name="y"), x=normal("N", 3))
    case("BatchNorm_v1", lambda: S.BatchNorm_v1(v("x"), fix_gamma=False, name="y"), x=normal("N", 3, 4, 5))
    case("SyncBatchNorm", lambda: S.contrib.SyncBatchNorm(v("x"), key="k", fix_gamma=False, name="y"), x=normal("N",
        3, 4, 5))
    for axis in (-1, 1, 2):
        case("LayerNorm%d" % axis, lambda axis=axis: S.LayerNorm(v("x"), axis=axis, eps=0.001, name="y"),
            x=normal("N", 3, 4, 5))
    case("InstanceNorm", lambda: S.InstanceNorm(v("x"), name="y"), x=normal("N", 3, 4, 5))
    case("InstanceNorm-1d", lambda: S.InstanceNorm(v("x"), eps=0.1, name="y"), x=normal("N", 3, 6))
    case("GroupNorm", lambda: S.GroupNorm(v("x"), num_groups=2, name="y"), x=normal("N", 6, 4, 5))
    for mode in ("instance", "channel", "spatial"):
        case("L2Normalization-" + mode, lambda mode=mode: S.L2Normalization(v("x"), mode=mode, eps=0.001, name="y"),
            x=normal("N", 3, 4, 5))
    case("LRN", lambda: S.LRN(v("x"), nsize=3, alpha=0.1, beta=0.5, knorm=1.5, name="y"), x=normal("N", 7, 3, 4))
    case("moments", lambda: S.Group(list(S.moments(v("x"), axes=(0, 2), name="y"))), x=normal("N", 3, 4))
    case("moments-keep", lambda: S.Group(list(S.moments(v("x"), axes=(1,), keepdims=True, name="y"))), x=normal("N",
        3, 4))
    case("moments-all", lambda: S.Group(list(S.moments(v("x"), axes=(0, 1, 2), name="y"))), x=normal("N", 3, 4))


def linear():
    case("FullyConnected", lambda: S.FullyConnected(v("x"), num_hidden=5, name="y"), x=normal("N", 3, 4))
    case("FullyConnected-last", lambda: S.FullyConnected(v("x"), num_hidden=5, flatten=False, name="y"), x=normal("N",
        3, 4))
    case("FullyConnected-nobias", lambda: S.FullyConnected(v("x"), num_hidden=5, no_bias=True, name="y"),
        x=normal("N", 6))
    case("FullyConnected-shared", lambda: S.FullyConnected(S.FullyConnected(v("x"), weight=v("w"), num_hidden=4,
        no_bias=True), weight=v("w"), num_hidden=4, no_bias=True, name="y"), x=normal("N", 4))
    case("Embedding", lambda: S.Embedding(v("x"), input_dim=6, output_dim=3, name="y"), x=values([0.0, 1.9, 5.0],
        [-3.0, 6.0, 99.0]))
    case("dot", lambda: S.dot(v("a"), v("b"), name="y"), a=normal("N", 3), b=normal(3, 4))
    case("dot-3d", lambda: S.dot(v("a"), v("b"), name="y"), a=normal("N", 5, 3), b=normal(3, 4, 2))
    case("dot-1d", lambda: S.dot(v("a"), v("b"), name="y"), a=normal(4), b=normal(4))
    case("dot-ta", lambda: S.dot(v("a"), v("b"), transpose_a=True, name="y"), a=normal(3, 2), b=normal(3, 4))
    case("dot-tb", lambda: S.dot(v("a"), v("b"), transpose_b=True, name="y"), a=normal("N", 3), b=normal(4, 3))
    case("dot-3d-ta", lambda: S.dot(v("a"), v("b"), transpose_a=True, name="y"), a=normal(3, 2, 5), b=normal(3, 4))
    case("dot-3d-tb", lambda: S.dot(v("a"), v("b"), transpose_b=True, name="y"), a=normal(2, 3), b=normal(4, 5, 3))
    for ta in (False, True):
        for tb in (False, True):
            a, b = ((3, 5) if ta else (5, 3), (4, 3) if tb else (3, 4))
            case("batch_dot-%d%d" % (ta, tb), lambda ta=ta, tb=tb: S.batch_dot(v("a"), v("b"), transpose_a=ta,
                transpose_b=tb, name="y"), a=normal("N", *a), b=normal("N", *b))
    case("gemm", lambda: S.linalg.gemm(v("a"), v("b"), v("c"), alpha=2.0, beta=0.5, transpose_b=True, name="y"),
        a=normal("N", 3, 4), b=normal("N", 5, 4), c=normal("N", 3, 5))
    case("gemm2", lambda: S.linalg.gemm2(v("a"), v("b"), alpha=2.0, transpose_a=True, name="y"), a=normal("N", 4, 3),
        b=normal("N", 4, 5))
    case("syrk", lambda: S.linalg.syrk(v("a"), alpha=2.0, name="y"), a=normal("N", 4, 3))
    case("syrk-t", lambda: S.linalg.syrk(v("a"), transpose=True, name="y"), a=normal("N", 4, 3))
    case("trmm", lambda: S.linalg.trmm(v("a"), v("b"), alpha=2.0, name="y"), a=normal("N", 3, 3), b=normal("N", 3, 4))
    case("trmm-all", lambda: S.linalg.trmm(v("a"), v("b"), transpose=True, rightside=True, lower=False, name="y"),
        a=normal("N", 3, 3), b=normal("N", 4, 3))
    case("det", lambda: S.linalg.det(v("a"), name="y"), a=normal("N", 3, 3))
    case("det-2d", lambda: S.linalg.det(v("a"), name="y"), a=normal(3, 3))
    case("slogdet", lambda: S.Group(list(S.linalg.slogdet(v("a"), name="y"))), a=normal("N", 3, 3))
    case("khatri_rao", lambda: S.khatri_rao(v("a"), v("b"), name="y"), a=normal(2, 3), b=normal(4, 3))
    case("div_sqrt_dim", lambda: S.contrib.div_sqrt_dim(v("x"), name="y"), x=normal("N", 3, 5))
    for offset in (0, 1, -1):
        case("extractdiag%d" % offset, lambda offset=offset: S.linalg.extractdiag(v("a"), offset=offset, name="y"),
            a=normal("N", 4, 4))
        case("makediag%d" % offset, lambda offset=offset: S.linalg.makediag(v("a"), offset=offset, name="y"),
            a=normal("N", 3))
        case("extracttrian%d" % offset, lambda offset=offset: S.linalg.extracttrian(v("a"), offset=offset, name="y"),
            a=normal("N", 4, 4))
        case("maketrian%d" % offset, lambda offset=offset: S.linalg.maketrian(v("a"), offset=offset, name="y"),
            a=normal("N", 6))
    case("extracttrian-upper", lambda: S.linalg.extracttrian(v("a"), lower=False, name="y"), a=normal("N", 4, 4))
    case("sumlogdiag", lambda: S.linalg.sumlogdiag(v("a"), name="y"), a=positive("N", 3, 3))


def sequences():
    for axis in (0, 1):
        for use in (False, True):
            lengths = {"n": values(1.0, 3.0, 2.0)} if use else {}
            x = normal(4, 3, 2) if axis == 0 else normal(3, 4, 2)
            inputs = ["n"] if use else []
            for op in ("SequenceMask", "SequenceLast"):
                case("%s-%d%d" % (op, axis, use), lambda op=op, axis=axis, use=use, inputs=inputs: getattr(S,
                    op)(v("x"), *map(v, inputs), use_sequence_length=use, axis=axis, name="y"), x=x, **lengths)
    case("SequenceReverse", lambda: S.SequenceReverse(v("x"), name="y"), x=normal(4, "N", 2))
    case("SequenceReverse-length", lambda: S.SequenceReverse(v("x"), v("n"), use_sequence_length=True, name="y"),
        x=normal(4, 3, 2), n=values(1.0, 3.0, 4.0))
    case("SequenceMask-value", lambda: S.SequenceMask(v("x"), v("n"), use_sequence_length=True, value=-9, name="y"),
        x=normal(4, "N"), n=whole(1, 4, "N"))
    case("selfatt", lambda: S.contrib.interleaved_matmul_selfatt_valatt(v("x"),
        S.softmax(S.contrib.interleaved_matmul_selfatt_qk(v("x"), heads=3)), heads=3, name="y"), x=normal(5, "N", 18))
    case("encdec", lambda: S.contrib.interleaved_matmul_encdec_valatt(v("k"),
        S.softmax(S.contrib.interleaved_matmul_encdec_qk(v("q"), v("k"), heads=3)), heads=3, name="y"), q=normal(4,
        "N", 6), k=normal(5, "N", 12))


def recurrent():
    for mode in ("rnn_relu", "rnn_tanh", "lstm", "gru"):
        for layers, both in ((1, False), (2, True)):
            for full in (False, True):

                def build(mode=mode, layers=layers, both=both, full=full):
                    y = S.RNN(v("x"), v("y_parameters"), v("h"), *([v("c")] if mode == "lstm" else []), state_size=4,
                        num_layers=layers, bidirectional=both, mode=mode, state_outputs=full, name="y")
                    return S.Group(list(y)) if full else y
                rows = layers * (2 if both else 1)
                states = {"h": normal(rows, "N", 4)}
                if mode == "lstm":
                    states["c"] = normal(rows, "N", 4)
                case("RNN-%s-%d%d%d" % (mode, layers, both, full), build, x=normal(5, "N", 3), **states)

    def unrolled(cell, **kw):

        def build():
            outputs, _ = cell.unroll(3, inputs=v("x"), layout="NTC", merge_outputs=True)
            return S.identity(outputs, name="y")
        return build
    import mxnet.rnn as rnn
    case("unrolled-lstm", unrolled(rnn.LSTMCell(4, prefix="l_")), x=normal("N", 3, 5))
    case("unrolled-gru", unrolled(rnn.GRUCell(4, prefix="g_")), x=normal("N", 3, 5))
    case("unrolled-rnn", unrolled(rnn.RNNCell(4, prefix="r_")), x=normal("N", 3, 5))
