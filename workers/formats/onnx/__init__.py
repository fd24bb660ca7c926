"""ONNX."""

from workers.formats.contract import Format

FORMAT = Format(name="onnx", title="ONNX", extensions=(), sniff=lambda upload: None)
