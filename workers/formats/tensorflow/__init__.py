"""TensorFlow: SavedModels, frozen graphs and checkpoints of all releases of TF1 and TF2, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.tensorflow.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.tensorflow.read", "coverage")()}


FORMAT = Format(
    name="tensorflow",
    title="TensorFlow",
    variants="SavedModel, frozen graph, checkpoint with its meta graph; 1 and 2",
    extensions=(".pb", ".pbtxt", ".meta", ".index"),
    sniff=_sniff,
    read=Lazy("workers.formats.tensorflow.read", "read"),
    coverage=_coverage,
    verify=(Verifier(toolchain="tensorflow", action="run:tensorflow", title="TensorFlow"),),
)
