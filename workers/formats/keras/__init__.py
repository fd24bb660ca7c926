"""Keras: whole models, architectures and weights of Keras 1, 2 and 3 and of tf.keras."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="keras",
    title="Keras",
    variants="`.keras`, whole-model `.h5` of Keras 1 and 2, architecture with weights",
    extensions=(".keras", ".h5", ".hdf5", ".json", ".yaml"),
    sniff=Lazy("workers.formats.keras.recognise", "sniff"),
    read=Lazy("workers.formats.keras.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.keras.read", "coverage")),
    verify=(Verifier(toolchain="tensorflow", action="run:keras", title="Keras"),),
)
