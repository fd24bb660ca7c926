"""PyTorch: TorchScript, exported programs, weights with their source; and modules that onnxhub writes."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Export, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.pytorch.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {
        **Lazy("workers.formats.pytorch.write", "coverage")(),
        "read": Lazy("workers.formats.pytorch.read", "coverage")(),
    }


FORMAT = Format(
    name="pytorch",
    title="PyTorch",
    extensions=(".pt2", ".pt", ".pth", ".safetensors", ".py"),
    sniff=_sniff,
    read=Lazy("workers.formats.pytorch.read", "read"),
    write=Lazy("workers.formats.pytorch.write", "write"),
    legalise=Lazy("workers.formats.pytorch.write", "legalise"),
    coverage=_coverage,
    verify=(Verifier(toolchain="torch", action="run:pytorch", title="PyTorch"),),
    verify_source=(Verifier(toolchain="torch", action="run:source", title="PyTorch"),),
    exports=(Export(action="export:pytorch", file="model.pt2", title="exported program"),),
    needs="torch 2.13",
)
