"""What Keras 1 leaves out of its files, or means otherwise. Imported by record_layers.py."""

from record_layers import L, case, simple


@case("order_of_axes", (3, 6, 5))
def order_of_axes(x):
    """Padding, cropping and upsampling do not say where the channels are."""
    y = L.Cropping2D(((1, 0), (0, 1)), dim_ordering="th")(L.ZeroPadding2D((1, 2), dim_ordering="th")(x))
    y = L.UpSampling2D((2, 1), dim_ordering="th")(y)
    return L.GlobalAveragePooling2D(dim_ordering="th")(y)


simple("batch_norm_of_batch", (6,), lambda: L.BatchNormalization(mode=2, epsilon=1e-4))
simple("local2d_first", (2, 5, 4), lambda: L.LocallyConnected2D(3, 2, 2, dim_ordering="th"))
