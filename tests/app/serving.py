"""An API in this process, spoken to over real HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from app.context import Hub
from app.db import workers
from app.main import create_app
from app.settings import Settings


class Api:
    """A running API: ``http`` talks to it, ``hub`` is its inside."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self.hub: Hub = self.app.state.hub
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx2.Client(base_url=self.url, timeout=30)
        self._server = uvicorn.Server(
            uvicorn.Config(self.app, log_level="error", access_log=False, timeout_graceful_shutdown=2)
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self.listener]})

    @contextmanager
    def running(self) -> Iterator[Api]:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        try:
            yield self
        finally:
            self.http.close()
            self.hub.closing = True
            self._server.should_exit = True
            self._thread.join()

    def announce(self, capabilities: dict[str, Any]) -> None:
        """A worker enters itself, as it does when it starts; no process is behind it."""
        with self.hub.db.write() as session:
            workers.announce(session, "idle:1", 1, capabilities)
