"""Identifiers that sort by creation: UUID version 7 (RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """48 bits of milliseconds, 12 of a fraction that only grows within this process, 62 random ones."""
    global _last
    with _lock:
        now = time.time_ns()
        stamp = (now // 1_000_000 << 12) | (now % 1_000_000) * 4096 // 1_000_000
        _last = stamp = max(stamp, _last + 1)
    random = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random
    return str(uuid.UUID(int=value))
