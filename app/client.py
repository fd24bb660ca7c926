"""A small client of the service: upload, wait, download. What ``onnxhub convert --server`` does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import httpx2

FINAL = ("succeeded", "failed", "canceled", "expired")


class ServiceError(Exception):
    """The service answered with a problem, or not at all (``status`` 0)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP status {status}"))
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Client:
    """``server`` is the service's root URL, ``key`` an API key where it asks for one."""

    server: str
    key: str | None = None
    timeout: float = 3600.0

    def submit(
        self, files: Sequence[Path], fields: Sequence[tuple[str, str]], samples: Sequence[Path]
    ) -> dict[str, Any]:
        """``POST /v1/jobs`` with the files streamed from disk; the new job."""
        with ExitStack() as stack:
            parts: list[Any] = [("model", (path.name, stack.enter_context(path.open("rb")))) for path in files]
            parts += [("test_inputs", (path.name, stack.enter_context(path.open("rb")))) for path in samples]
            data: dict[str, Any] = {}
            for name, value in fields:
                data.setdefault(name, []).append(value)
            return self._json("POST", "/v1/jobs", files=parts, data=data)

    def wait(self, job: dict[str, Any], on_change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Long-poll until the job is final; TimeoutError after ``timeout`` seconds."""
        end = time.monotonic() + self.timeout
        while job["status"] not in FINAL:
            if time.monotonic() > end:
                raise TimeoutError(f"job {job['id']} is still {job['status']} after {self.timeout:.0f} s")
            job = self._json("GET", f"/v1/jobs/{job['id']}", params={"wait": "20"})
            on_change(job)
        return job

    def download(self, job: dict[str, Any], folder: Path) -> None:
        """Every artifact under its own name below ``folder``."""
        for artifact in job.get("artifacts", []):
            name = PurePosixPath(artifact["name"])
            if name.is_absolute() or ".." in name.parts:
                raise ServiceError(0, {"detail": f"the service names an artifact {artifact['name']!r}"})
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._client() as client, client.stream("GET", artifact["url"]) as response:
                if response.status_code != 200:
                    response.read()
                    raise _error(response)
                with path.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 20):
                        file.write(chunk)

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            with self._client() as client:
                response = client.request(method, path, **arguments)
        except httpx2.TransportError as error:
            raise ServiceError(0, {"detail": f"{self.server} does not answer: {error}"}) from error
        if response.status_code >= 400:
            raise _error(response)
        answer: dict[str, Any] = response.json()
        return answer

    def _client(self) -> httpx2.Client:
        headers = {"X-API-Key": self.key} if self.key else {}
        return httpx2.Client(base_url=self.server, headers=headers, timeout=httpx2.Timeout(90.0, write=None))


def _error(response: httpx2.Response) -> ServiceError:
    try:
        problem = response.json()
    except json.JSONDecodeError:
        problem = {"detail": response.text[:500]}
    return ServiceError(response.status_code, problem)
