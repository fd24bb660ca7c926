"""Every problem type that answers a request is provoked over HTTP; the last test sees that none was forgotten.

The types that end a job need workers: they are in tests/service.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2

from app.auth import create
from app.clock import now
from app.context import Hub
from app.db import jobs, models
from app.problems import KINDS, MEDIA_TYPE, PREFIX, REQUEST_KINDS
from tests.app.serving import Api

Submit = Callable[..., httpx2.Response]


def check(answer: httpx2.Response, name: str, status: int = 0) -> dict[str, Any]:
    """The answer is this problem, complete and well-formed."""
    body: dict[str, Any] = answer.json()
    assert body["type"] == PREFIX + name, body
    assert answer.status_code == body["status"] == (status or KINDS[name].status)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert body["title"] == KINDS[name].title
    assert body["detail"] and body["instance"].startswith("/")
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def end(hub: Hub, job_id: str, status: Any) -> None:
    """End a job by hand, as its worker would."""
    with hub.db.write() as session:
        if status != "canceled":
            jobs.change(session, job_id, "started", to="running")
        assert jobs.change(session, job_id, status, to=status, finished_at=now(), expires_at=now() + timedelta(hours=1))


def test_not_found(api: Api, submit: Submit) -> None:
    for path in (
        "/v1/jobs/nothing",
        "/v1/models/nothing",
        "/v1/jobs/nothing/events",
        "/elsewhere",
        "/problems/none",
        "/v1/jobs/%2e%2e/artifacts/x",
    ):
        check(api.http.get(path), "not-found")
    job = submit().json()["id"]
    for name in ("none", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "hub.onnx%00"):
        check(api.http.get(f"/v1/jobs/{job}/artifacts/{name}"), "not-found")


def test_forbidden(api: Api, submit: Submit) -> None:
    """A form on a page of another site, posted by the browser of somebody who runs the service at home."""
    for site in ("cross-site", "same-site"):
        check(submit({"Sec-Fetch-Site": site}), "forbidden")
    for site in ("same-origin", "none"):
        assert submit({"Sec-Fetch-Site": site}).status_code == 202
    assert api.http.get("/v1/jobs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_method_not_allowed(api: Api) -> None:
    answer = api.http.put("/v1/jobs")
    check(answer, "method-not-allowed")
    assert answer.headers["allow"]


def test_bad_request(api: Api) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    check(api.http.post("/v1/jobs", content=b"x", headers=headers), "bad-request")
    headers = {"Content-Type": "application/json"}
    for content in (b"{", b"[1]", b'{"target": NaN}', b"[" * 100_000):
        check(api.http.post("/v1/jobs", content=content, headers=headers), "bad-request")


def test_two_files_of_one_name_are_a_bad_request(api: Api) -> None:
    files = [("model", ("a.pb", b"1")), ("model", ("../a.pb", b"2"))]
    check(api.http.post("/v1/jobs", files=files, data={"target": "caffe"}), "bad-request")


def test_bad_cursor(api: Api) -> None:
    check(api.http.get("/v1/jobs", params={"after": "nonsense"}), "bad-cursor")


def test_digest_mismatch(api: Api) -> None:
    headers = {"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}
    files = {"model": ("a", b"1")}
    check(api.http.post("/v1/jobs", files=files, data={"target": "caffe"}, headers=headers), "digest-mismatch")


def test_unauthorized(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(auth="keys")
    api.announce(capabilities)
    check(api.http.get("/v1/jobs"), "unauthorized")
    answer = api.http.get("/v1/jobs", headers={"X-API-Key": "hub_00000000_" + "0" * 32})
    check(answer, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    key = create(api.hub.db, "test")
    assert api.http.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_unauthorized_before_the_body(start: Callable[..., Api]) -> None:
    """40 MB are announced, none is sent, the refusal comes all the same and the line is closed."""
    api = start(auth="keys")
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
    connection.putrequest("POST", "/v1/jobs")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(40 << 20))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 401
    assert answer.headers["connection"] == "close"
    connection.close()


def test_request_timeout(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(upload_stall_seconds=0.3)
    api.announce(capabilities)
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as line:
        line.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 1000\r\n\r\n--x\r\n"
        )
        told = line.recv(65536)
    assert told.startswith(b"HTTP/1.1 408")
    assert PREFIX.encode() + b"request-timeout" in told
    assert list((api.settings.storage_folder / "staging").iterdir()) == []


def test_not_final(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    for path in ("report", "download"):
        answer = api.http.get(f"/v1/jobs/{job}/{path}")
        assert check(answer, "not-final")["job"] == f"/v1/jobs/{job}"
        assert int(answer.headers["retry-after"]) >= 1
    check(api.http.post(f"/v1/jobs/{job}/retry"), "not-final")


def test_job_failed(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    api.http.post(f"/v1/jobs/{job}/cancel")
    body = check(api.http.get(f"/v1/jobs/{job}/download"), "job-failed")
    assert body["error"]["type"] == PREFIX + "canceled"


def test_in_use(api: Api) -> None:
    model = api.http.post("/v1/models", files={"model": ("a", b"1")}, headers={"Prefer": "wait=0"}).json()["id"]
    check(api.http.delete(f"/v1/models/{model}"), "in-use")


def test_gone(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    assert api.http.delete(f"/v1/jobs/{job}").status_code == 204
    for path in ("", "/events", "/report", "/artifacts", "/artifacts/hub.onnx", "/download", "/logs"):
        check(api.http.get(f"/v1/jobs/{job}{path}"), "gone")
    check(api.http.delete(f"/v1/jobs/{job}"), "gone")


def test_retry_of_a_deleted_model_is_gone(api: Api) -> None:
    model = api.http.post("/v1/models", files={"model": ("a", b"1")}, headers={"Prefer": "wait=0"}).json()["id"]
    job = api.http.post("/v1/jobs", json={"model": model, "target": "caffe"}).json()["id"]
    end(api.hub, job, "canceled")
    with api.hub.db.write() as session:
        models.remove(session, model)
    check(api.http.post(f"/v1/jobs/{job}/retry"), "gone")


def test_too_large_by_its_length_before_the_body(start: Callable[..., Api]) -> None:
    api = start(max_upload_bytes=1000)
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
    connection.putrequest("POST", "/v1/jobs")
    connection.putheader("Content-Length", "5000000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_too_large_without_a_length(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(max_upload_bytes=1000)
    api.announce(capabilities)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = api.http.post("/v1/jobs", content=iter([b"x" * 600] * 3), headers=headers)
    assert check(answer, "too-large")["limit"] == 1000


def test_unsupported_media_type(api: Api) -> None:
    headers = {"Content-Type": "text/plain"}
    check(api.http.post("/v1/jobs", content=b"x", headers=headers), "unsupported-media-type")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    check(api.http.post("/v1/jobs", content=b"x", headers=headers), "unsupported-media-type")


def test_range_not_satisfiable(api: Api) -> None:
    model = api.http.post("/v1/models", files={"model": ("a", b"12345")}, headers={"Prefer": "wait=0"}).json()
    answer = api.http.get(model["files"][0]["url"], headers={"Range": "bytes=9-"})
    check(answer, "range-not-satisfiable")
    assert answer.headers["content-range"] == "bytes */5"


def test_invalid_request(api: Api, submit: Submit) -> None:
    check(submit(verify="maybe"), "invalid-request")
    check(api.http.get("/v1/jobs", params={"status": "dead"}), "invalid-request")
    check(api.http.get("/v1/jobs", params={"limit": "many"}), "invalid-request")
    check(api.http.post("/v1/jobs", files={"weights": ("a", b"1")}, data={"target": "caffe"}), "invalid-request")


def test_unsupported_conversion_and_invalid_options(submit: Submit) -> None:
    check(submit(target="word2vec"), "unsupported-conversion")
    check(submit(options='{"opsett": 1}'), "invalid-options")


def test_missing_file(api: Api) -> None:
    check(api.http.post("/v1/jobs", files={"target": (None, "caffe")}), "missing-file")
    check(api.http.post("/v1/inspect", json={}), "missing-file")


def test_idempotency_mismatch(submit: Submit) -> None:
    assert submit({"Idempotency-Key": "k"}).status_code == 202
    check(submit({"Idempotency-Key": "k"}, content=b"other"), "idempotency-mismatch")
    check(submit({"Idempotency-Key": "k"}, tag="other"), "idempotency-mismatch")


def test_idempotency_in_progress(api: Api, submit: Submit) -> None:
    """The first request has sent its head but not its body yet."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as line:
        line.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 1000\r\nIdempotency-Key: slow\r\n\r\n--x\r\n"
        )
        time.sleep(0.3)
        answer = submit({"Idempotency-Key": "slow"})
    check(answer, "idempotency-in-progress")
    assert answer.headers["retry-after"] == "1"


