"""VGG-16 with random weights as Keras 2's whole-model ``.h5`` of about 530 MB, channels last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.networks import VGG_16, Array, Network, Weights

DENSE = (("fc1", 25088, 4096), ("fc2", 4096, 4096), ("predictions", 4096, 1000))
Layer = tuple[str, dict[str, Any], tuple[Array, ...]]


def generate(folder: Path) -> Network:
    """Write the file into ``folder`` unless it is there."""
    path = folder / "vgg16.h5"
    if not path.exists():
        with h5py.File(path, "w") as file:
            _save(file)
    return Network("VGG-16", (path,))


def _save(file: h5py.File) -> None:
    group, configs, names = file.create_group("model_weights"), [], []
    for kind, config, arrays in _layers(Weights()):
        configs.append({"class_name": kind, "config": {"trainable": True, **config}})
        names.append(config["name"].encode())
        layer = group.create_group(config["name"])
        stored = [f"{config['name']}/{part}:0".encode() for part, _ in zip(("kernel", "bias"), arrays, strict=False)]
        layer.attrs["weight_names"] = np.array(stored, "S64") if stored else np.zeros(0)
        for name, array in zip(stored, arrays, strict=True):
            layer.create_dataset(name.decode(), data=array)
    group.attrs["layer_names"] = np.array(names, "S64")
    for owner in (group, file):
        owner.attrs["backend"], owner.attrs["keras_version"] = b"tensorflow", b"2.2.4"
    model = {"class_name": "Sequential", "config": {"name": "vgg16", "layers": configs}}
    file.attrs["model_config"] = json.dumps(model).encode()


def _layers(weights: Weights) -> Iterator[Layer]:
    channels, first = 3, {"batch_input_shape": [None, 224, 224, 3], "dtype": "float32"}
    for block, (width, depth) in enumerate(VGG_16, 1):
        for index in range(1, depth + 1):
            config = {
                "name": f"block{block}_conv{index}", "filters": width, "kernel_size": [3, 3], "strides": [1, 1],
                "padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1], "activation": "relu",
                "use_bias": True, **(first if channels == 3 else {}),
            }  # fmt: skip
            kernel = weights.kernel(width, channels, 3, 3).transpose(2, 3, 1, 0)
            yield "Conv2D", config, (kernel, weights.small(width))
            channels = width
        pool = {"name": f"block{block}_pool", "pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
        yield "MaxPooling2D", {**pool, "data_format": "channels_last"}, ()
    yield "Flatten", {"name": "flatten", "data_format": "channels_last"}, ()
    for name, inputs, units in DENSE:
        activation = "softmax" if units == 1000 else "relu"
        config = {"name": name, "units": units, "activation": activation, "use_bias": True}
        yield "Dense", config, (weights.kernel(units, inputs).T, weights.small(units))
