"""PyTorch: TorchScript, exported programs, weights with their source; and modules that onnxhub writes."""

from __future__ import annotations

from workers.formats.contract import Coverage, Export, Format, Lazy, Verifier

FORMAT = Format(
    name="pytorch",
    title="PyTorch",
    extensions=(".pt2", ".pt", ".pth", ".safetensors", ".py"),
    sniff=Lazy("workers.formats.pytorch.recognise", "sniff"),
    read=Lazy("workers.formats.pytorch.read", "read"),
    write=Lazy("workers.formats.pytorch.write", "write"),
    legalise=Lazy("workers.formats.pytorch.write", "legalise"),
    coverage=Coverage(
        read=Lazy("workers.formats.pytorch.read", "coverage"), write=Lazy("workers.formats.pytorch.write", "coverage")
    ),
    verify=(Verifier(toolchain="torch", action="run:pytorch", title="PyTorch"),),
    verify_source=(Verifier(toolchain="torch", action="run:source", title="PyTorch"),),
    exports=(Export(action="export:pytorch", file="model.pt2", title="exported program"),),
    needs="torch 2.13",
)
