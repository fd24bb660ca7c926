"""What is particular to the recorded Caffe2 models."""

from tests.workers.formats.cases import Expected

EXPECTED = Expected(
    fixed={
        "attention_onnx": "a Reshape spells out a batch of one, as torch.onnx wrote it",
        "rpn_detectron": "proposals are written out image by image",
    },
    steps={"int8_net": 8 / 255},
)
"""One step of the logits' scale; probabilities differ by less."""
