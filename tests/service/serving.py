"""The whole service as a person starts it: ``onnxhub serve`` in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil

from workers.toolchains.definition import home as toolchains

ONNXHUB = str(Path(sys.executable).parent / "onnxhub")
START_SECONDS = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Service:
    """``home`` outlives a stop, so that the same service can be started again."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.port = free_port()
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=90)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ONNXHUB_")},
            "ONNXHUB_HOME": str(home),
            "ONNXHUB_PORT": str(self.port),
            "ONNXHUB_LEASE_SECONDS": "4",
            "ONNXHUB_REDISPATCH_SECONDS": "2",
            **{f"ONNXHUB_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "toolchains").exists():
            (home / "toolchains").symlink_to(toolchains())

    def start(self) -> None:
        log = (self.home / "serve.log").open("ab")
        self._process = subprocess.Popen([ONNXHUB, "serve"], env=self.environment, stdout=log, stderr=log)
        self.until(self._ready, START_SECONDS, "the service is not ready")

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        with contextlib.suppress(httpx2.TransportError):
            return self.http.get("/readyz").status_code == 200
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(30)
        self._process = None
        return status

    def workers(self) -> int:
        """How many workers have announced themselves."""
        with contextlib.suppress(httpx2.TransportError):
            return int(self.http.get("/readyz").json()["checks"]["workers"].get("workers", 0))
        return 0

    def log(self) -> str:
        return (self.home / "serve.log").read_text()

    @contextlib.contextmanager
    def running(self) -> Iterator[Service]:
        self.start()
        try:
            yield self
        finally:
            if self._process is not None:
                self.stop()
            self.http.close()
            shutil.rmtree(self.home / "storage", ignore_errors=True)  # gigabytes that nobody looks at

    def processes(self) -> list[psutil.Process]:
        """Everything that this service started, found by its home in the environment or its folder in the arguments."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("ONNXHUB_HOME") == str(self.home) and process.pid != os.getpid()
                if (mine or str(self.home) in " ".join(process.cmdline())) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def children(self) -> list[psutil.Process]:
        """The jailed processes of the jobs that run now: forked by a warm process, or started cold."""
        found = {process.pid: " ".join(process.cmdline()) for process in self.processes()}
        return [
            psutil.Process(pid)
            for pid, command in found.items()
            if "workers.child" in command
            or ("workers.sandbox.zygote" in command and "zygote" in found.get(psutil.Process(pid).ppid(), ""))
        ]

    def main_worker(self) -> psutil.Process:
        """Celery's main process."""
        workers = [p for p in self.processes() if "workers.celery_app" in " ".join(p.cmdline())]
        pids = {process.pid for process in workers}
        return next(process for process in workers if process.ppid() not in pids)

    def broker(self) -> psutil.Process:
        return next(process for process in self.processes() if "valkey" in process.name() or "redis" in process.name())

    def submit(self, files: list[Path], target: str | list[str] = "onnx", **fields: Any) -> dict[str, Any]:
        headers = fields.pop("headers", {})
        parts = [("model", (file.name, file.read_bytes())) for file in files]
        answer = self.http.post("/v1/jobs", files=parts, data={"target": target, **fields}, headers=headers)
        assert answer.status_code in (201, 202), answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job: dict[str, Any], wait: float = 0) -> dict[str, Any]:
        answer = self.http.get(f"/v1/jobs/{job['id']}", params={"wait": int(wait)} if wait else {})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def finished(self, job: dict[str, Any], seconds: float = 90) -> dict[str, Any]:
        """The job once it is final."""
        end = time.monotonic() + seconds
        while (job := self.job(job, wait=10))["status"] in ("queued", "running"):
            assert time.monotonic() < end, f"{job['status']} at {job['stage']}\n{self.log()[-4000:]}"
        return job

    def reaches(self, job: dict[str, Any], stage: str, seconds: float = 60) -> None:
        """Wait until the job is in that stage, or a later one."""
        with self.http.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=seconds) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: ") and f'"stage": "{stage}"' in line:
                    return
        raise AssertionError(f"the job never was at {stage}: {self.job(job)}")

    @staticmethod
    def until(holds: Callable[[], bool], seconds: float, told: str) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, told
            time.sleep(0.05)
