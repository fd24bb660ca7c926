"""A stored file as an answer: validators, one range, digests, and a name that breaks no header (RFC 8187)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

import anyio.to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.problems import Problem

BLOCK = 256 << 10
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


def disposition(name: str, *, inline: bool = False) -> str:
    """``attachment; filename="model.onnx"; filename*=UTF-8''...``; the plain form keeps harmless ASCII only."""
    base = PurePosixPath(name).name[:200] or "file"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in base)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(base, safe='')}"


def repr_digest(sha256: str) -> str:
    """``Repr-Digest`` of RFC 9530."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


class BlobResponse(Response):
    """Answers GET and HEAD with 200, 206, 304 or 416. The ETag is the content's SHA-256 and therefore strong."""

    def __init__(
        self, path: Path, *, sha256: str, size: int, name: str, media_type: str, inline: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            status_code=200,
            media_type=media_type,
            headers={
                "ETag": f'"{sha256}"',
                "Accept-Ranges": "bytes",
                "Repr-Digest": repr_digest(sha256),
                "Content-Disposition": disposition(name, inline=inline),
                "Cache-Control": "private, no-cache",
                **(headers or {}),
            },
        )
        self._path, self._size, self._etag = path, size, f'"{sha256}"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        if _matches(given.get("if-none-match"), self._etag):
            self.status_code = 304
            del self.headers["content-length"]
            await send({"type": "http.response.start", "status": 304, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        start, end = self._range(given)
        self.headers["content-length"] = str(end - start)
        head = scope["method"] == "HEAD"
        # Opened before the first byte is promised: a file that is missing is an error of ours, not a broken answer.
        file = None if head else await anyio.to_thread.run_sync(self._path.open, "rb")
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await _send_file(file, start, end, send)
        finally:
            if file is not None:
                file.close()

    def _range(self, given: Mapping[str, str]) -> tuple[int, int]:
        """First and last byte + 1. Several ranges, or one that is no range, mean the whole file (RFC 9110, 14.2)."""
        match = _RANGE.fullmatch(given.get("range", "").replace(" ", ""))
        if match is None or match.groups() == ("", "") or given.get("if-range", self._etag) != self._etag:
            return 0, self._size
        first, last = match.groups()
        start = max(0, self._size - int(last)) if first == "" else int(first)
        end = self._size if first == "" or last == "" else min(int(last) + 1, self._size)
        if first and last and int(last) < int(first):
            return 0, self._size
        if start >= self._size or start >= end:
            told = f"The file has {self._size} bytes"
            raise Problem("range-not-satisfiable", told, headers={"Content-Range": f"bytes */{self._size}"})
        self.status_code = 206
        self.headers["content-range"] = f"bytes {start}-{end - 1}/{self._size}"
        return start, end


async def _send_file(file: BinaryIO | None, start: int, end: int, send: Send) -> None:
    """Bytes ``start`` to ``end`` in blocks; nothing for HEAD."""
    if file is None or start == end:
        await send({"type": "http.response.body", "body": b""})
        return
    file.seek(start)
    while start < end:
        block = await anyio.to_thread.run_sync(file.read, min(BLOCK, end - start))
        if not block:
            raise OSError("a stored file is shorter than its size")
        start += len(block)
        await send({"type": "http.response.body", "body": block, "more_body": start < end})


def _matches(header: str | None, etag: str) -> bool:
    """``If-None-Match``: any of the tags, weakly compared, or ``*``."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags
