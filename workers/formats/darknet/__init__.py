"""Darknet: cfg and weights of both lineages, pjreddie's and AlexeyAB's."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="darknet",
    title="Darknet",
    variants="cfg + weights of both lineages",
    extensions=(".cfg", ".weights"),
    sniff=Lazy("workers.formats.darknet.recognise", "sniff"),
    read=Lazy("workers.formats.darknet.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.darknet.read", "coverage")),
    verify=(
        Verifier(
            toolchain="opencv",
            action="run:darknet",
            title="OpenCV dnn",
            doubts=Lazy("workers.formats.darknet.doubts", "doubts"),
        ),
    ),
)
