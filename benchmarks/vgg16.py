"""VGG-16 with random weights as a real ``deploy.prototxt`` + ``.caffemodel`` of about 550 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workers.formats.caffe.file import LAYER, NET, Message, blob, print_prototxt, write_caffemodel

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
DENSE = (("fc6", 25088, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000))


def generate(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write both files into ``folder`` unless they are there; (prototxt, caffemodel)."""
    prototxt, caffemodel = folder / "vgg16_deploy.prototxt", folder / "vgg16.caffemodel"
    if not caffemodel.exists():
        layers = list(_layers(np.random.default_rng(seed)))
        write_caffemodel(NET(name="VGG_ILSVRC_16_layers", layer=layers), caffemodel)
        for layer in layers:
            del layer.blobs
        prototxt.write_text(print_prototxt(NET(name="VGG_ILSVRC_16_layers", layer=layers)))
    return prototxt, caffemodel


def _layers(random: np.random.Generator) -> Any:
    yield LAYER(name="data", type="Input", top=["data"], input_param={"shape": [{"dim": [1, 3, 224, 224]}]})
    below, channels = "data", 3
    for block, (width, depth) in enumerate(BLOCKS, 1):
        for index in range(1, depth + 1):
            name = f"conv{block}_{index}"
            yield _weighted(name, "Convolution", below, random, (width, channels, 3, 3),
                            convolution_param={"num_output": width, "kernel_size": [3], "pad": [1]})  # fmt: skip
            yield LAYER(name=f"relu{block}_{index}", type="ReLU", bottom=[name], top=[name])
            below, channels = name, width
        pooled = {"pool": "MAX", "kernel_size": 2, "stride": 2}
        yield LAYER(name=f"pool{block}", type="Pooling", bottom=[below], top=[f"pool{block}"], pooling_param=pooled)
        below = f"pool{block}"
    for name, inputs, outputs in DENSE:
        yield _weighted(
            name, "InnerProduct", below, random, (outputs, inputs), inner_product_param={"num_output": outputs}
        )
        if name != "fc8":
            yield LAYER(name=name.replace("fc", "relu"), type="ReLU", bottom=[name], top=[name])
        below = name
    yield LAYER(name="prob", type="Softmax", bottom=["fc8"], top=["prob"])


def _weighted(
    name: str, type: str, below: str, random: np.random.Generator, shape: tuple[int, ...], **parameters: Any
) -> Message:
    scale = np.float32((2.0 / np.prod(shape[1:])) ** 0.5)
    weight = random.standard_normal(shape, np.float32) * scale
    bias = random.standard_normal(shape[0], np.float32) * np.float32(0.01)
    return LAYER(name=name, type=type, bottom=[below], top=[name], blobs=[blob(weight), blob(bias)], **parameters)
