"""ONNX itself: files of any opset are read into the hub's, and the hub is written at the opset that a user names."""

from __future__ import annotations

from workers.formats.contract import Format, Lazy

FORMAT = Format(
    name="onnx",
    title="ONNX",
    variants="opset 1 and up, external data",
    extensions=(".onnx",),
    sniff=Lazy("workers.formats.onnx.recognise", "sniff"),
    read=Lazy("workers.formats.onnx.read", "read"),
    write=Lazy("workers.formats.onnx.write", "write"),
    legalise=Lazy("workers.formats.onnx.write", "legalise"),
)
