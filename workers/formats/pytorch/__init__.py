"""PyTorch: modules that onnxhub writes."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Export, Format, Lazy, Verifier


def _coverage() -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = Lazy("workers.formats.pytorch.write", "coverage")()
    return found


FORMAT = Format(
    name="pytorch",
    title="PyTorch",
    extensions=(".py", ".safetensors"),
    sniff=lambda upload: None,
    write=Lazy("workers.formats.pytorch.write", "write"),
    legalise=Lazy("workers.formats.pytorch.write", "legalise"),
    coverage=_coverage,
    verify=(Verifier(toolchain="torch", action="run:pytorch", title="PyTorch"),),
    exports=(Export(action="export:pytorch", file="model.pt2", title="exported program"),),
    needs="torch 2.13",
)
