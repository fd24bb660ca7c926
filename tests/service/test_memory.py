"""A large upload costs the API no memory."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator

import psutil

from tests.service.serving import Service

MIB = 1 << 20
SIZE = 1024 * MIB
BLOCK = bytes(range(256)) * 4096


def body() -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="model"; filename="big.bin"\r\n\r\n'
    for _ in range(SIZE // MIB):
        yield BLOCK
    yield b'\r\n--x\r\nContent-Disposition: form-data; name="target"\r\n\r\nonnx\r\n--x--\r\n'


def test_a_gibibyte_passes_through_a_few_megabytes(service: Service) -> None:
    api = psutil.Process(service._process.pid)  # type: ignore[union-attr]
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    service.http.get("/readyz")
    before = api.memory_info().rss
    peak = 0

    def watched() -> Iterator[bytes]:
        nonlocal peak
        for index, block in enumerate(body()):
            if index % 64 == 0:
                peak = max(peak, api.memory_info().rss)
            yield block

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    connection.request("POST", "/v1/jobs", body=watched(), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    job = json.loads(answer.read())
    assert answer.status == 202, job
    assert peak - before < 64 * MIB
    model = service.http.get(f"/v1/models/{job['model']}").json()
    digest = hashlib.sha256()
    for _ in range(SIZE // MIB):
        digest.update(BLOCK)
    assert model["files"][0]["sha256"] == digest.hexdigest()
    assert service.finished(job)["error"]["type"] == "/problems/unknown-format"
    service.http.delete(job["urls"]["self"])
