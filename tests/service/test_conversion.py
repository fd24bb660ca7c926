"""A person uploads a model and gets it back converted, with the proof."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.service.serving import Service

TARGETS = ["onnx", "caffe", "pytorch"]


@pytest.fixture(scope="module")
def done(service: Service, lenet: list[Path]) -> dict[str, Any]:
    """LeNet converted to everything, in one request."""
    return service.submit(lenet, TARGETS, headers={"Prefer": "wait=60"}, tag="lenet")


def test_the_job_says_what_was_read_and_what_was_proved(done: dict[str, Any]) -> None:
    assert done["status"] == "succeeded", done["error"]
    assert (done["progress"], done["attempt"], done["tag"]) == (1.0, 1, "lenet")
    assert done["source"]["format"] == "caffe"
    assert sorted(done["source"]["files"]) == ["lenet.prototxt", "lenet_iter_10000.caffemodel"]
    assert [target["format"] for target in done["targets"]] == TARGETS
    assert all(target["error"] is None for target in done["targets"])
    assert done["verification"]["verdict"] == "verified"
    subjects = {line["subject"] for line in done["verification"]["comparisons"]}
    assert subjects == {"hub", *TARGETS}
    assert done["verification"]["worst"]["ratio"] <= 1
    assert [stage["name"] for stage in done["stages"]][:4] == ["inspect", "read", "normalise", "check"]
    assert done["created_at"] <= done["started_at"] <= done["finished_at"] < done["expires_at"]


def test_every_artifact_is_what_its_entry_says(service: Service, done: dict[str, Any]) -> None:
    items = service.http.get(done["urls"]["artifacts"]).json()["items"]
    assert items == done["artifacts"]
    names = {item["name"] for item in items}
    assert {"hub.onnx", "report.json", "report.html", "onnx/model.onnx", "pytorch/model.py"} <= names
    for item in items:
        answer = service.http.get(item["url"])
        digest = hashlib.sha256(answer.content).digest()
        assert digest.hex() == item["sha256"]
        assert len(answer.content) == item["size"]
        assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"


def test_the_downloaded_hub_computes_what_caffe_computed(
    service: Service, done: dict[str, Any], lenet: list[Path]
) -> None:
    hub = service.http.get(f"/v1/jobs/{done['id']}/artifacts/hub.onnx").content
    session = onnxruntime.InferenceSession(hub, providers=["CPUExecutionProvider"])
    recorded = np.load(lenet[0].parent / "io_0.npz")
    feeds = {session.get_inputs()[0].name: recorded[next(n for n in recorded.files if n.startswith("in"))]}
    got = session.run(None, feeds)[0]
    want = recorded[next(n for n in recorded.files if n.startswith("out"))]
    assert np.abs(got - want).max() <= 1e-5 + 1e-4 * np.abs(want).max()


def test_the_report_comes_as_json_and_as_a_page_without_scripts(service: Service, done: dict[str, Any]) -> None:
    url = done["urls"]["report"]
    report = service.http.get(url)
    assert report.headers["content-type"] == "application/json"
    assert report.json()["verdict"] == "verified"
    page = service.http.get(url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "script" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["content-disposition"].startswith("inline")
    assert "<script" not in page.text


def test_the_download_is_everything_or_one_target(service: Service, done: dict[str, Any]) -> None:
    answer = service.http.get(done["urls"]["download"])
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="lenet.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {item["name"] for item in done["artifacts"]}
    one = service.http.get(done["urls"]["download"], params={"target": "onnx"})
    assert 'filename="model.onnx"' in one.headers["content-disposition"]
    onnxruntime.InferenceSession(one.content, providers=["CPUExecutionProvider"])
    assert service.http.get(done["urls"]["download"], params={"target": "word2vec"}).status_code == 404


def test_events_tell_every_stage_and_the_layers_read(service: Service, long: list[Path]) -> None:
    job = service.submit(long, "onnx", verify="none")
    with service.http.stream("GET", job["urls"]["events"], timeout=90) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["status"] == "succeeded"
    stages = [event["stage"] for event in events if event["type"] == "stage"]
    assert stages == ["inspect", "read", "normalise", "write:onnx", "report"]
    read = [event for event in events if event["type"] == "progress" and event["stage"] == "read"]
    assert len(read) >= 2
    assert read[0]["total"] >= 4000
    assert any(event["layer"].startswith(("fc", "relu")) for event in read)
    progress = [event["progress"] for event in events]
    assert progress == sorted(progress)


def test_samples_of_the_user_are_what_it_is_held_against(service: Service, lenet: list[Path]) -> None:
    samples = ("test_inputs", ("io.npz", (lenet[0].parent / "io_0.npz").read_bytes()))
    parts: list[Any] = [("model", (file.name, file.read_bytes())) for file in lenet]
    answer = service.http.post(
        "/v1/jobs", files=[*parts, samples], data={"target": "onnx"}, headers={"Prefer": "wait=60"}
    )
    job = answer.json()
    assert job["status"] == "succeeded", job["error"]
    report = service.http.get(job["urls"]["report"]).json()
    origins = {sample["origin"] for comparison in report["comparisons"] for sample in comparison["samples"]}
    assert "user" in origins


def test_a_mismatch_fails_the_job_but_keeps_what_was_made(service: Service, lenet: list[Path]) -> None:
    """The user's samples say something else than the model computes."""
    recorded = dict(np.load(lenet[0].parent / "io_0.npz"))
    for name in recorded:
        if name.startswith("out"):
            recorded[name] = recorded[name][..., ::-1].copy()
    wrong = io.BytesIO()
    np.savez(wrong, **recorded)
    parts: list[Any] = [("model", (file.name, file.read_bytes())) for file in lenet]
    parts.append(("test_inputs", ("io.npz", wrong.getvalue())))
    headers = {"Prefer": "wait=60"}
    job = service.http.post("/v1/jobs", files=parts, data={"target": "onnx"}, headers=headers).json()
    assert job["status"] == "failed"
    assert job["error"]["type"] == "/problems/parity-failed"
    assert job["verification"]["verdict"] == "mismatched"
    assert service.http.get(f"/v1/jobs/{job['id']}/artifacts/hub.onnx").status_code == 200
    refused = service.http.get(job["urls"]["download"])
    assert refused.status_code == 409
    assert refused.json()["error"]["type"] == "/problems/parity-failed"
    data = {"target": "onnx", "on_mismatch": "warn"}
    warned = service.http.post("/v1/jobs", files=parts, data=data, headers=headers).json()
    assert warned["status"] == "succeeded"
    assert warned["verification"]["verdict"] == "mismatched"


