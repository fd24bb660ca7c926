"""Operators to record: complex numbers, linear algebra, special functions, resampling, speech, sparse rows."""

import numpy as np
import tensorflow as tf
from operator_cases import case, f, ints, pos, unit

R = tf.raw_ops


def complex_numbers():
    x = f(2, 3, 4)
    case("Complex_broadcast", lambda a: tf.abs(tf.complex(a, 2.0)) + tf.math.imag(tf.complex(1.0, a)), a=x)
    case("complex_arithmetic", lambda a, b: [
        part(z) for z in (_z(a, b) * _z(b, a), _z(a, b) / _z(b, a), tf.exp(_z(a, b)), _z(a, b) + 1, tf.square(_z(a, b)),
                          tf.matmul(_z(a, b), _z(b, a), adjoint_b=True)) for part in (tf.math.real, tf.math.imag)
    ], a=x, b=f(2, 3, 4))  # fmt: skip
    case(
        "complex_shapes",
        lambda a: tf.math.imag(
            tf.concat(
                [
                    tf.reshape(_z(a, 2 * a), [-1, 12]),
                    tf.transpose(tf.reshape(_z(a, a), [-1, 12]))[:1, :1] * tf.ones([1, 12], tf.complex64),
                ],
                0,
            )
        ),
        a=f(1, 3, 4),
        free=False,
    )
    case("Angle", lambda a, b: tf.math.angle(tf.complex(a, b)), a=x, b=f(2, 3, 4))
    case("dct", lambda a: [tf.signal.dct(a), tf.signal.idct(a), tf.signal.dct(a, type=1)], a=x)
    case("IRFFT2D", lambda a: tf.signal.irfft2d(tf.signal.rfft2d(a)), a=f(2, 4, 6))
    case("stft_inverse", lambda a: tf.signal.inverse_stft(tf.signal.stft(a, 16, 8, 16), 16, 8), a=f(2, 40))
    case("fftshift", lambda a: tf.math.real(tf.signal.fftshift(tf.signal.fft(tf.cast(a, tf.complex64)))), a=f(2, 5))


def _z(a, b):
    return tf.complex(a, b)


def solving():
    x = f(2, 4, 4)
    case("solving", lambda a: [
        tf.linalg.cholesky(_definite(a)), tf.linalg.inv(a), tf.linalg.solve(a, a[:, :, :2]),
        tf.linalg.solve(a, a[:, :, :1], adjoint=True), tf.linalg.triangular_solve(_definite(a), a),
        tf.linalg.triangular_solve(_definite(a), a, lower=False, adjoint=True), *tf.linalg.slogdet(a),
        tf.linalg.logdet(_definite(a)),
    ], a=x)  # fmt: skip
    case("solve_pivot", lambda a: tf.linalg.solve(a * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], np.float32), a),
         a=pos(2, 3, 3))  # fmt: skip
    case("band_part_dynamic", lambda a: [tf.linalg.band_part(a, -1, tf.shape(a)[0] - 1),
                                         tf.linalg.band_part(a, tf.shape(a)[0] - 1, -1)], a=x)  # fmt: skip


def _definite(a):
    return tf.matmul(a, a, transpose_b=True) + 4 * tf.eye(4)


def special():
    wide = np.concatenate([f(20) * 4, pos(20) * 9]).astype(np.float32)
    case("Lgamma", lambda x: R.Lgamma(x=x), x=wide)
    case("Digamma", lambda x: R.Digamma(x=x), x=wide)
    case("Erfinv", lambda x: R.Erfinv(x=x), x=np.concatenate([unit(20), np.float32([1, -1, 0, 0.9999])]))
    case("Ndtri", lambda x: R.Ndtri(x=x), x=np.abs(unit(20)) + np.float32(1e-4))
    case("Bessel", lambda x: [R.BesselI0e(x=x), R.BesselI1e(x=x)], x=wide)


