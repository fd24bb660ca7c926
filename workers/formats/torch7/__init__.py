"""Torch7: `.t7` files of Lua Torch, binary and ASCII, with the modules of nn, nngraph, cudnn, inn, dpnn and rnn."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="torch7",
    title="Torch7",
    variants="binary and ASCII `.t7` of every age; nn, nngraph, cudnn, rnn, dpnn, inn",
    extensions=(".t7", ".th", ".net"),
    sniff=Lazy("workers.formats.torch7.recognise", "sniff"),
    read=Lazy("workers.formats.torch7.read", "read"),
    coverage=Coverage(read=Lazy("workers.formats.torch7.read", "coverage")),
    verify=(
        Verifier(
            toolchain="opencv",
            action="run:torch7",
            title="OpenCV dnn",
            doubts=Lazy("workers.formats.torch7.doubts", "doubts"),
        ),
    ),
)
