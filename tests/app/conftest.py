"""An API for each test: real HTTP on a free port, a real database, no worker unless one announces itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.settings import Settings
from tests.app.serving import Api


@pytest.fixture(scope="session")
def capabilities() -> dict[str, Any]:
    """What a worker of this installation announces."""
    done = subprocess.run([sys.executable, "-m", "workers.capabilities"], stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Start an API with settings of the test's choice."""
    stack: list[Any] = []

    def begin(**settings: Any) -> Api:
        running = Api(Settings(home=tmp_path / f"home{len(stack)}", **settings)).running()
        stack.append(running)
        api: Api = running.__enter__()
        return api

    yield begin
    for running in stack:
        running.__exit__(None, None, None)


@pytest.fixture
def api(start: Callable[..., Api], capabilities: dict[str, Any]) -> Api:
    """An API whose worker is announced but never does anything: jobs stay queued."""
    api = start()
    api.announce(capabilities)
    return api


PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.fixture
def submit(api: Api) -> Callable[..., httpx2.Response]:
    """Post a job of one small file."""

    def post(headers: dict[str, str] | None = None, content: bytes = PNG, **fields: Any) -> httpx2.Response:
        files = [("model", ("net.caffemodel", content))]
        return api.http.post("/v1/jobs", files=files, data={"target": "caffe", **fields}, headers=headers or {})

    return post
