"""TensorFlow Lite: flatbuffers of float, float16, dynamic-range and full-integer models, with their sub-graphs."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.tflite.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.tflite.read", "coverage")()}


FORMAT = Format(
    name="tflite",
    title="TensorFlow Lite",
    variants="float, float16, dynamic-range and integer",
    extensions=(".tflite", ".lite"),
    sniff=_sniff,
    read=Lazy("workers.formats.tflite.read", "read"),
    coverage=_coverage,
    verify=(Verifier(toolchain="tensorflow", action="run:tflite", title="TensorFlow Lite"),),
)