def test_too_many(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(max_upload_files=2)
    api.announce(capabilities)
    files = [("model", (f"f{i}", b"")) for i in range(3)]
    check(api.http.post("/v1/jobs", files=files, data={"target": "caffe"}), "too-many")


def test_queue_full(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(max_queued=1)
    api.announce(capabilities)
    send = {"files": {"model": ("a", b"1")}, "data": {"target": "caffe"}}
    assert api.http.post("/v1/jobs", **send).status_code == 202
    answer = api.http.post("/v1/jobs", **send)
    check(answer, "queue-full")
    assert answer.headers["retry-after"]


def test_no_worker(start: Callable[..., Api]) -> None:
    api = start()
    answer = api.http.post("/v1/jobs", files={"model": ("a", b"1")}, data={"target": "caffe"})
    check(answer, "no-worker")
    assert api.http.get("/readyz").status_code == 503


def test_storage_full(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(disk_reserve_bytes=1 << 60)
    api.announce(capabilities)
    answer = api.http.post("/v1/jobs", content=b"\0" * (2 << 20), headers={"Content-Type": "application/json"})
    check(answer, "storage-full")


def test_timed_out(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    """Nobody is behind the announcement: the inspection is given up, and nothing of it is kept."""
    api = start(inspect_seconds=0.3)
    api.announce(capabilities)
    check(api.http.post("/v1/inspect", files={"model": ("a", b"1")}), "timed-out")
    with api.hub.db.read() as session:
        assert jobs.counts(session)["queued"] == 0


def test_internal(api: Api) -> None:
    """The database goes away under the service: an answer all the same, without a word of what is inside."""
    with api.hub.db.write() as session:
        session.connection().exec_driver_sql("DROP TABLE workers")
    body = check(api.http.get("/v1/formats"), "internal")
    assert "SELECT" not in body["detail"]


def test_every_type_has_its_test() -> None:
    """The documented list is what the service really says: test_<type> above provokes it."""
    tests = [name for name in globals() if name.startswith("test_")]
    for kind in REQUEST_KINDS:
        assert any(name.startswith(f"test_{kind.replace('-', '_')}") for name in tests), kind
