"""Writing ONNX files by streaming: weights go from where they lie to the file, never through a second copy."""

from __future__ import annotations

import io
import os
import secrets
from pathlib import Path

import onnx_ir as ir

from workers.hub import skeleton
from workers.hub.elements import blocks, elements, runs
from workers.hub.skeleton import byte_size, serialized, stubbed
from workers.hub.wire import splice
from workers.inspect.pages import let_go, span_of

EXTERNAL_ABOVE = 1_500_000_000
"""Bytes of weights from which they go to a file of their own: protobuf readers give up at 2 GB."""

ALIGN_LARGE, ALIGN_SMALL, LARGE = 4096, 64, 1 << 20
"""Offsets in the external file: whole pages for large tensors, so that they can be mapped."""


def save(model: ir.Model, path: Path, *, external: bool | None = None) -> list[Path]:
    """Write ``model`` to ``path``, with weights over 1.5 GB (or ``external=True``) in ``<path>.data`` beside it.

    Equal models give equal bytes. Returns the files written, the model first.
    """
    if external is None:
        external = weight_bytes(model) > EXTERNAL_ABOVE
    return _save_external(model, path) if external else _save_inline(model, path)


def _save_inline(model: ir.Model, path: Path) -> list[Path]:
    tensors: list[ir.TensorProtocol] = []
    token = secrets.token_hex(16)

    def stub(tensor: ir.TensorProtocol, name: str) -> ir.TensorProtocol:
        tensors.append(tensor)
        return skeleton.external(tensor, name, token, len(tensors) - 1, None)

    with stubbed(model, stub):
        frame = serialized(model).SerializeToString(deterministic=True)
    with path.open("wb", buffering=0) as file:
        for piece in splice(frame, token, [byte_size(tensor) for tensor in tensors]):
            if isinstance(piece, int):
                _write_tensor(file, tensors[piece])
            else:
                _write(file, memoryview(piece))
    return [path]


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all initialisers."""
    return sum(
        byte_size(value.const_value)
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None and value.const_value.dtype != ir.DataType.STRING
    )


def _save_external(model: ir.Model, path: Path) -> list[Path]:
    tensors: list[ir.TensorProtocol] = []
    data = path.with_name(path.name + ".data")
    offsets: list[int] = []
    end = 0

    def place(tensor: ir.TensorProtocol, name: str) -> ir.TensorProtocol:
        nonlocal end
        size = byte_size(tensor)
        align = ALIGN_LARGE if size >= LARGE else ALIGN_SMALL
        offset = -(-end // align) * align
        tensors.append(tensor)
        offsets.append(offset)
        end = offset + size
        return skeleton.external(tensor, name, data.name, offset, size)

    with stubbed(model, place):
        frame = serialized(model).SerializeToString(deterministic=True)
    with data.open("wb", buffering=0) as file:
        for tensor, offset in zip(tensors, offsets, strict=True):
            _write(file, memoryview(bytes(offset - file.tell())))
            _write_tensor(file, tensor)
    path.write_bytes(frame)
    return [path, data]


def _write_tensor(file: io.FileIO, tensor: ir.TensorProtocol) -> None:
    array = elements(tensor)
    span = span_of(array)
    found = runs(array) if span is not None else None
    if span is None or found is None:
        for block in blocks(array):
            _write(file, block)
        let_go(array)
        return
    # The bytes lie in a file: the kernel copies them from there, and none of them comes into this process.
    (mapping, start), (offsets, size) = span, found
    for offset in offsets:
        copied = 0
        while copied < size:
            copied += os.sendfile(file.fileno(), mapping.source, start + offset + copied, size - copied)


def _write(file: io.FileIO, view: memoryview) -> None:
    """All of ``view``: one system call writes at most 2 GiB."""
    while len(view):
        view = view[file.write(view) or 0 :]
