"""Darknet: cfg and weights of both lineages, pjreddie's and AlexeyAB's."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.darknet.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.darknet.read", "coverage")()}


FORMAT = Format(
    name="darknet",
    title="Darknet",
    variants="cfg + weights of both lineages",
    extensions=(".cfg", ".weights"),
    sniff=_sniff,
    read=Lazy("workers.formats.darknet.read", "read"),
    coverage=_coverage,
    verify=(
        Verifier(
            toolchain="opencv",
            action="run:darknet",
            title="OpenCV dnn",
            doubts=Lazy("workers.formats.darknet.doubts", "doubts"),
        ),
    ),
)
