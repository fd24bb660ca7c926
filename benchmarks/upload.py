"""A 2 GB upload: how much the API's memory grows, and its throughput against copying the file.

``python -m benchmarks.upload [URL]`` against a ``make serve`` running on this machine (found by its port).
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil

from benchmarks.measure import MIB, copy_seconds, machine

SIZE = 2 << 30


def api_process(port: int) -> psutil.Process:
    """The process that listens on ``port``."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise SystemExit(f"nothing listens on port {port}; start the service with: make serve")


def main(url: str) -> None:
    api = api_process(urlsplit(url).port or 80)
    with tempfile.TemporaryDirectory(dir=os.environ.get("ONNXHUB_BENCHMARK_DIR")) as temporary:
        path = Path(temporary, "weights.bin")
        with path.open("wb") as file:
            block = os.urandom(1 << 24)
            for _ in range(SIZE >> 24):
                file.write(block)
        copied = copy_seconds(path, Path(temporary, "copy"))
        before, peak, done = api.memory_info().rss, 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, api.memory_info().rss)
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        with path.open("rb") as upload:
            answer = httpx2.post(f"{url}/v1/models", files=[("model", ("weights.bin", upload))], timeout=600)
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    print(f"machine: {machine()}; answer {answer.status_code}")
    print(
        f"2 GiB in {seconds:.2f} s = {SIZE / MIB / seconds:.0f} MiB/s;"
        f" copying takes {copied:.2f} s ({seconds / copied:.1f} x)"
    )
    print(
        f"API memory: {before / MIB:.0f} MiB before, {peak / MIB:.0f} MiB at most,"
        f" so it grew by {(peak - before) / MIB:.0f} MiB"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
