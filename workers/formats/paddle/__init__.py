"""PaddlePaddle: inference programs of fluid 1.x, Paddle 2 (ProgramDesc) and Paddle 3 (PIR), with their parameters."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.paddle.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {"read": Lazy("workers.formats.paddle.read", "coverage")()}


FORMAT = Format(
    name="paddle",
    title="PaddlePaddle",
    variants="fluid folders, `.pdmodel`, PIR `.json`, with their parameters",
    extensions=(".pdmodel", ".pdiparams", "__model__"),
    sniff=_sniff,
    read=Lazy("workers.formats.paddle.read", "read"),
    coverage=_coverage,
    verify=(Verifier(toolchain="paddle", action="run:paddle", title="PaddlePaddle"),),
)
