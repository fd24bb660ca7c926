"""Caffe2: pairs of nets in binary or text format, and predictor databases of one file."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.caffe2.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.caffe2.read", "coverage")()}


FORMAT = Format(
    name="caffe2",
    title="Caffe2",
    variants="init and predict nets, predictor databases",
    extensions=(".pb", ".pbtxt", ".minidb"),
    sniff=_sniff,
    read=Lazy("workers.formats.caffe2.read", "read"),
    coverage=_coverage,
    verify=(
        Verifier(
            toolchain="caffe2",
            action="run:caffe2",
            title="Caffe2 (PyTorch 1.8.1)",
            doubts=Lazy("workers.formats.caffe2.doubts", "doubts"),
        ),
    ),
)
