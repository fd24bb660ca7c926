"""MXNet: symbol files and parameters of all releases from 0.8 to 1.9, Module checkpoints and gluon exports."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="mxnet",
    title="MXNet",
    variants="symbol JSON of 0.8 to 1.9, parameters of every generation, Gluon exports",
    extensions=("-symbol.json", ".params"),
    sniff=Lazy("workers.formats.mxnet.recognise", "sniff"),
    read=Lazy("workers.formats.mxnet.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.mxnet.read", "coverage")),
    verify=(
        Verifier(
            toolchain="mxnet",
            action="run:mxnet",
            title="MXNet 1.9.1",
            doubts=Lazy("workers.formats.mxnet.doubts", "doubts"),
        ),
    ),
)
