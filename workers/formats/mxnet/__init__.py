"""MXNet: symbol files and parameters of all releases from 0.8 to 1.9, Module checkpoints and gluon exports."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.mxnet.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.mxnet.read", "coverage")()}


FORMAT = Format(
    name="mxnet",
    title="MXNet",
    variants="symbol JSON of 0.8 to 1.9, parameters of every generation, Gluon exports",
    extensions=("-symbol.json", ".params"),
    sniff=_sniff,
    read=Lazy("workers.formats.mxnet.read", "read"),
    coverage=_coverage,
    verify=(
        Verifier(
            toolchain="mxnet",
            action="run:mxnet",
            title="MXNet 1.9.1",
            doubts=Lazy("workers.formats.mxnet.doubts", "doubts"),
        ),
    ),
)
