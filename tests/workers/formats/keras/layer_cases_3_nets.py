"""How nets are put together in Keras 3: shared and nested models, masks, files. Imported by record_layers.py."""

import keras
from keras import layers as L
from keras import ops
from record_layers import case

IDS = {"dtypes": ["int32"], "high": 4}


@case("nested_used_and_given", (6,), (6,))
def nested_used_and_given(x, y):
    """Calls of a nested model count from 0 in arguments, from 1 among outputs; its layer is shared with the outside."""
    shared = L.Dense(6, name="shared")
    a = keras.Input((6,))
    pair = keras.Model(a, [L.Activation("tanh")(shared(a)), L.Dense(6)(a)], name="pair")
    p, q = keras.Input((6,)), keras.Input((6,))
    first, second = pair(p)
    middle = keras.Model([p, q], [first + q, second * q], name="middle")
    u, v = middle([shared(x), y])
    w, _ = middle([v, u])
    return [w, v, shared(w)]


@case("nested_dictionaries", (4,), (4,))
def nested_dictionaries(x, y):
    a, b = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model({"v": b, "u": a}, {"w": a + b, "t": [a * b, a - b]})
    found = inner({"u": x, "v": y})
    return [found["w"], found["t"][1], found["t"][0]]


@case("masks_in_hdf5", (6,), suffix=".h5", **IDS)
def masks_in_hdf5(x):
    """Operations stand in HDF5 files without their module."""
    y = L.Embedding(5, 6, mask_zero=True)(x)
    y = L.SpatialDropout1D(0.1)(y)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(y)
    return L.GlobalAveragePooling1D()(y)


@case("masks_behind_attention", (6,), **IDS)
def masks_behind_attention(x):
    """Attention takes the masks off its inputs for whatever runs after it."""
    y = L.Embedding(5, 4, mask_zero=True)(x)
    z = L.LayerNormalization()(L.Add()([y, L.MultiHeadAttention(2, 2)(y, y)]))
    return [z, L.Attention()([y, y]), L.AdditiveAttention()([z, z])]


@case("attention_by_keyword", (5, 8), (4, 8))
def attention_by_keyword(x, y):
    return L.MultiHeadAttention(2, 4)(query=x, value=y, key=y)


@case("conv_lstm_free_steps", (None, 5, 6, 2))
def conv_lstm_free_steps(x):
    return L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(x)


@case("resize_free_image", (None, None, 3))
def resize_free_image(x):
    return ops.image.resize(L.Conv2D(2, 3, strides=2, padding="same")(x), (7, 4))


@case("int8_attention", (5, 8), keep=True, after=lambda model: model.quantize("int8"))
def int8_attention(x):
    return L.Dense(3)(L.MultiHeadAttention(2, 4)(x, x))


@case("int8_reversible", (5,), keep=True, after=lambda model: model.quantize("int8"), dtypes=["int32"])
def int8_reversible(x):
    table = L.ReversibleEmbedding(9, 8)
    return table(table(x), reverse=True)


@case("double_precision", (6, 6, 2))
def double_precision(x):
    y = L.Conv2D(3, 3, dtype="float64")(x)
    return [L.GlobalAveragePooling2D(dtype="float64")(y), L.LSTM(3, dtype="float64")(y[:, 0]) * 2.0]


@case("lookups", (4,), dtypes=["int64"], high=12, keep=True)
def lookups(x):
    return [L.IntegerLookup(vocabulary=[3, 5, 7, 9], output_mode=mode)(x) for mode in ("int", "multi_hot", "count")]


@case("scaled_sum", (5, 4), (5, 4))
def scaled_sum(x, y):
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    return CustomScaleLayer(0.2)([x, y])
