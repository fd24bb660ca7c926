"""ONNX itself: the builder, the normal form, legalisation. The hub speaks one opset."""

OPSET = 21
IR_VERSION = 10
