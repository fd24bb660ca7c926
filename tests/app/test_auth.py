"""API keys: who has none gets nothing, who has one sees only what is theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import auth
from app.db.engine import Database
from app.settings import Settings
from tests.app.serving import Api


@pytest.fixture
def guarded(start: Callable[..., Api], capabilities: dict[str, Any]) -> Api:
    api = start(auth="keys")
    api.announce(capabilities)
    return api


def bearer(api: Api, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {auth.create(api.hub.db, name)}"}


def test_everything_under_v1_needs_a_key(guarded: Api) -> None:
    open_to_all = {"/livez", "/readyz", "/version", "/metrics"}
    for path, methods in guarded.app.openapi()["paths"].items():
        for method in methods:
            answer = guarded.http.request(method, path.replace("{", "").replace("}", ""))
            assert (answer.status_code == 401) == (path not in open_to_all), path


def test_another_keys_things_are_not_found(guarded: Api) -> None:
    mine, theirs = bearer(guarded, "mine"), bearer(guarded, "theirs")
    files = {"model": ("a", b"1")}
    job = guarded.http.post("/v1/jobs", files=files, data={"target": "caffe"}, headers=mine).json()["id"]
    model = guarded.http.post("/v1/models", files=files, headers={**mine, "Prefer": "wait=0"}).json()["id"]
    urls = [("GET", f"/v1/jobs/{job}{end}") for end in ("", "/events", "/report", "/artifacts", "/download", "/logs")]
    urls += [("POST", f"/v1/jobs/{job}/cancel"), ("POST", f"/v1/jobs/{job}/retry"), ("DELETE", f"/v1/jobs/{job}")]
    urls += [("GET", f"/v1/models/{model}"), ("GET", f"/v1/models/{model}/files/a"), ("DELETE", f"/v1/models/{model}")]
    for method, url in urls:
        assert guarded.http.request(method, url, headers=theirs).status_code == 404, url
    body = {"model": model, "target": "caffe"}
    assert guarded.http.post("/v1/jobs", json=body, headers=theirs).status_code == 404
    assert guarded.http.get("/v1/jobs", headers=theirs).json()["items"] == []
    assert guarded.http.get("/v1/jobs", headers=theirs, params={"after": job}).status_code == 400
    assert guarded.http.get(f"/v1/jobs/{job}", headers=mine).status_code == 200


def test_the_same_idempotency_key_of_two_keys_is_two(guarded: Api) -> None:
    ids = set()
    for who in ("mine", "theirs"):
        headers = {**bearer(guarded, who), "Idempotency-Key": "k"}
        answer = guarded.http.post("/v1/jobs", files={"model": ("a", b"1")}, data={"target": "caffe"}, headers=headers)
        ids.add(answer.json()["id"])
    assert len(ids) == 2


def test_a_key_is_stored_as_a_digest_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert auth.main(["create", "ci"], settings) == 0
    db = Database(settings.database)
    key = auth.create(db, "x")
    db.close()
    assert key.split("_")[2].encode() not in (tmp_path / "onnxhub.db").read_bytes()


def test_keys_are_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(home=tmp_path)
    assert auth.main(["create", "ci"], settings) == 0
    key = capsys.readouterr().out.strip()
    db = Database(settings.database)
    assert auth.check(db, key) == key.split("_")[1]
    assert auth.check(db, key[:-1] + ("0" if key[-1] != "0" else "1")) is None
    assert auth.main(["revoke", key.split("_")[1]], settings) == 0
    assert auth.check(db, key) is None
    assert auth.main(["list"], settings) == 0
    assert "revoked" in capsys.readouterr().out
    assert auth.main(["revoke", "00000000"], settings) == 1
    assert auth.main([], settings) == 2
