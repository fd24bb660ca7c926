"""Fourier transforms, graphs, label sequences, loops over arrays, and sizes that are known in part."""

import numpy as np
import paddle
import paddle.nn.functional as F

from . import Drawn, case, normal, steps, whole


def signals():
    x = normal("N", 20)
    case("frame", lambda x: [paddle.signal.frame(x, 8, 3), paddle.signal.frame(x[0], 8, 4, axis=0)], x=x)
    case("overlap-add", lambda x: paddle.signal.overlap_add(x, 3), x=normal("N", 8, 4))
    case("overlap-add-front", lambda x: paddle.signal.overlap_add(x, 2, axis=0), x=normal(5, 6, 2))
    case("rfft", lambda x: paddle.as_real(paddle.fft.rfft(x, norm="ortho")), x=x)
    case("irfft", lambda x: paddle.fft.irfft(paddle.as_complex(x), 9), x=normal("N", 5, 2))
    case("hfft", lambda x: paddle.fft.hfft(paddle.as_complex(x), norm="forward"), x=normal("N", 5, 2))
    case("ihfft", lambda x: paddle.as_real(paddle.fft.ihfft(x)), x=x)
    case("rfft2", lambda x: paddle.as_real(paddle.fft.rfft2(x)), x=normal("N", 6, 8))
    case("irfft2", lambda x: paddle.fft.irfft2(paddle.as_complex(x), norm="ortho"), x=normal("N", 4, 5, 2))

    def windowed(x, w):
        from paddle.base.layer_helper import LayerHelper

        helper = LayerHelper("stft")
        z = helper.create_variable_for_type_inference("complex64")
        attributes = {"n_fft": 8, "hop_length": 4, "normalized": True, "onesided": True}
        helper.append_op(type="stft", inputs={"X": x, "Window": w}, attrs=attributes, outputs={"Out": z})
        return paddle.as_real(z)

    case("stft", windowed, "old", x=x, w=normal(8))

    def spectrum(x):
        z = paddle.fft.fft(x.astype("complex64"), norm="forward")
        back = paddle.fft.ifft(z * 2 + 1)
        parts = [paddle.real(back), paddle.imag(z), paddle.angle(z), paddle.abs(paddle.conj(z))]
        return [*parts, paddle.as_real((z * z - z) / (z + 3))]

    case("complex-arithmetic", spectrum, x=normal("N", 6))

    def moved(x, w):
        z = paddle.complex(x, x * 0.5)
        z = paddle.concat([z.transpose([0, 2, 1]), paddle.reshape(z, [0, 4, 3])], axis=1)
        y = paddle.matmul(z, paddle.complex(w, -w))
        return [paddle.real(y), paddle.imag(y[:, 1:3].sum(1))]

    case("complex-moved", moved, "new", x=normal("N", 3, 4), w=normal(3, 2))
    case("angle-real", lambda x: paddle.angle(x), x=steps("N", 5))


def graphs():
    x = normal(5, 3)
    ids = whole(0, 5, "N")
    ends = {"i": ids, "j": ids}
    for word in ("sum", "mean", "max", "min"):
        case("send-recv-" + word, lambda x, i, j, w=word: paddle.geometric.send_u_recv(x, i, j, w), x=x, **ends)
        case("segment-" + word, lambda x, w=word: getattr(paddle.geometric, "segment_" + w)(x, marks()), x=normal(5, 3))
    case("send-recv-size", lambda x, i, j: paddle.geometric.send_u_recv(x, i, j, "sum", out_size=7), x=x, **ends)

    def with_edges(x, y, i, j):
        g = paddle.geometric
        return [g.send_ue_recv(x, y, i, j, "mul", "max"), g.send_uv(x, x * 2, i, j, "add")]

    case("send-edges", with_edges, x=x, y=normal("N", 1), **ends)
    case("mode", lambda x: list(paddle.mode(x, 1)), x=steps("N", 9))
    case("mode-keep", lambda x: list(paddle.mode(x, 0, True)), x=steps(9, 4))


def marks():
    return paddle.assign(np.asarray([0, 0, 2, 2, 3]))


def labels():
    for word, tags in (("tags", True), ("plain", False)):
        case(
            "viterbi-" + word,
            lambda x, w, t=tags: list(
                paddle.text.viterbi_decode(x, w, paddle.assign(np.asarray([4, 2, 3])), include_bos_eos_tag=t)
            ),
            x=normal(3, 5, 4),
            w=normal(4, 4),
        )


