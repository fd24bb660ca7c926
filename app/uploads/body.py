"""A request's body as chunks, with every bound that applies while it arrives."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request

from app.problems import Problem
from app.settings import Settings

CHECK_DISK_EVERY = 64 << 20


async def chunks(request: Request, settings: Settings, free_bytes: Callable[[], int]) -> AsyncIterator[bytes]:
    """The body; raises the problems too-large, request-timeout, storage-full and digest-mismatch.

    A declared length was judged before (see app.http); a chunked body is cut where it passes the limit.
    """
    expected = content_digest(request)
    digest = hashlib.sha256() if expected else None
    received, checked = 0, 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(settings.upload_stall_seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Problem(
                "request-timeout", f"The upload sent nothing for {settings.upload_stall_seconds:g} s",
                headers={"Connection": "close"},
            ) from None  # fmt: skip
        if chunk is None:
            break
        received += len(chunk)
        if received > settings.max_upload_bytes:
            raise too_large(settings.max_upload_bytes)
        if received - checked >= CHECK_DISK_EVERY:
            checked = received
            admit_bytes(0, settings, free_bytes)
        if digest is not None:
            digest.update(chunk)
        yield chunk
    if digest is not None and digest.digest() != expected:
        raise Problem("digest-mismatch", "The body's SHA-256 is not the one that Content-Digest gives")


def too_large(limit: int) -> Problem:
    return Problem(
        "too-large", f"The request body is larger than {limit} bytes", limit=limit, headers={"Connection": "close"}
    )


def admit_bytes(declared: int, settings: Settings, free_bytes: Callable[[], int]) -> None:
    """Raise storage-full when ``declared`` bytes would eat into the disk's reserve."""
    free = free_bytes()
    if free < declared + settings.disk_reserve_bytes:
        raise Problem("storage-full", "The disk has too little room for this upload", headers={"Retry-After": "30"})


def content_digest(request: Request) -> bytes | None:
    """The SHA-256 in ``Content-Digest`` (RFC 9530), if it has one; other algorithms are left alone."""
    for item in request.headers.get("content-digest", "").split(","):
        name, _, value = item.strip().partition("=")
        if name.lower() == "sha-256":
            try:
                return base64.b64decode(value.strip(":"), validate=True)
            except binascii.Error:
                raise Problem("bad-request", "Content-Digest is not base64 between colons") from None
    return None


async def whole(request: Request, settings: Settings, free_bytes: Callable[[], int], limit: int) -> bytes:
    """A small body at once, at most ``limit`` bytes."""
    collected = bytearray()
    async for chunk in chunks(request, settings, free_bytes):
        collected += chunk
        if len(collected) > limit:
            raise too_large(limit)
    return bytes(collected)
