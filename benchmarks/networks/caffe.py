"""VGG-16 with random weights as a real ``deploy.prototxt`` + ``.caffemodel`` of about 550 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.networks import VGG_16, Network, Weights
from workers.formats.caffe.file import LAYER, NET, Message, blob, print_prototxt, write_caffemodel

DENSE = (("fc6", 25088, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000))


def generate(folder: Path) -> Network:
    """Write both files into ``folder`` unless they are there."""
    prototxt, caffemodel = folder / "vgg16_deploy.prototxt", folder / "vgg16.caffemodel"
    if not caffemodel.exists():
        layers = list(_layers(Weights()))
        write_caffemodel(NET(name="VGG_ILSVRC_16_layers", layer=layers), caffemodel)
        for layer in layers:
            del layer.blobs
        prototxt.write_text(print_prototxt(NET(name="VGG_ILSVRC_16_layers", layer=layers)))
    return Network("VGG-16", (prototxt, caffemodel))


def _layers(weights: Weights) -> Any:
    yield LAYER(name="data", type="Input", top=["data"], input_param={"shape": [{"dim": [1, 3, 224, 224]}]})
    below, channels = "data", 3
    for block, (width, depth) in enumerate(VGG_16, 1):
        for index in range(1, depth + 1):
            name = f"conv{block}_{index}"
            yield _weighted(name, "Convolution", below, weights, (width, channels, 3, 3),
                            convolution_param={"num_output": width, "kernel_size": [3], "pad": [1]})  # fmt: skip
            yield LAYER(name=f"relu{block}_{index}", type="ReLU", bottom=[name], top=[name])
            below, channels = name, width
        pooled = {"pool": "MAX", "kernel_size": 2, "stride": 2}
        yield LAYER(name=f"pool{block}", type="Pooling", bottom=[below], top=[f"pool{block}"], pooling_param=pooled)
        below = f"pool{block}"
    for name, inputs, outputs in DENSE:
        yield _weighted(
            name, "InnerProduct", below, weights, (outputs, inputs), inner_product_param={"num_output": outputs}
        )
        if name != "fc8":
            yield LAYER(name=name.replace("fc", "relu"), type="ReLU", bottom=[name], top=[name])
        below = name
    yield LAYER(name="prob", type="Softmax", bottom=["fc8"], top=["prob"])


def _weighted(name: str, type: str, below: str, weights: Weights, shape: tuple[int, ...], **parameters: Any) -> Message:
    blobs = [blob(weights.kernel(*shape)), blob(weights.small(shape[0]))]
    return LAYER(name=name, type=type, bottom=[below], top=[name], blobs=blobs, **parameters)