def test_one_request_converts_one_file(service: Service, done: dict[str, Any]) -> None:
    hub = service.http.get(f"/v1/jobs/{done['id']}/artifacts/hub.onnx").content
    answer = service.http.put("/v1/convert/onnx?filename=lenet.onnx", content=hub)
    assert answer.status_code == 200, answer.text
    assert 'rel="job"' in answer.headers["link"]
    assert answer.headers["repr-digest"].startswith("sha-256=")
    onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])
    refused = service.http.put("/v1/convert/onnx", content=b"\x89PNG\r\n\x1a\n")
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/job-failed"
    assert refused.json()["error"]["type"] == "/problems/unknown-format"


def test_inspection_keeps_nothing_and_tells_what_it_is(service: Service, lenet: list[Path]) -> None:
    parts = [("model", (file.name, file.read_bytes())) for file in lenet]
    before = service.http.get("/metrics").text
    answer = service.http.post("/v1/inspect", files=parts)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["source"]["format"] == "caffe"
    assert told["hub"]["inputs"][0]["shape"][1:] == [1, 28, 28]
    assert {prospect["target"] for prospect in told["targets"] if prospect["possible"]} >= {"caffe"}
    queued = [line for line in before.splitlines() if line.startswith('onnxhub_jobs{status="queued"}')]
    assert queued == ['onnxhub_jobs{status="queued"} 0.0']


def test_a_dry_run_says_what_would_happen(service: Service, lenet: list[Path]) -> None:
    parts = [("model", (file.name, file.read_bytes())) for file in lenet]
    answer = service.http.post("/v1/jobs", files=parts, data={"target": "pytorch", "dry_run": "true"})
    assert answer.status_code == 200
    assert answer.json()["dry_run"] is True
    assert answer.json()["possible"] is True
    assert [prospect["target"] for prospect in answer.json()["targets"]] == ["pytorch"]


def test_an_uploaded_model_is_recognised_and_converted_often(service: Service, lenet: list[Path]) -> None:
    parts = [("model", (file.name, file.read_bytes())) for file in lenet]
    model = service.http.post("/v1/models", files=parts).json()
    assert model["detected"]["source"]["format"] == "caffe"
    assert model["error"] is None
    for target in ("onnx", "caffe"):
        answer = service.http.post(
            "/v1/jobs", json={"model": model["id"], "target": target}, headers={"Prefer": "wait=60"}
        )
        assert answer.json()["status"] == "succeeded"
    assert service.http.delete(model["urls"]["self"]).status_code == 204
    assert service.http.get(model["urls"]["self"]).status_code == 404


def test_the_catalogue_is_what_the_worker_can_do(service: Service) -> None:
    formats = {format["name"]: format for format in service.http.get("/v1/formats").json()["items"]}
    assert formats["caffe"]["read"] and formats["caffe"]["write"]
    assert ".caffemodel" in formats["caffe"]["extensions"]
    pairs = service.http.get("/v1/conversions", params={"source": "caffe"})
    assert {pair["target"] for pair in pairs.json()["items"]} >= set(TARGETS)
    assert "input_shapes" in pairs.json()["options"]["properties"]
    same = service.http.get("/v1/conversions?source=caffe", headers={"If-None-Match": pairs.headers["etag"]})
    assert same.status_code == 304
    assert "onnxhub" in service.http.get("/").text
    metrics = service.http.get("/metrics").text
    assert 'onnxhub_jobs{status="succeeded"}' in metrics
    assert "onnxhub_workers 1.0" in metrics
