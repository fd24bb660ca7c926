"""multipart/form-data taken apart while it arrives: files go to disk and are hashed, small fields stay in memory.

Memory is bounded by two blocks a request, whatever the size of the files and whatever the order of the fields.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.problems import Problem
from app.uploads.names import clean

BLOCK = 1 << 20
MAX_FIELD = 1 << 20
MAX_FIELDS = 1000
MAX_FIELD_TOTAL = 4 << 20


@dataclass(frozen=True, slots=True)
class Received:
    """One file as it lies in the staging folder; ``name`` is the user's, cleaned."""

    field: str
    name: str
    path: Path
    size: int
    sha256: str


@dataclass(slots=True)
class Form:
    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[Received] = field(default_factory=list)


class FileSink:
    """One file being written: blocks are hashed and written in a thread while the next one arrives."""

    def __init__(self, path: Path, field: str, name: str) -> None:
        self._path, self._field, self._name = path, field, name
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._hash = hashlib.sha256()
        self._size = 0
        self.pending = bytearray()

    def take(self) -> bytearray:
        block, self.pending = self.pending, bytearray()
        return block

    def write(self, block: bytearray) -> None:
        """In a thread: both calls let go of the interpreter lock."""
        self._hash.update(block)
        self._size += len(block)
        view = memoryview(block)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def finish(self) -> Received:
        """In a thread: on disk for good when this returns."""
        self.write(self.take())
        os.fsync(self._descriptor)
        self.close()
        return Received(self._field, self._name, self._path, self._size, self._hash.hexdigest())

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Splitter:
    """The parser's callbacks: they sort bytes into fields and sinks and never wait."""

    def __init__(self, boundary: bytes, folder: Path, max_files: int) -> None:
        self.form = Form()
        self.finished: list[FileSink] = []
        self.sink: FileSink | None = None
        self.complete = False
        self._folder, self._max_files = folder, max_files
        self._files = 0
        self._field: tuple[str, bytearray] | None = None
        self._field_bytes = 0
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header[0]).lower()] = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise Problem("bad-request", "A part of the body has no Content-Disposition: form-data with a name")
        name = _text(options[b"name"])
        if b"filename" not in options:
            self._field = (name, bytearray())
            if len(self.form.fields) >= MAX_FIELDS:
                raise Problem("too-many", f"The form has more than {MAX_FIELDS} fields", limit=MAX_FIELDS)
            return
        self._files += 1
        if self._files > self._max_files:
            raise Problem("too-many", f"The upload has more than {self._max_files} files", limit=self._max_files)
        self.sink = FileSink(self._folder / str(self._files), name, clean(_text(options[b"filename"])))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.sink is not None:
            self.sink.pending += memoryview(data)[start:end]
        elif self._field is not None:
            self._field_bytes += end - start
            self._field[1].extend(data[start:end])
            if len(self._field[1]) > MAX_FIELD or self._field_bytes > MAX_FIELD_TOTAL:
                raise Problem("too-large", f"The field {self._field[0][:100]!r} is too long", limit=MAX_FIELD)

    def _on_part_end(self) -> None:
        if self.sink is not None:
            self.finished.append(self.sink)
            self.sink = None
        elif self._field is not None:
            self.form.fields.append((self._field[0], _text(bytes(self._field[1]))))
            self._field = None

    def _on_end(self) -> None:
        self.complete = True

    def close(self) -> None:
        for sink in [*self.finished, *([self.sink] if self.sink else [])]:
            sink.close()


async def receive(body: AsyncIterator[bytes], content_type: str, folder: Path, max_files: int) -> Form:
    """Read the form; its files lie in ``folder`` under numbers."""
    splitter = _splitter(content_type, folder, max_files)
    try:
        async for chunk in body:
            _feed(splitter, chunk)
            await _drain(splitter)
    finally:
        splitter.close()
    if not splitter.complete:
        raise Problem("bad-request", "The multipart body ends before its last boundary")
    return splitter.form


def _splitter(content_type: str, folder: Path, max_files: int) -> Splitter:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Problem("bad-request", "Content-Type: multipart/form-data needs a boundary")
    try:
        return Splitter(boundary, folder, max_files)
    except FormParserError as error:
        raise Problem("bad-request", str(error)) from None


def _feed(splitter: Splitter, chunk: bytes) -> None:
    try:
        splitter.parser.write(chunk)
    except FormParserError as error:
        raise Problem("bad-request", f"The multipart body is malformed: {error}") from None


async def _drain(splitter: Splitter) -> None:
    """Write what the last chunk completed."""
    while splitter.finished:
        received = await anyio.to_thread.run_sync(splitter.finished[0].finish)
        splitter.form.files.append(received)
        del splitter.finished[0]
    sink = splitter.sink
    if sink is not None and len(sink.pending) >= BLOCK:
        await anyio.to_thread.run_sync(sink.write, sink.take())


async def receive_raw(body: AsyncIterator[bytes], path: Path, field: str, name: str) -> Received:
    """A body that is one file and nothing else."""
    sink = FileSink(path, field, clean(name))
    try:
        async for chunk in body:
            sink.pending += chunk
            if len(sink.pending) >= BLOCK:
                await anyio.to_thread.run_sync(sink.write, sink.take())
        return await anyio.to_thread.run_sync(sink.finish)
    finally:
        sink.close()


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
