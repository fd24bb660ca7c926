"""Caffe2: pairs of nets in binary or text format, and predictor databases of one file."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="caffe2",
    title="Caffe2",
    variants="init and predict nets, predictor databases",
    extensions=(".pb", ".pbtxt", ".minidb"),
    sniff=Lazy("workers.formats.caffe2.recognise", "sniff"),
    read=Lazy("workers.formats.caffe2.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.caffe2.read", "coverage")),
    verify=(
        Verifier(
            toolchain="caffe2",
            action="run:caffe2",
            title="Caffe2 (PyTorch 1.8.1)",
            doubts=Lazy("workers.formats.caffe2.doubts", "doubts"),
        ),
    ),
)
