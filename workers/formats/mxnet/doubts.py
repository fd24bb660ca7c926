"""What MXNet 1.9.1 itself is known to compute wrongly on a CPU, found in the very layers of a model.

The toolchain switches MKL-DNN off, but the fused recurrent layer does not bind without it; with it, convolutional nets
were seen to come out wrong (SSD heads, dilated transposed convolutions). Flipping pictures of odd width in place loses
their middle column.
"""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from workers.formats.mxnet.slots import RECURRENT
from workers.hub.provenance import layer_of, layer_type_of

_CONVOLUTIONS = frozenset({"Convolution", "Deconvolution", "_npx_convolution", "_npx_deconvolution"})
_FLIPS = frozenset({"_image_flip_left_right", "_npx__image_flip_left_right"})


def doubts(files: list[Path], model: ir.Model) -> list[str]:
    """Sentences for a report; none when MXNet's word can be taken."""
    layers = {layer_type_of(node): layer_of(node) for node in model.graph.all_nodes()}
    found = []
    if RECURRENT & layers.keys() and _CONVOLUTIONS & layers.keys():
        found.append(
            "MXNet runs this net with MKL-DNN, as its recurrent layers need it; with MKL-DNN it computes some "
            "convolutions wrongly."
        )
    for kind in sorted(_FLIPS & layers.keys()):
        found.append(f"MXNet flips pictures of odd width wrongly ({layers[kind]!r}).")
    return found
