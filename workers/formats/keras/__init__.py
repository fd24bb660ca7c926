"""Keras: whole models, architectures and weights of Keras 1, 2 and 3 and of tf.keras."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.keras.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.keras.read", "coverage")()}


FORMAT = Format(
    name="keras",
    title="Keras",
    variants="`.keras`, whole-model `.h5` of Keras 1 and 2, architecture with weights",
    extensions=(".keras", ".h5", ".hdf5", ".json", ".yaml"),
    sniff=_sniff,
    read=Lazy("workers.formats.keras.read", "read"),
    coverage=_coverage,
    verify=(Verifier(toolchain="tensorflow", action="run:keras", title="Keras"),),
)
