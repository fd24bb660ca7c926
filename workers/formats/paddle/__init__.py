"""PaddlePaddle: inference programs of fluid 1.x, Paddle 2 (ProgramDesc) and Paddle 3 (PIR), with their parameters."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="paddle",
    title="PaddlePaddle",
    variants="fluid folders, `.pdmodel`, PIR `.json`, with their parameters",
    extensions=(".pdmodel", ".pdiparams", "__model__"),
    sniff=Lazy("workers.formats.paddle.recognise", "sniff"),
    read=Lazy("workers.formats.paddle.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.paddle.read", "coverage")),
    verify=(Verifier(toolchain="paddle", action="run:paddle", title="PaddlePaddle"),),
)
