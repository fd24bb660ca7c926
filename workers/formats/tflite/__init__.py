"""TensorFlow Lite: flatbuffers of float, float16, dynamic-range and full-integer models, with their sub-graphs."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="tflite",
    title="TensorFlow Lite",
    variants="float, float16, dynamic-range and integer",
    extensions=(".tflite", ".lite"),
    sniff=Lazy("workers.formats.tflite.recognise", "sniff"),
    read=Lazy("workers.formats.tflite.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.tflite.read", "coverage")),
    verify=(Verifier(toolchain="tensorflow", action="run:tflite", title="TensorFlow Lite"),),
)
