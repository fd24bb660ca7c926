"""What goes for every request: ids, security headers, broken lines, health, pages."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from app.db import workers
from app.problems import KINDS
from tests.app.serving import Api


@pytest.mark.parametrize("path", ["/", "/livez", "/v1/jobs", "/v1/jobs/none", "/problems", "/openapi.json"])
def test_every_answer_has_the_security_headers(api: Api, path: str) -> None:
    headers = api.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "no-referrer"


def test_a_request_id_is_taken_over_or_made(api: Api) -> None:
    assert api.http.get("/livez", headers={"X-Request-ID": "build-7.2"}).headers["x-request-id"] == "build-7.2"
    for bad in ("a b", "x" * 65, "<script>"):
        made = api.http.get("/livez", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert len(made) == 36


@pytest.mark.parametrize("declared", [b"Content-Length: 5000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_upload_broken_off_leaves_nothing(api: Api, declared: bytes) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    part = b'--x\r\nContent-Disposition: form-data; name="model"; filename="a"\r\n\r\n' + b"y" * 1000
    framed = part if b"Length" in declared else b"%x\r\n%s\r\n" % (len(part), part)
    with socket.create_connection(("127.0.0.1", api.port)) as line:
        line.sendall(head + declared + b"\r\n" + framed)
        time.sleep(0.2)
    staging = api.settings.storage_folder / "staging"
    end = time.monotonic() + 3
    while list(staging.iterdir()) and time.monotonic() < end:
        time.sleep(0.02)
    assert list(staging.iterdir()) == []
    assert api.http.get("/v1/jobs").json()["items"] == []


def test_readiness_names_what_is_missing(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    """There is no broker here, and at first no worker."""
    api = start()
    told = api.http.get("/readyz")
    assert told.status_code == 503
    checks = told.json()["checks"]
    assert {name for name, check in checks.items() if not check["ok"]} == {"broker", "workers"}
    assert checks["storage"]["free_bytes"] > 0
    api.announce(capabilities)
    assert api.http.get("/readyz").json()["checks"]["workers"]["slots"] == 1
    assert api.http.get("/livez").json() == {"status": "ok"}
    assert api.http.get("/version").json()["version"]


def test_a_worker_not_heard_of_is_gone(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(worker_alive_seconds=1.1)
    api.announce(capabilities)
    assert api.http.get("/v1/formats").json()["items"]
    time.sleep(1.2)
    assert api.http.get("/v1/formats").json()["items"] == []
    with api.hub.db.write() as session:
        workers.beat(session, "idle:1")
    assert api.http.get("/v1/formats").json()["items"]


def test_the_landing_page_names_the_formats_and_runs_no_script(api: Api) -> None:
    page = api.http.get("/")
    assert "Caffe" in page.text
    assert "<script" not in page.text
    for link in ("/openapi.json", "/v1/formats", "/problems", "/readyz"):
        assert f'href="{link}"' in page.text


def test_every_problem_type_is_a_page(api: Api) -> None:
    listing = api.http.get("/problems").text
    for name, kind in KINDS.items():
        assert f"/problems/{name}" in listing
        assert kind.title in httpx2.get(f"{api.url}/problems/{name}").text.replace("&#x27;", "'")


def test_metrics_count_by_route_not_by_path(api: Api) -> None:
    for name in ("a", "b"):
        api.http.get(f"/v1/jobs/{name}")
    told = api.http.get("/metrics").text
    assert 'onnxhub_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 2.0' in told
    assert 'onnxhub_jobs{status="queued"} 0.0' in told
