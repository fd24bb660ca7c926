"""Caffe2 files are known by what is in them, and others are not taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.caffe2.nets import normal, operator, pair
from tests.workers.formats.cases import MODELS, cases
from workers.formats import caffe
from workers.formats.caffe2.file import parse_net, read_net, write_net
from workers.formats.caffe2.recognise import sniff
from workers.inspect.prototext import print_text
from workers.inspect.upload import Upload

OTHERS = sorted(path for path in MODELS.glob("*/*") if path.is_dir() and path.parent.name != "caffe2")


@pytest.mark.parametrize("folder", OTHERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_models_of_other_systems_are_not_taken(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".npz", ".npy")]
    evidence = sniff(Upload.of(*files))
    assert evidence is None or evidence.score < 0.5, evidence


@pytest.mark.parametrize("case", cases("caffe2"), ids=str)
def test_caffe_does_not_take_them(case: object) -> None:
    evidence = caffe.FORMAT.sniff(case.request().upload)  # type: ignore[attr-defined]
    assert evidence is None or evidence.score < 0.5, evidence


def test_names_mean_nothing(tmp_path: Path) -> None:
    init, predict = pair([operator("FC", ["x", "w", "b"], ["y"])], {"w": normal(2, 3), "b": normal(2)}, ["x"], ["y"])
    for name, data in (("model.onnx", write_net(predict)), ("deploy.prototxt", print_text(predict).encode()),
                       ("weights.caffemodel", write_net(init))):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(data)
        evidence = sniff(Upload.of(path))
        assert evidence is not None and evidence.score >= 0.9 and name in evidence.reason


def test_text_and_bytes_hold_the_same_net() -> None:
    init, predict = pair([operator("Clip", ["x"], ["y"], min=-0.5, max=2.0)], {"w": normal(4)}, ["x"], ["y"])
    for record in (init, predict):
        assert read_net(write_net(record), "net") == record
        assert parse_net(print_text(record).encode(), "net").message == record
