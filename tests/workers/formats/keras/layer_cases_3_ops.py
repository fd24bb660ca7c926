"""The operations of keras.ops, many in a model. Imported by record_layers.py inside Keras 3's own environment."""

import numpy as np
from keras import layers as L
from keras import ops
from record_layers import case

SEQ, MAP, SMALL = (4, 6), (6, 4, 3), {"suffix": ".h5"}
INTS = ["int32", "int32"]


def drawn(*shape):
    return np.random.RandomState(sum(shape)).uniform(0.5, 1.0, shape).astype("float32")


@case("elements", SEQ, SEQ, **SMALL)
def elements(x, y):
    names = "fabs trunc sinc conj real signbit isneginf isposinf isreal i0 angle".split()
    pairs = "hypot fmax fmin fmod logaddexp2 arctan2".split()
    return [getattr(ops, name)(x) for name in names] + [getattr(ops, name)(x, y) for name in pairs] + [
        ops.round(x, 1), ops.isclose(x, ops.round(x * 10) / 10, rtol=0.05, atol=0.01), ops.nan_to_num(ops.log(x)),
        ops.nan_to_num(ops.log(ops.relu(x)), nan=1.0, neginf=-7.0), ops.select([x < -1, x > 1], [x * 2, x * 3], default=0.5),
        ops.threshold(x, 0.5, -3.0), ops.erfinv(x / 3), ops.glu(x), ops.sparsemax(x), ops.sparsemax(x, axis=1),
        ops.log_softmax(x, axis=1), ops.clip(x, -1, 0.5), ops.allclose(x, x), ops.heaviside(x, y),
    ]  # fmt: skip


@case("integers", (5,), (5,), dtypes=INTS, high=4, **SMALL)
def integers(x, y):
    names = "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split()
    return [getattr(ops, name)(x * 3, y) for name in names] + [
        ops.bitwise_not(x), ops.count_nonzero(x, axis=1), ops.bincount(x, minlength=9), ops.multi_hot(x, 8), ops.ldexp(ops.cast(x, "float32"), y),
        ops.size(x), (x - 3) % (y + 1), (x - 3) // (y + 1), x / (y + 1), ops.sum(x > 1, axis=1), ops.one_hot(x, 5, axis=1),
    ]  # fmt: skip


@case("statistics", SEQ, **SMALL)
def statistics(x):
    weights = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    lost = ops.log(x + 1.2)
    nan = [
        getattr(ops, name)(lost, axis=1)
        for name in "nanmax nanmin nanmean nansum nanprod nanstd nanvar nancumsum nancumprod nanargmax nanargmin".split()
    ]
    return nan + [
        ops.average(x, axis=1), ops.average(x, axis=1, weights=weights), ops.ptp(x, axis=1), *ops.moments(x, axes=[0, 1]),
        *ops.moments(x, axes=[1], keepdims=True), ops.median(x, axis=1), ops.median(x, axis=-1, keepdims=True), ops.median(x),
        ops.quantile(x, 0.3, axis=1), ops.quantile(x, np.array([0.1, 0.5], "float32"), axis=-1, keepdims=True),
        ops.percentile(x, 30.0, axis=1), ops.digitize(x, np.array([-1.0, 0, 1], "float32")),
        ops.searchsorted(np.array([-1.0, 0, 1], "float32"), ops.ravel(x), side="right"), ops.cumprod(x, axis=1), ops.cumsum(x), ops.diff(x, n=2, axis=1),
        ops.trapezoid(x, dx=0.5), ops.max(x, axis=1, initial=0.0), ops.norm(x, ord=np.inf, axis=-1), ops.norm(x, ord=3, axis=-1, keepdims=True),
        ops.norm(x, ord=1, axis=(1, 2)), ops.norm(x, ord=-np.inf, axis=(1, 2)), ops.norm(x, ord=0, axis=-1), ops.normalize(x, axis=-1, order=3),
    ]  # fmt: skip


