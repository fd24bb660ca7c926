"""Layers of Keras 1.2, each in a small model. Imported by record_layers.py. Keeps to Python 3.6."""

from keras.layers import advanced_activations as A
from keras.layers import convolutional_recurrent as R
from record_layers import L, case, keras, simple

MAP, ROW, SEQ = (7, 6, 4), (6,), (5, 4)

simple("convolution1d", (9, 4), lambda: L.Convolution1D(4, 3, border_mode="same", subsample_length=2))
simple("atrous1d", (9, 4), lambda: L.AtrousConvolution1D(4, 3, atrous_rate=2))
simple("convolution2d", MAP, lambda: L.Convolution2D(4, 3, 2, border_mode="same", subsample=(2, 1), activation="relu"))
simple("convolution2d_th", (4, 7, 6), lambda: L.Convolution2D(3, 3, 2, dim_ordering="th", bias=False))
simple("atrous2d", MAP, lambda: L.AtrousConvolution2D(4, 3, 3, atrous_rate=(2, 2)))
simple("convolution3d", (5, 6, 4, 3), lambda: L.Convolution3D(4, 2, 3, 2))
case("deconvolution2d", (4, 5, 3))(lambda x: L.Deconvolution2D(
    4, 3, 3, output_shape=(None, 8, 10, 4), subsample=(2, 2), border_mode="same")(x))  # fmt: skip
simple("separable2d", MAP, lambda: L.SeparableConvolution2D(5, 3, 3, depth_multiplier=2, border_mode="same"))
simple("local1d", (9, 4), lambda: L.LocallyConnected1D(3, 3))
simple("local2d", MAP, lambda: L.LocallyConnected2D(3, 3, 2))
simple("max_pooling1d", (9, 4), lambda: L.MaxPooling1D(2, stride=2))
simple("average_pooling2d", MAP, lambda: L.AveragePooling2D((3, 2), border_mode="same"))
simple("global_max", MAP, lambda: L.GlobalMaxPooling2D())
simple("zero_padding2d", MAP, lambda: L.ZeroPadding2D((1, 0, 2, 1)))
simple("cropping2d", MAP, lambda: L.Cropping2D(((1, 0), (2, 1))))
simple("up_sampling1d", SEQ, lambda: L.UpSampling1D(3))
simple("up_sampling2d", MAP, lambda: L.UpSampling2D((2, 3)))
simple("batch_norm", MAP, lambda: L.BatchNormalization())
simple("batch_norm_mode1", ROW, lambda: L.BatchNormalization(mode=1))
simple("maxout", ROW, lambda: L.MaxoutDense(3, nb_feature=4))
simple("highway", ROW, lambda: L.Highway(activation="tanh"))
simple("embedding", (5,), lambda: L.Embedding(7, 3), dtypes=["int32"])
simple("s_re_lu", ROW, lambda: A.SReLU())
simple("parametric_softplus", ROW, lambda: A.ParametricSoftplus())
simple("p_re_lu", MAP, lambda: A.PReLU(shared_axes=[1, 2]))
simple("thresholded_re_lu", ROW, lambda: A.ThresholdedReLU(0.4))
simple("repeat_vector", ROW, lambda: L.RepeatVector(3))
simple("permute", MAP, lambda: L.Permute((3, 1, 2)))
simple("reshape", MAP, lambda: L.Reshape((21, 8)))
for mode in ("sum", "mul", "concat", "ave", "max", "dot", "cos"):
    case("merge_" + mode, ROW, ROW)(lambda x, y, m=mode: L.merge([x, y], mode=m))
case("merge_dot_axes", (5, 4), (6, 4))(lambda x, y: L.merge([x, y], mode="dot", dot_axes=2))
for kind in ("LSTM", "GRU", "SimpleRNN"):
    low = kind.lower()
    for less in ("cpu", "gpu"):
        simple(
            "%s_%s" % (low, less), SEQ, lambda k=kind, c=less: getattr(L, k)(3, return_sequences=True, consume_less=c)
        )
    simple(low + "_back", SEQ, lambda k=kind: getattr(L, k)(3, go_backwards=True))
    simple(
        "bi" + low, SEQ, lambda k=kind: L.Bidirectional(getattr(L, k)(3, return_sequences=True), merge_mode="concat")
    )
    case(low + "_masked", SEQ, masked=True)(lambda x, k=kind: getattr(L, k)(3)(L.Masking()(x)))
simple("conv_lstm2d", (3, 7, 6, 2), lambda: R.ConvLSTM2D(3, 3, 3, border_mode="same", dim_ordering="tf"))
simple("time_distributed", SEQ, lambda: L.TimeDistributed(L.Dense(3)))


@case("nested", MAP, MAP)
def nested(x, y):
    inner = keras.models.Sequential()
    inner.add(L.Convolution2D(3, 2, 2, input_shape=MAP))
    inner.add(L.BatchNormalization())
    inner.add(L.Flatten())
    inner.add(L.Dense(3))
    return [inner(x), inner(y)]
