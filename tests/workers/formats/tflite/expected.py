"""What is particular to the recorded TensorFlow Lite models."""

from tests.workers.formats.cases import Expected

EXPECTED = Expected(
    steps={
        # The interpreter quantises activations of layers with int8 weights on the fly; ours stay floats.
        "lenet_dynamic_range": 0.03,
        "resnet_int8_full": 1.0,
        "two_signatures_quant_uint8": 1.0,
    },
)
