"""Keras 1's layers in Keras 2's words: class names, keys, and tuples where there were single numbers."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

# Names that are the same layer in every release.
ALIASES = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D", "AtrousConv1D": "Conv1D", "AtrousConv2D": "Conv2D",
    "AtrousConvolution3D": "Conv3D", "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose", "Deconv2D": "Conv2DTranspose", "Deconv3D": "Conv3DTranspose",
    "Convolution1DTranspose": "Conv1DTranspose", "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose", "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D", "MaxPool1D": "MaxPooling1D", "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D", "AvgPool1D": "AveragePooling1D", "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D", "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D", "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D", "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D", "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization", "SyncBatchNormalization": "BatchNormalization",
    "DenseV2": "Dense", "TimeDistributedDense": "Dense", "LSTMV1": "LSTM", "LSTMV2": "LSTM", "GRUV1": "GRU",
    "GRUV2": "GRU", "GroupedQueryAttention": "GroupQueryAttention",
}  # fmt: skip

# Keras 1 key -> Keras 2 key, where nothing but the name changed.
_KEYS = {
    "nb_filter": "filters", "border_mode": "padding", "bias": "use_bias", "inner_activation": "recurrent_activation",
    "sigma": "stddev", "p": "rate", "pool_length": "pool_size", "filter_length": "kernel_size",
    "subsample": "strides", "subsample_length": "strides", "stride": "strides", "atrous_rate": "dilation_rate",
    "length": "size",
}  # fmt: skip
_ORDER = {"th": "channels_first", "tf": "channels_last"}
_UNITS = ("Dense", "LSTM", "GRU", "SimpleRNN", "MaxoutDense")
_MERGES = {"sum": "Add", "mul": "Multiply", "concat": "Concatenate", "ave": "Average", "max": "Maximum"}


def upgrade(kind: str, config: Config, generation: int) -> tuple[str, Config]:
    """Today's name of a layer and its configuration in the words of Keras 2."""
    kind = ALIASES.get(kind, kind)
    if generation > 1:
        return kind, config
    config = _renamed(config)
    if kind in _UNITS and "output_dim" in config:
        config["units"] = config.pop("output_dim")
    kernel = [config[key] for key in ("nb_row", "nb_col") if key in config]
    kernel = kernel or [config[f"kernel_dim{axis}"] for axis in (1, 2, 3) if f"kernel_dim{axis}" in config]
    if kernel:
        config["kernel_size"] = kernel
    if kind == "Merge":
        return _merge(config)
    if kind == "ZeroPadding2D":
        config["padding"] = _sides(config.get("padding"))
    return kind, config


def _renamed(config: Config) -> Config:
    found = {_KEYS.get(key, key): value for key, value in config.items()}
    if "dim_ordering" in found:
        found["data_format"] = _ORDER.get(str(found["dim_ordering"]), found["dim_ordering"])
    return found


def _merge(config: Config) -> tuple[str, Config]:
    """The mode chooses the layer; dot products and branches of its own stay a Merge."""
    mode = config.get("mode")
    config = {**config, "axis": config.get("concat_axis", -1)}
    if isinstance(mode, str) and mode in _MERGES and not config.get("layers"):
        return _MERGES[mode], config
    return "Merge", config


def _sides(padding: Any) -> Any:
    """Keras 1 pads by a pair, by four numbers or by names of sides."""
    if isinstance(padding, dict):
        top, bottom, left, right = (padding.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right"))
        return [[top, bottom], [left, right]]
    if isinstance(padding, list) and len(padding) == 4:
        return [padding[:2], padding[2:]]
    return padding
