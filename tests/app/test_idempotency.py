"""A request repeated with its Idempotency-Key is carried out once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2

from app.clock import now
from app.db import keys
from tests.app.serving import Api

Submit = Callable[..., httpx2.Response]


def test_a_replay_gives_the_same_job(api: Api, submit: Submit) -> None:
    first, second = submit({"Idempotency-Key": "k"}), submit({"Idempotency-Key": "k"})
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.status_code == first.status_code == 202
    assert second.headers["location"] == first.headers["location"]
    assert len(api.http.get("/v1/jobs").json()["items"]) == 1
    assert submit({"Idempotency-Key": "other"}).json()["id"] != first.json()["id"]


def test_the_boundary_of_the_form_does_not_matter(api: Api) -> None:
    ids = set()
    for boundary in ("one", "two"):
        headers = {"Idempotency-Key": "k", "Content-Type": f"multipart/form-data; boundary={boundary}"}
        lines = [f"--{boundary}", 'Content-Disposition: form-data; name="target"', "", "caffe", f"--{boundary}"]
        lines += ['Content-Disposition: form-data; name="model"; filename="a"', "", "1", f"--{boundary}--", ""]
        ids.add(api.http.post("/v1/jobs", content="\r\n".join(lines).encode(), headers=headers).json()["id"])
    assert len(ids) == 1


def test_of_many_at_once_one_is_carried_out(api: Api) -> None:
    answers: list[httpx2.Response] = []

    def post() -> None:
        with httpx2.Client(base_url=api.url, timeout=30) as http:
            headers = {"Idempotency-Key": "race"}
            files = {"model": ("a", b"1" * 100_000)}
            answers.append(http.post("/v1/jobs", files=files, data={"target": "caffe"}, headers=headers))

    threads = [threading.Thread(target=post) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(api.http.get("/v1/jobs").json()["items"]) == 1


def test_a_failed_request_leaves_its_key_free(submit: Submit) -> None:
    assert submit({"Idempotency-Key": "k"}, verify="maybe").status_code == 422
    assert submit({"Idempotency-Key": "k"}).status_code == 202


def test_a_key_is_forgotten_after_its_time(api: Api, submit: Submit) -> None:
    first = submit({"Idempotency-Key": "k"}).json()["id"]
    with api.hub.db.write() as session:
        keys.forget(session, now() + timedelta(seconds=1), unfinished=False)
    assert submit({"Idempotency-Key": "k"}).json()["id"] != first


def test_models_are_made_once_too(api: Api) -> None:
    def post() -> httpx2.Response:
        headers = {"Idempotency-Key": "m", "Prefer": "wait=0"}
        return api.http.post("/v1/models", files={"model": ("a", b"1")}, headers=headers)

    first, second = post(), post()
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]


def test_impossible_keys_are_refused(submit: Submit) -> None:
    answers: list[Any] = [submit({"Idempotency-Key": key}).status_code for key in ("", "x" * 256)]
    assert answers == [400, 400]
