"""What a jailed process says, all of it distrusted: events as JSON lines, output and errors as bounded tails."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

TAIL = 64 * 1024
LINE = 64 * 1024
PENDING = 10_000


class Tail:
    """Reads a descriptor to its end in a thread and keeps the last 64 KiB."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._descriptor, TAIL):
            self._kept += chunk
            del self._kept[:-TAIL]
        os.close(self._descriptor)

    def text(self, wait: float = 1.0) -> str:
        """What was kept, once the writers are gone (or after ``wait`` seconds)."""
        self._thread.join(wait)
        return bytes(self._kept).decode("utf-8", "replace")


class Events:
    """Reads JSON lines from a descriptor in a thread; what is no object, or too long, or too much, is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending: deque[dict[str, Any]] = deque(maxlen=PENDING)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        buffer, skipping = bytearray(), False
        while chunk := os.read(self._descriptor, LINE):
            buffer += chunk
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                if not skipping:
                    self._keep(line)
                skipping = False
            if len(buffer) > LINE:
                buffer.clear()
                skipping = True
        os.close(self._descriptor)

    def _keep(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(event, dict):
            self._pending.append(event)

    def take(self) -> Iterator[dict[str, Any]]:
        """The events since the last call, in order."""
        while self._pending:
            yield self._pending.popleft()

    def join(self, wait: float = 1.0) -> None:
        self._thread.join(wait)
