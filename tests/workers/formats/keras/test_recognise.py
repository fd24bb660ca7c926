"""Keras files are told by their content, and not mistaken for another system's."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest

from tests.workers.formats.cases import MODELS, Case, cases
from workers.formats.keras import FORMAT
from workers.formats.keras.read import coverage
from workers.inspect.upload import Upload


@pytest.mark.parametrize("case", cases("keras"), ids=str)
def test_a_file_under_another_name_is_still_recognised(case: Case, tmp_path: Path) -> None:
    paths = []
    for place, path in enumerate(case.files):
        paths.append(tmp_path / f"upload_{place}.bin")
        paths[-1].write_bytes(path.read_bytes())
    evidence = FORMAT.sniff(Upload.of(*paths))
    assert evidence is not None and evidence.score >= 0.9


def test_another_systems_files_are_not_keras(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_group("data")
    (tmp_path / "net-symbol.json").write_text(json.dumps({"nodes": [], "heads": []}))
    for path in (tmp_path / "data.h5", tmp_path / "net-symbol.json", MODELS / "caffe" / "lenet_v1" / "case.json"):
        assert FORMAT.sniff(Upload.of(path)) is None


def test_weights_alone_are_recognised_as_such() -> None:
    evidence = FORMAT.sniff(Upload.of(MODELS / "keras" / "keras2_lenet_json_h5" / "weights.h5"))
    assert evidence is not None and "without the architecture" in evidence.reason


def test_every_refusal_says_why() -> None:
    table = coverage()
    assert table["LSTM"] == table["Convolution2D"] == table["ops.Einsum"] == ""
    assert all(len(reason) > 20 for reason in table.values() if reason)
    assert {"Lambda", "Hashing", "TFSMLayer", "TextVectorization"} <= {name for name, reason in table.items() if reason}
