"""Darknet's files are told by content from those of other systems."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import Case, cases
from workers.formats.darknet.recognise import CFG, DATA, NAMES, OTHER, TREE, WEIGHTS, kind_of, sniff
from workers.inspect.upload import Upload, UploadedFile

FLOATS = np.random.default_rng(0).normal(size=2000).astype(np.float32).tobytes()


def upload(folder: Path, content: bytes, name: str = "model") -> UploadedFile:
    path = folder / name
    path.write_bytes(content)
    return Upload.of(path).files[0]


@pytest.mark.parametrize("case", cases("darknet"), ids=str)
def test_names_do_not_matter(tmp_path: Path, case: Case) -> None:
    files = [upload(tmp_path, path.read_bytes(), f"file_{i}.bin") for i, path in enumerate(case.files)]
    roles = [kind_of(file).role for file in files]
    assert roles[:2] == [CFG, WEIGHTS]
    evidence = sniff(Upload(tuple(files)))
    assert evidence is not None and evidence.score > 0.95 and "file_1.bin" in evidence.reason


@pytest.mark.parametrize(
    ("name", "text", "role"),
    [
        ("a", "# x\n\n[network]\nwidth=1\n", CFG), ("a", "\ufeff[net]\r\nwidth=1\r\n", CFG), ("a", " [net]\n", CFG),
        ("a.cfg", "[section]\nkey=value\n", OTHER), ("setup.cfg", "[metadata]\nname = x\n", OTHER),
        ("a", "[convolutional]\nfilters=1\n", OTHER), ("a.names", "cat\ndog\n", NAMES), ("a.txt", "cat\ndog\n", NAMES),
        ("a.data", "classes= 80\ntrain = x\nnames = y\n", DATA), ("9k.tree", "a -1\nb -1\nc 0\n", TREE),
        ("a.txt", "layer {\n  name: 'x'\n}\n", OTHER), ("a.json", '{"nodes": []}', OTHER),
        ("param", "7767517\n2 2\nInput data 0 1 data\n", OTHER),
    ],
)  # fmt: skip
def test_texts(tmp_path: Path, name: str, text: str, role: str) -> None:
    assert kind_of(upload(tmp_path, text.encode(), name)).role == role


@pytest.mark.parametrize(
    "header",
    [struct.pack("<3iI", 0, 1, 0, 99), struct.pack("<3iQ", 0, 2, 0, 99), struct.pack("<3iQ", 0, 2, 5, 2**40)],
    ids=range(3),
)
def test_weights_of_all_headers(tmp_path: Path, header: bytes) -> None:
    file = upload(tmp_path, header + FLOATS, "x.bin")
    assert kind_of(file).role == WEIGHTS
    evidence = sniff(Upload((file,)))
    assert evidence is not None and evidence.score == 0.5
    named = sniff(Upload((upload(tmp_path, header + FLOATS, "x.weights"),)))
    assert named is not None and named.score == 0.9


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x07" + bytes(range(256)) * 10, bytes(5000), b"\x89HDF\r\n\x1a\n" + FLOATS, b"PK\x03\x04" + FLOATS,
        b"\x80\x02}q\x00" + FLOATS, struct.pack("<3iQ", 0, 2, 5, 0) + np.random.default_rng(1).bytes(4000),
        struct.pack("<3iQ", 3, 77, 5, 0) + FLOATS, struct.pack("<Q", 200) + b'{"__metadata__":{}}' + FLOATS, b"abc\0",
        struct.pack("<iii", 4, 1, 1) + FLOATS,
    ],
    ids=range(10),
)  # fmt: skip
def test_binaries_of_other_systems_are_not_darknet(tmp_path: Path, content: bytes) -> None:
    file = upload(tmp_path, content)
    assert kind_of(file).role == OTHER and sniff(Upload((file,))) is None


@pytest.mark.parametrize("case", cases("caffe") + cases("mxnet"), ids=str)
def test_recorded_models_of_other_systems_are_not_darknet(case: Case) -> None:
    assert sniff(case.request().upload) is None
