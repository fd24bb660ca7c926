"""A LeNet job's whole latency through a running service, against the same conversion called in-process.

``python -m benchmarks.latency [URL]`` (default http://localhost:8000); the service must be running (``make serve``).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from app.client import Client
from benchmarks.measure import machine
from workers.inspect.upload import Upload
from workers.pipeline import Conversion, convert

MODEL = Path(__file__).parent.parent / "tests/models/caffe/lenet_v1"
FILES = (MODEL / "lenet.prototxt", MODEL / "lenet_iter_10000.caffemodel")
RUNS = 7


def in_process(verify: str) -> float:
    with tempfile.TemporaryDirectory() as temporary:
        out, work = Path(temporary, "out"), Path(temporary, "work")
        out.mkdir()
        work.mkdir()
        start = time.perf_counter()
        convert(Conversion(Upload.of(*FILES).files, ("onnx",), out, work, verify=verify))  # type: ignore[arg-type]
        return time.perf_counter() - start


def through_service(url: str, verify: str) -> float:
    client = Client(url)
    start = time.perf_counter()
    job = client.wait(client.submit(FILES, [("target", "onnx"), ("verify", verify)], []), lambda job: None)
    with tempfile.TemporaryDirectory() as temporary:
        client.download(job, Path(temporary))
        seconds = time.perf_counter() - start
    assert job["status"] == "succeeded", job
    return seconds


def main(url: str) -> None:
    print(f"machine: {machine()}; medians of {RUNS} runs after one to warm up")
    for verify in ("none", "target"):
        here = [in_process(verify) for _ in range(RUNS + 1)][1:]
        there = [through_service(url, verify) for _ in range(RUNS + 1)][1:]
        local, remote = statistics.median(here), statistics.median(there)
        print(
            f"verify={verify}: in-process {local * 1e3:.0f} ms, service {remote * 1e3:.0f} ms ({remote / local:.1f} x)"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
