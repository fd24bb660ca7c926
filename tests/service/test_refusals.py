"""Models that cannot be converted: each its own clear problem, the job failed, the worker alive."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.service.serving import Service

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
UNSUPPORTED = """
name: "odd"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "warp1" type: "WarpCTC" bottom: "data" top: "warp1" }
layer { name: "py2" type: "Python" bottom: "warp1" top: "py2" }
"""


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def failed(service: Service, files: dict[str, bytes], **fields: Any) -> dict[str, Any]:
    """The error of the job that these files become."""
    parts = [("model", file) for file in files.items()]
    data = {"target": "onnx", **fields}
    job = service.http.post("/v1/jobs", files=parts, data=data, headers={"Prefer": "wait=60"}).json()
    assert job["status"] == "failed", job
    error: dict[str, Any] = job["error"]
    assert error["docs"] == error["type"]
    assert service.http.get(error["docs"]).status_code == 200
    told = str(error) + service.http.get(job["urls"]["logs"]).text
    assert str(service.home) not in told
    assert str(Path(__file__).parents[2]) not in told and "site-packages/../" not in told
    return error


@pytest.fixture(autouse=True)
def worker_alive(service: Service) -> Any:
    before = service.main_worker().pid
    yield
    assert service.main_worker().pid == before


def test_unknown_format(service: Service) -> None:
    assert failed(service, {"net.caffemodel": PNG})["type"] == "/problems/unknown-format"
    assert failed(service, {"one": b"\0"})["type"] == "/problems/unknown-format"


def test_missing_file(service: Service, lenet: list[Path]) -> None:
    error = failed(service, {lenet[0].name: lenet[0].read_bytes()})
    assert error["type"] == "/problems/missing-file"
    assert ".caffemodel" in error["detail"] + error.get("hint", "")


def test_malformed_model(service: Service, lenet: list[Path]) -> None:
    assert failed(service, {"empty": b""})["type"] == "/problems/malformed-model"
    half = lenet[1].read_bytes()[:10_000]
    error = failed(service, {lenet[0].name: lenet[0].read_bytes(), lenet[1].name: half})
    assert error["type"] == "/problems/malformed-model"
    assert lenet[1].name in str(error)


def test_unsupported_operators_are_all_named(service: Service) -> None:
    error = failed(service, {"odd.prototxt": UNSUPPORTED.encode()})
    assert error["type"] == "/problems/unsupported-op"
    assert [item["layer"] for item in error["unsupported"]] == ["warp1", "py2"]


def test_unsafe_archive(service: Service) -> None:
    error = failed(service, {"model.zip": zipped(**{"..__..__evil.prototxt": b"x"})})
    assert error["type"] == "/problems/unsafe-archive"


def test_invalid_options(service: Service, lenet: list[Path]) -> None:
    files = {file.name: file.read_bytes() for file in lenet}
    error = failed(service, files, inputs="nonsense:1,3,8,8")
    assert error["type"] == "/problems/invalid-options"


def test_an_inspection_answers_with_the_same_problem(service: Service) -> None:
    answer = service.http.post("/v1/inspect", files={"model": ("net.caffemodel", PNG)})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/unknown-format"
    model = service.http.post("/v1/models", files={"model": ("net.caffemodel", PNG)}).json()
    assert model["detected"] is None
    assert model["error"]["type"] == "/problems/unknown-format"