@case("arrangement", SEQ, SEQ, **SMALL)
def arrangement(x, y):
    return [
        ops.rot90(x, axes=(1, 2)), ops.rot90(x, k=3, axes=(1, 2)), ops.append(x, y, axis=1), ops.append(x, y), *ops.array_split(x, 4, axis=2),
        ops.hstack([x, y]), ops.vstack([x, y]), ops.dstack([x, y]), *ops.hsplit(x, 2), *ops.dsplit(x, 2), ops.diagonal(x, offset=1, axis1=1, axis2=2),
        ops.trace(x, offset=-1, axis1=1, axis2=2), ops.linspace(x, y, num=5, axis=1), ops.linspace(x, y, num=3, endpoint=False), ops.logspace(x, y, num=3),
        ops.outer(x[:, 0], y[:, 1]), ops.inner(x, np.arange(6).astype("float32")), ops.vdot(x, y), ops.cross(x[:, :, :3], y[:, :, :3]), ops.cdist(x, y),
        ops.repeat(x, [1, 0, 2, 1], axis=1), ops.roll(x, 2), ops.roll(x, (1, -2), axis=(1, 2)), ops.pad(x, [[0, 0], [1, 1], [2, 0]], mode="symmetric"),
        ops.take_along_axis(x, np.array([[[1], [0]]]), axis=1), ops.dot(x, np.ones((2, 6, 3), "float32")), ops.diag(x[0, 0]), *ops.meshgrid(x[0, 0], x[0, 1]),
        ops.det(x[:, :3, :3]), *ops.slogdet(x[:, :3, :3]), ops.vander(x[0, 0], 4), ops.scatter_update(x[0], np.array([[0, 1], [0, 2]]), np.array([9.0, 8.0], "float32")),
        ops.slice_update(x[0], (0, 1), np.ones((1, 2), "float32")), ops.segment_sum(x[0], np.array([0, 0, 1, 2]), num_segments=3), *ops.nonzero(x[0] > 0),
    ]  # fmt: skip


@case("images", MAP, unit=True, **SMALL)
def images(x):
    image = ops.image
    return [
        image.rgb_to_grayscale(x), image.rgb_to_hsv(x), image.hsv_to_rgb(x), image.extract_patches(x, 2), image.extract_patches(x, (3, 3), strides=(2, 2), padding="same"),
        image.pad_images(x, 1, 2, target_height=8, target_width=7), image.crop_images(x, 1, 2, target_height=3, target_width=2), image.gaussian_blur(x, (3, 3), (1.0, 1.5)),
        image.sobel_edges(x), image.resize(x, (4, 5), antialias=True), image.resize(x, (8, 5), interpolation="lanczos3"), image.resize(x, (4, 5), crop_to_aspect_ratio=True),
        image.resize(x, (5, 6), pad_to_aspect_ratio=True), L.CenterCrop(8, 3)(x), L.Resizing(5, 4, interpolation="lanczos5", antialias=True)(x),
        L.Resizing(4, 4, crop_to_aspect_ratio=True)(x), L.Resizing(4, 5, pad_to_aspect_ratio=True, fill_value=3.0)(x),
    ]  # fmt: skip


@case("functions", MAP, **SMALL)
def functions(x):
    kernel = drawn(3, 3, 3, 2) - 0.7
    return [
        ops.conv(x, kernel, strides=2, padding="same"), ops.conv(x[:, 0], kernel[0], padding="same"), ops.depthwise_conv(x, kernel, padding="same"),
        ops.separable_conv(x, kernel, drawn(1, 1, 6, 5), padding="same"), ops.max_pool(x, 3, strides=2, padding="same"), ops.average_pool(x, 3, strides=2, padding="same"),
        ops.adaptive_average_pool(x, (2, 3)), ops.batch_normalization(x, drawn(3), drawn(3), axis=-1, offset=drawn(3), scale=drawn(3)), ops.rms_normalization(x, scale=drawn(3)),
        ops.layer_normalization(x, gamma=drawn(3), beta=drawn(3)), ops.dot_product_attention(x, x * 2, x + 1, is_causal=True), ops.dot_product_attention(x, x, x, scale=0.3),
        ops.binary_crossentropy(ops.sigmoid(x), ops.sigmoid(-x)), ops.categorical_crossentropy(ops.softmax(x), ops.softmax(-x)), ops.psnr(x, x + 1, 2.0),
    ]  # fmt: skip


@case("signals", (2, 18), (2, 18), **SMALL)
def signals(x, y):
    return [
        *ops.fft((x, y)), *ops.fft2((x, y)), *ops.ifft2((x, y)), *ops.rfft(x, fft_length=16), ops.irfft(ops.rfft(x)), *ops.stft(x, 8, 4, 16),
        *ops.stft(x, 8, 3, 8, window="hamming", center=False), ops.istft(ops.stft(x, 8, 4, 16), 8, 4, 16), ops.extract_sequences(x, 7, 3),
        L.MelSpectrogram(fft_length=16, sequence_stride=8, num_mel_bins=5, sampling_rate=8000, min_freq=200.0)(x[:, 0]),
        L.MelSpectrogram(fft_length=16, sequence_length=12, sequence_stride=8, num_mel_bins=4, power_to_db=False, mag_exp=1.0)(x[:, 0]),
    ]  # fmt: skip
