"""Jobs over HTTP as far as that needs no worker: creation, listing, waiting, cancelling, events."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2

from app.clock import now
from app.context import Hub
from app.db import jobs
from tests.app.serving import Api

Submit = Callable[..., httpx2.Response]


def change(hub: Hub, job_id: str, event: str, **values: Any) -> None:
    """What a worker does to a row, done here."""
    with hub.db.write() as session:
        assert jobs.change(session, job_id, event, **values)


def finish(hub: Hub, job_id: str) -> None:
    change(hub, job_id, "started", to="running")
    change(hub, job_id, "succeeded", to="succeeded", finished_at=now(), expires_at=now() + timedelta(hours=1))


def test_a_job_is_accepted_with_all_that_a_client_needs(submit: Submit) -> None:
    answer = submit(tag="release-41", options='{"seed": 7}')
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{body['id']}" == body["urls"]["self"]
    assert answer.headers["etag"] == 'W/"1"'
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert (body["status"], body["seq"], body["progress"], body["tag"]) == ("queued", 1, 0.0, "release-41")
    assert body["options"] == {"seed": 7}
    assert body["source"]["files"] == ["net.caffemodel"]
    assert body["targets"] == [{"format": "caffe", "verdict": None, "error": None}]
    assert body["queue_position"] == 0


def test_fields_may_come_in_any_order(api: Api) -> None:
    parts = [("target", (None, "caffe")), ("model", ("b", b"2")), ("tag", (None, "t")), ("model", ("a", b"1"))]
    orders = [parts, parts[::-1], [parts[1], parts[0], parts[3], parts[2]]]
    bodies = [api.http.post("/v1/jobs", files=order).json() for order in orders]
    assert [body["tag"] for body in bodies] == ["t"] * 3
    assert [body["source"]["files"] for body in bodies] == [["b", "a"], ["a", "b"], ["b", "a"]]


def test_a_job_may_name_an_uploaded_model(api: Api) -> None:
    model = api.http.post("/v1/models", files={"model": ("net.onnx", b"1")}, headers={"Prefer": "wait=0"})
    assert model.status_code == 201
    assert model.headers["location"] == model.json()["urls"]["self"]
    answer = api.http.post("/v1/jobs", json={"model": model.json()["id"], "target": ["caffe"], "tag": "json"})
    assert answer.status_code == 202
    assert answer.json()["model"] == model.json()["id"]
    assert answer.json()["source"]["files"] == ["net.onnx"]
    assert api.http.post("/v1/jobs", json={"model": "none", "target": "caffe"}).status_code == 404


def test_hostile_names_come_back_harmless(api: Api) -> None:
    names = ["../../x.pb", "<script>alert(1)</script>.pb", "a\u202eb.pb", "x" * 900 + ".pb"]
    files = [("model", (name, b"%d" % i)) for i, name in enumerate(names)]
    job = api.http.post("/v1/jobs", files=files, data={"target": "caffe"}).json()
    assert job["source"]["files"][0] == "x.pb"
    assert job["source"]["files"][2] == "a_b.pb"
    assert all(len(name) <= 200 for name in job["source"]["files"])
    stored = [path for path in api.settings.storage_folder.rglob("*") if path.is_file()]
    assert len(stored) == 4
    assert all(len(path.name) == 64 for path in stored)


def test_listing_pages_by_cursor_and_filters(api: Api, submit: Submit) -> None:
    made = [submit(tag="even" if i % 2 == 0 else "odd").json()["id"] for i in range(5)]
    seen: list[str] = []
    url: str | None = "/v1/jobs?limit=2"
    while url:
        answer = api.http.get(url)
        seen += [item["id"] for item in answer.json()["items"]]
        link = answer.headers.get("link")
        url = link.partition(">")[0].removeprefix("<") if link else None
        assert (answer.json()["next"] is None) == (url is None)
    assert seen == made[::-1]
    tagged = api.http.get("/v1/jobs", params={"tag": "odd"}).json()["items"]
    assert [item["id"] for item in tagged] == [made[3], made[1]]
    assert len(api.http.get("/v1/jobs", params={"status": "queued"}).json()["items"]) == 5
    assert api.http.get("/v1/jobs", params={"status": "failed"}).json()["items"] == []
    assert len(api.http.get("/v1/jobs", params={"target": "caffe"}).json()["items"]) == 5
    assert api.http.get("/v1/jobs", params={"target": "caf"}).json()["items"] == []


def test_polling_gets_304_until_something_changed(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    first = api.http.get(f"/v1/jobs/{job}")
    headers = {"If-None-Match": first.headers["etag"]}
    again = api.http.get(f"/v1/jobs/{job}", headers=headers)
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["retry-after"]
    change(api.hub, job, "started", to="running", stage="read")
    changed = api.http.get(f"/v1/jobs/{job}", headers=headers)
    assert changed.status_code == 200
    assert changed.json()["stage"] == "read"


def test_a_long_poll_ends_when_the_job_changes(api: Api, submit: Submit) -> None:
    """Within 250 ms of the change, as promised; the answer to the old ETag is the new state."""
    job = submit().json()["id"]
    etag = api.http.get(f"/v1/jobs/{job}").headers["etag"]
    changed_at: list[float] = []

    def later() -> None:
        time.sleep(0.5)
        change(api.hub, job, "started", to="running")
        changed_at.append(time.monotonic())

    thread = threading.Thread(target=later)
    thread.start()
    answer = api.http.get(f"/v1/jobs/{job}?wait=10", headers={"If-None-Match": etag})
    late = time.monotonic() - changed_at[0]
    thread.join()
    assert answer.status_code == 200
    assert answer.json()["status"] == "running"
    assert late < 0.25
    assert answer.headers["preference-applied"] == "wait=10"


def test_waiting_ends_after_the_time_asked_for(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    start = time.monotonic()
    answer = api.http.get(f"/v1/jobs/{job}?wait=1")
    assert 0.9 < time.monotonic() - start < 2
    assert answer.json()["status"] == "queued"
    etag = answer.headers["etag"]
    assert api.http.get(f"/v1/jobs/{job}?wait=1", headers={"If-None-Match": etag}).status_code == 304


def test_prefer_wait_answers_201_when_the_job_is_final(api: Api) -> None:
    def end_it() -> None:
        while not (items := api.http.get("/v1/jobs").json()["items"]):
            time.sleep(0.05)
        finish(api.hub, items[0]["id"])

    thread = threading.Thread(target=end_it)
    thread.start()
    with httpx2.Client(base_url=api.url, timeout=30) as http:
        files = {"model": ("a", b"1")}
        answer = http.post(
            "/v1/jobs", files=files, data={"target": "caffe"}, headers={"Prefer": "respond-async, wait=20"}
        )
    thread.join()
    assert answer.status_code == 201
    assert answer.json()["status"] == "succeeded"
    assert answer.headers["preference-applied"] == "wait=20"
    assert "retry-after" not in answer.headers


def test_cancelling_a_waiting_job_ends_it_at_once(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    answer = api.http.post(f"/v1/jobs/{job}/cancel")
    assert answer.status_code == 202
    assert answer.json()["status"] == "canceled"
    assert answer.json()["error"]["type"] == "/problems/canceled"
    assert answer.json()["finished_at"]
    again = api.http.post(f"/v1/jobs/{job}/cancel")
    assert again.status_code == 200
    assert again.json()["seq"] == answer.json()["seq"]


def test_retry_makes_a_new_job_of_the_same_wishes(api: Api, submit: Submit) -> None:
    job = submit(tag="again", options='{"seed": 3}').json()
    api.http.post(f"/v1/jobs/{job['id']}/cancel")
    answer = api.http.post(f"/v1/jobs/{job['id']}/retry")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    assert answer.json()["retry_of"] == job["id"]
    for member in ("options", "targets", "tag", "model", "verify"):
        assert answer.json()[member] == job[member]


def read_events(lines: Iterator[str], count: int | None = None) -> list[dict[str, Any]]:
    """Server-sent events as a browser reads them; all until the stream ends, or the first ``count``."""
    events: list[dict[str, Any]] = []
    entry: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            entry[name] = value
        elif not line and "data" in entry:
            events.append({"id": int(entry["id"]), "event": entry["event"], **json.loads(entry["data"])})
            entry = {}
            if count is not None and len(events) == count:
                return events
    return events


def test_events_resume_where_the_line_broke_without_gap_or_repeat(api: Api, submit: Submit) -> None:
    job = submit().json()["id"]
    change(api.hub, job, "started", to="running")
    change(api.hub, job, "stage", stage="read", progress=0.1)
    with api.http.stream("GET", f"/v1/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        first = read_events(answer.iter_lines(), 3)
    assert [event["event"] for event in first] == ["queued", "started", "stage"]

    def go_on() -> None:
        for layer in range(20):
            change(api.hub, job, "progress", progress=0.1 + layer / 100, data={"layer": f"conv{layer}"})
        change(api.hub, job, "succeeded", to="succeeded", finished_at=now(), expires_at=now() + timedelta(hours=1))

    thread = threading.Thread(target=go_on)
    thread.start()
    with api.http.stream("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(first[-1]["id"])}) as answer:
        rest = read_events(answer.iter_lines())
    thread.join()
    assert [event["id"] for event in [*first, *rest]] == list(range(1, 25))
    assert [event["layer"] for event in rest[:-1]] == [f"conv{i}" for i in range(20)]
    assert rest[-1]["event"] == "succeeded"


def test_a_final_state_is_reached_once_however_many_ask(api: Api, submit: Submit) -> None:
    """SECURITY: many concurrent cancels and deletes of one job."""
    job = submit().json()["id"]
    answers: list[int] = []

    def ask(method: str, path: str) -> None:
        with httpx2.Client(base_url=api.url, timeout=30) as http:
            answers.append(http.request(method, path).status_code)

    calls = [("POST", f"/v1/jobs/{job}/cancel"), ("DELETE", f"/v1/jobs/{job}")] * 20
    threads = [threading.Thread(target=ask, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(204) == 1
    assert set(answers) <= {200, 202, 204, 410}
    with api.hub.db.read() as session:
        told = [event.type for event in jobs.events_after(session, job, 0)]
    assert told == ["queued", "canceled", "expired"]