def resampling():
    x = f(2, 7, 9, 2)
    for kind in ("bilinear", "bicubic", "lanczos3", "lanczos5", "gaussian", "mitchellcubic", "area"):
        case(f"resize_{kind}", lambda x, k=kind: [tf.image.resize(x, [4, 5], k, antialias=True),
                                                  tf.image.resize(x, [11, 13], k)], x=x)  # fmt: skip
    case("resize_nearest_ties", lambda x: [
        tf.image.resize(x, [17, 23], "nearest"), R.ResizeNearestNeighbor(images=x, size=[17, 23], align_corners=True),
        R.ResizeNearestNeighbor(images=x, size=[18, 9]),
    ], x=f(1, 12, 14, 2))  # fmt: skip
    case("resize_free", lambda x: [
        R.ResizeNearestNeighbor(images=x, size=tf.shape(x)[1:3] * 3 // 2, align_corners=True),
        R.ResizeBicubic(images=x, size=tf.shape(x)[1:3] * 3), tf.image.resize(x, tf.shape(x)[1:3] * 3 // 2, "bicubic"),
        R.ResizeNearestNeighbor(images=x, size=tf.shape(x)[1:3] * 2, half_pixel_centers=True),
    ], x=f(1, 5, 6, 2), free="all")  # fmt: skip


def speech():
    case(
        "AudioSpectrogram", lambda x: R.AudioSpectrogram(input=x, window_size=48, stride=20), x=unit(200, 2), free=False
    )
    case("Mfcc", lambda x: R.Mfcc(spectrogram=R.AudioSpectrogram(
        input=x, window_size=480, stride=400, magnitude_squared=True), sample_rate=16000, dct_coefficient_count=13),
        x=unit(1600, 1), free=False)  # fmt: skip
    case("CTCGreedyDecoder", lambda x, n: R.CTCGreedyDecoder(inputs=x, sequence_length=n, merge_repeated=True),
         x=np.round(f(8, 3, 3)), n=np.array([8, 5, 2], np.int32), free=False)  # fmt: skip
    case("CTCGreedyDecoder_all", lambda x, n: R.CTCGreedyDecoder(inputs=x, sequence_length=n), x=f(8, 3, 3),
         n=np.array([8, 5, 2], np.int32), free=False)  # fmt: skip


def rows():
    places = np.array([[0, 1], [0, 2], [2, 0], [2, 3], [5, 1]], np.int64)
    shape = np.array([7, 4], np.int64)
    case("SparseReshape", lambda n: R.SparseReshape(input_indices=places + n, input_shape=shape, new_shape=[2, -1]),
         n=np.zeros((), np.int64), free=False)  # fmt: skip
    case("SparseFillEmptyRows", lambda x: R.SparseFillEmptyRows(
        indices=places, values=x, dense_shape=shape, default_value=-1.0), x=f(5), free=False)  # fmt: skip
    case(
        "sparse_lookup",
        lambda x, w: tf.nn.safe_embedding_lookup_sparse(w, tf.sparse.from_dense(x), combiner="mean"),
        x=ints(4, 5, low=0, high=3, dtype=np.int64),
        w=f(4, 3),
        free=False,
    )
    case(
        "ragged",
        lambda x, n: [
            _ragged(x, n).to_tensor(-1.0),
            _ragged(x, n).to_tensor(0.0, shape=[None, 3]),
            tf.reduce_max(_ragged(x, n), 1),
        ],
        x=f(3, 5),
        n=np.array([2, 5, 1], np.int32),
    )
    case("bounds", lambda x, y: [tf.searchsorted(x, y), tf.searchsorted(x, y, "right")],
         x=np.sort(ints(2, 6), 1), y=ints(2, 4))  # fmt: skip
    case("HistogramFixedWidth", lambda x: tf.histogram_fixed_width(x, [-1.0, 1.5], 5), x=f(20))
    case("Roll_free", lambda x: tf.roll(x, [1, tf.shape(x)[0]], [0, 1]), x=f(3, 4))
    case("one_hot_bool", lambda n: [tf.one_hot(n, 4, True, False), tf.one_hot(n[0], 3)], n=ints(4, low=0, high=4))


def _ragged(x, n):
    return tf.RaggedTensor.from_tensor(x, lengths=n)


def _b(x):
    return tf.cast(x, tf.bfloat16)


def types():
    w = f(4, 3)
    case("bfloat16", lambda x: tf.cast(tf.nn.relu(tf.matmul(_b(x), _b(w)) + _b(w[0])), tf.float32), x=f(3, 4))
    for mode, kind in (("MIN_FIRST", tf.quint8), ("MIN_FIRST", tf.qint8), ("MIN_COMBINED", tf.quint8)):
        case(f"quantize_{mode}_{kind.name}", lambda x, m=mode, k=kind: tf.quantization.dequantize(
            *tf.quantization.quantize(x, -1.31, 2.05, k, mode=m), mode=m), x=f(4, 5))  # fmt: skip
    case("own_range", lambda x: [R.QuantizeAndDequantizeV2(input=x, input_min=0.0, input_max=0.0, range_given=False),
                                 R.QuantizeAndDequantizeV2(input=x, input_min=-1.0, input_max=2.0, range_given=True,
                                                           round_mode="HALF_UP")], x=f(3, 4))  # fmt: skip


def layers():
    x, k = f(2, 12, 3), f(3, 3, 4)
    case("dilated_line", lambda x: tf.nn.relu(tf.nn.bias_add(tf.nn.convolution(
        tf.pad(x, [[0, 0], [4, 0], [0, 0]]), k, padding="VALID", dilations=[2]), f(4))), x=x)  # fmt: skip
    case("dilated_line_free", lambda x: tf.nn.convolution(x, k, padding="SAME", dilations=[3]), x=x, free="all")
    case("atrous_free", lambda x: tf.nn.convolution(x, f(3, 3, 2, 3), padding="SAME", dilations=[2, 3]),
         x=f(1, 7, 8, 2), free="all")  # fmt: skip
    case("maxout", lambda x: tf.nn.max_pool(x, [1, 1, 1, 3], [1, 1, 1, 3], "SAME"), x=f(2, 3, 4, 6))
    case("batch_variance", lambda x: R.FusedBatchNormV3(x=x, scale=pos(3), offset=f(3), mean=[], variance=[],
                                                        is_training=True)[:3], x=f(2, 4, 5, 3))  # fmt: skip
    case("no_dropout", lambda x, rate=0.0: x * tf.cast(R.RandomUniform(shape=tf.shape(x), dtype=tf.float32) >= rate,
                                                       tf.float32), x=f(2, 3))  # fmt: skip
    case("no_dropout_floor", lambda x: x * tf.floor(1.0 + R.RandomUniform(shape=tf.shape(x), dtype=tf.float32)),
         x=f(2, 3))  # fmt: skip