def loops():
    def steps_of(x):
        return paddle.nn.RNN(paddle.nn.SimpleRNNCell(3, 2))(x)[0]

    case("rnn-of-cells", steps_of, x=normal("N", "N", 3))

    def grown(x):
        i, n = paddle.full([1], 0, "int64"), paddle.full([1], 3, "int64")
        rows = paddle.tensor.create_array("float32")
        go = paddle.less_than(i, n)
        w = paddle.static.nn.control_flow.While(go)
        with w.block():
            paddle.tensor.array_write(x * i.astype("float32"), i, rows)
            paddle.increment(i, 1)
            paddle.assign(paddle.less_than(i, n), go)
        return paddle.tensor.array_read(rows, n - 1)

    case("while-grows", grown, x=normal("N", 3))

    def guess(x):
        return paddle.static.nn.cond(x.sum() > 0, lambda: paddle.shape(x)[0] * 1, lambda: paddle.shape(x)[0] + 0)

    case("flatten-unknown", lambda x: paddle.flatten(x.tile([guess(x), 1, 1])[:, :, :2], 1, 2), x=normal("N", 3, 4))
    case(
        "affine-grid-free",
        lambda x: F.affine_grid(x, paddle.stack([*paddle.shape(x)[:2], guess(x), guess(x)])),
        "new",
        x=normal("N", 2, 3),
    )
    case("tile-batch", lambda x: paddle.assign(np.ones([1, 4], "f4")).tile([paddle.shape(x)[0], 1]).sum(1) + x.sum(1),
         x=normal("N", 3))  # fmt: skip

    def bounded(x):
        right = ((4 - paddle.shape(x)[-1:] % 4) % 4).astype("int32")
        none = paddle.zeros([1], "int32")
        return F.pad(x, paddle.concat([none, right, none, right]))

    case("pad-computed", bounded, x=normal("N", 2, "N", "N"))

    def first_rows(x):
        y = paddle.static.setitem(paddle.assign(x), (0, slice(1, 3)), x[1, :2] * 2)
        return paddle.static.setitem(y, -1, 5.0)

    case("set-rows", first_rows, x=normal("N", 4))

    def chosen(x):
        place = paddle.argmax(x.sum(0)).reshape([])
        return paddle.static.setitem(paddle.assign(x), (slice(None), slice(place, place + 1)), 7.0)

    case("set-computed", chosen, x=normal("N", 4))


def counts():
    x = whole(0, 6, "N")
    case("bincount", lambda x: paddle.bincount(x, minlength=4), x=x)
    case("bincount-weights", lambda x, w: paddle.bincount(x, w), x=x, w=normal("N"))
    case("histogram", lambda x: paddle.histogram(x, 5, -2, 2), x=normal("N", 9))
    case("unique-consecutive", lambda x: list(paddle.unique_consecutive(x, True, True)), x=whole(0, 2, "N", 7))
    ids, parents = whole(0, 9, 5, "N", 3), whole(0, 3, 5, "N", 3)
    case("gather-tree", lambda x, p: F.gather_tree(x, p), x=ids, p=parents)


def proposals():
    def best(scores, deltas, size):
        anchors = paddle.assign(np.cumsum(np.random.RandomState(0).uniform(0, 20, (4, 5, 3, 4)), -1).astype("f4"))
        variances = paddle.ones_like(anchors) * 0.5
        return list(
            paddle.vision.ops.generate_proposals(
                scores, deltas, size, anchors, variances, 30, 9, 0.6, 4.0, return_rois_num=True
            )
        )

    case("proposals-batch", best, scores=normal("N", 3, 4, 5), deltas=normal("N", 12, 4, 5), size=extent())


def extent():
    return whole(40, 60, "N", 2, dtype="f4")


def widths():
    def double(x):
        w = paddle.assign(np.random.RandomState(0).normal(0, 1, (3, 2, 3, 3))).astype("float64")
        y = F.conv2d(x.astype("float64"), w, padding=1)
        return F.gelu(F.avg_pool2d(F.leaky_relu(y, 0.1), 2)) + F.interpolate(F.elu(y), scale_factor=0.5)

    def short(x):
        y = paddle.matmul(x.astype("bfloat16"), paddle.assign(np.eye(4, dtype="f4") * 0.5).astype("bfloat16"))
        return F.relu(y + 1).astype("float32")

    def twice(x):
        return paddle.static.nn.cond(x.sum() > 0, lambda: F.gelu(x.astype("float64")), lambda: x.astype("float64"))

    case("double", double, x=normal("N", 2, 4, 6))
    case("double-branch", twice, x=normal("N", 3))
    case("bfloat16", short, "new", x=Drawn(("N", 4), lambda r, s: r.randint(-8, 9, s).astype("f4")))
