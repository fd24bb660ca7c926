"""Around every request: its id, refusals by headers alone, security headers, a log line, metrics, last errors."""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.context import Hub
from app.ids import new_id
from app.problems import Problem, response
from app.uploads.body import admit_bytes, too_large

log = structlog.get_logger("http")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
DRAIN = 1 << 20
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Boundary:
    """The outermost layer of ours; what passes it is well-formed HTTP with a known length or none."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app, self._hub = app, hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            refused = self._refusal(scope["method"], exchange.headers)
            if refused is not None:
                await exchange.answer(refused)
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            log.exception("request failed", request_id=exchange.request_id)
            if exchange.status:
                raise  # the answer has begun: the connection has to break
            told = f"{type(error).__name__}; the log has the rest under this request_id"
            await exchange.answer(Problem("internal", told))
        finally:
            self._record(exchange)

    def _refusal(self, method: str, headers: Headers) -> Problem | None:
        """Judge a request before the first byte of its body is read."""
        # A form on any web page can post to a service on its reader's machine; browsers say when they do that.
        if method not in ("GET", "HEAD", "OPTIONS") and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return Problem("forbidden", "The request comes from a page of another site")
        if headers.get("content-encoding", "identity").lower() != "identity":
            return Problem("unsupported-media-type", "Send the body without Content-Encoding; pack files as zip or tar")
        declared = headers.get("content-length", "")
        if not declared.isdigit():
            return None
        if int(declared) > self._hub.settings.max_upload_bytes:
            return too_large(self._hub.settings.max_upload_bytes)
        try:
            if int(declared) > DRAIN:
                admit_bytes(int(declared), self._hub.settings, self._hub.storage.free_bytes)
        except Problem as problem:
            return problem
        return None

    def _record(self, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.start
        route = getattr(exchange.scope.get("route"), "path", "other")
        self._hub.metrics.request(exchange.scope["method"], route, exchange.status, seconds, exchange.received)
        quiet = route in ("/livez", "/readyz", "/metrics")
        (log.debug if quiet else log.info)(
            "request", method=exchange.scope["method"], path=exchange.scope["path"][:300], status=exchange.status,
            ms=round(seconds * 1000, 1), received=exchange.received, request_id=exchange.request_id,
        )  # fmt: skip


class Exchange:
    """One request and its answer, watched as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.request_id = given if _ID.fullmatch(given) else new_id()
        scope.setdefault("state", {})["request_id"] = self.request_id
        self.status = 0
        self.received = 0
        self.start = time.perf_counter()
        self._receive, self._send = receive, send
        self._body_read = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self._body_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
            if self.status >= 400 and self._long_body_left():
                headers["Connection"] = "close"
        await self._send(message)

    def _long_body_left(self) -> bool:
        """Does the client still have much to send that nobody will read? A little is read past by the server."""
        if self._body_read:
            return False
        length = self.headers.get("content-length")
        return (
            int(length) - self.received > DRAIN if length and length.isdigit() else "transfer-encoding" in self.headers
        )

    async def answer(self, problem: Problem) -> None:
        told: Any = response(problem, instance=self.scope["path"], request_id=self.request_id)
        await told(self.scope, self.receive, self.send)
