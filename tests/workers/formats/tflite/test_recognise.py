"""TensorFlow Lite models are told by four letters in them, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import MODELS
from workers.errors import MalformedModel, MissingFile
from workers.formats.tflite.recognise import model_of, sniff
from workers.inspect.upload import Upload

MODEL = MODELS / "tflite" / "mlp_float" / "model.tflite"


def upload(folder: Path, **files: bytes) -> Upload:
    paths = []
    for name, data in files.items():
        path = folder / name.replace("_dot_", ".")
        path.write_bytes(data)
        paths.append(path)
    return Upload.of(*paths)


def test_a_model_is_recognised_under_any_name(tmp_path: Path) -> None:
    evidence = sniff(upload(tmp_path, weights_dot_bin=MODEL.read_bytes()))
    assert evidence is not None and evidence.score > 0.9 and "'weights.bin'" in evidence.reason


def test_a_name_alone_is_weak_evidence(tmp_path: Path) -> None:
    evidence = sniff(upload(tmp_path, model_dot_tflite=b"\0" * 64))
    assert evidence is not None and evidence.score < 0.5


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(60), b"\x89HDF\r\n\x1a\n" + bytes(60)])
def test_other_files_are_none(data: bytes, tmp_path: Path) -> None:
    assert sniff(upload(tmp_path, model_dot_bin=data)) is None


def test_what_a_wrongly_named_file_is_stands_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=r"'model.tflite' is an HTML page"):
        model_of(upload(tmp_path, model_dot_tflite=b"<html><body>not found</body></html>"))


def test_two_models_at_once_are_refused_by_name(tmp_path: Path) -> None:
    data = MODEL.read_bytes()
    with pytest.raises(MalformedModel, match=r"'a.tflite', 'b.tflite'"):
        model_of(upload(tmp_path, a_dot_tflite=data, b_dot_tflite=data))


def test_an_upload_without_a_model_says_how_one_is_called(tmp_path: Path) -> None:
    with pytest.raises(MissingFile) as refused:
        model_of(upload(tmp_path, readme_dot_txt=b"hello"))
    assert refused.value.hint is not None and ".tflite" in refused.value.hint
