"""TensorFlow: SavedModels, frozen graphs and checkpoints of all releases of TF1 and TF2, read without TensorFlow."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="tensorflow",
    title="TensorFlow",
    variants="SavedModel, frozen graph, checkpoint with its meta graph; 1 and 2",
    extensions=(".pb", ".pbtxt", ".meta", ".index"),
    sniff=Lazy("workers.formats.tensorflow.recognise", "sniff"),
    read=Lazy("workers.formats.tensorflow.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.tensorflow.read", "coverage")),
    verify=(Verifier(toolchain="tensorflow", action="run:tensorflow", title="TensorFlow"),),
)
