"""Torch7: `.t7` files of Lua Torch, binary and ASCII, with the modules of nn, nngraph, cudnn, inn, dpnn and rnn."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.torch7.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.torch7.read", "coverage")()}


FORMAT = Format(
    name="torch7",
    title="Torch7",
    variants="binary and ASCII `.t7` of every age; nn, nngraph, cudnn, rnn, dpnn, inn",
    extensions=(".t7", ".th", ".net"),
    sniff=_sniff,
    read=Lazy("workers.formats.torch7.read", "read"),
    coverage=_coverage,
    verify=(
        Verifier(
            toolchain="opencv",
            action="run:torch7",
            title="OpenCV dnn",
            doubts=Lazy("workers.formats.torch7.doubts", "doubts"),
        ),
    ),
)
