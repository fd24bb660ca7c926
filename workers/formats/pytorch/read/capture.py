"""Weights with their source: model.py runs in the torch toolchain's jail and nowhere else, to be captured as a graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workers.errors import MissingFile
from workers.formats.contract import Note, ReadRequest
from workers.inspect.upload import UploadedFile

Captured = tuple[UploadedFile, str, tuple[str, ...], tuple[Note, ...]]


@contextmanager
def captured(request: ReadRequest) -> Iterator[Captured]:
    raise MissingFile("the upload holds no PyTorch model")
    yield
