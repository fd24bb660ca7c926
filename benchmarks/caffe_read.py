"""Reading VGG-16 (550 MB of caffemodel) to ONNX: time and peak memory against copying the file.

``python -m benchmarks.caffe_read [FOLDER]``
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.measure import MIB, copy_seconds, in_fresh_process, machine
from benchmarks.vgg16 import generate
from workers.formats import all_formats
from workers.formats.contract import ReadRequest
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.inspect.sniff import sniff
from workers.inspect.upload import Upload
from workers.options import DEFAULTS

# What a job imports, a warm worker has imported before.
import_module("workers.preload")


def work(prototxt: str, caffemodel: str, target: str) -> None:
    """What is measured: sniff, read, normalise, check and save."""
    upload = Upload.of(Path(prototxt), Path(caffemodel))
    format, _ = sniff(upload, all_formats(), None)
    assert format.read is not None
    hub, _ = normalise(format.read(ReadRequest(upload)).model, DEFAULTS)
    check(hub)
    save(hub, Path(target))


def main(folder: Path) -> None:
    prototxt, caffemodel = generate(folder)
    size = caffemodel.stat().st_size
    copied = copy_seconds(caffemodel, folder / "copy")
    costs = []
    for _ in range(3):
        target = folder / "hub.onnx"
        costs.append(in_fresh_process("benchmarks.caffe_read", str(prototxt), str(caffemodel), str(target)))
        target.unlink()
    cost = sorted(costs, key=lambda c: c.seconds)[1]
    print(f"machine: {machine()}")
    print(f"caffemodel: {size / MIB:.0f} MiB; copying it: {copied:.2f} s")
    print(
        f"reading to ONNX: {cost.seconds:.2f} s = {cost.seconds / copied:.2f} x the copy"
        f" (imports before: {cost.import_seconds:.2f} s)"
    )
    print(f"peak memory: {cost.peak / MIB:.0f} MiB = {cost.peak / size:.2f} x the file")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
