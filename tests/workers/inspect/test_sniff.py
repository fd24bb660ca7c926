"""Sniffing: the surest format wins; what nobody knows is described; two equals are asked about."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from workers.errors import AmbiguousFormat, MalformedModel, UnknownFormat, UnsupportedConversion
from workers.formats.contract import Evidence, Format
from workers.inspect.sniff import kind_of, sniff
from workers.inspect.upload import Upload


def format(name: str, score: float | None, reason: str = "seen") -> Format:
    evidence = None if score is None else Evidence(score, f"{name} {reason}")
    return Format(name, name.title(), (), lambda upload: evidence, read=lambda request: None)  # type: ignore[arg-type, return-value]


def formats(**scores: float | None) -> dict[str, Format]:
    return {name: format(name, score) for name, score in scores.items()}


def upload(path: Path, data: bytes, name: str = "model.bin") -> Upload:
    (path / name).write_bytes(data)
    return Upload.of(path / name)


def test_the_surest_format_wins(tmp_path: Path) -> None:
    found, evidence = sniff(upload(tmp_path, b"x"), formats(a=0.5, b=0.9, c=None))
    assert found.name == "b" and evidence.reason == "b seen"


def test_two_equals_are_ambiguous_and_both_are_told(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousFormat) as caught:
        sniff(upload(tmp_path, b"x"), formats(a=0.9, b=0.9, c=0.1))
    assert "A: a seen" in caught.value.detail and "B: b seen" in caught.value.detail
    assert caught.value.hint == "Name the source format: a or b."


def test_a_named_source_overrides_and_still_says_when_the_bytes_contradict(tmp_path: Path) -> None:
    found, evidence = sniff(upload(tmp_path, b"x"), formats(a=None, b=0.9), "a")
    assert found.name == "a"
    assert "nothing in the files says A" in evidence.reason and "look more like B: b seen" in evidence.reason


def test_an_unknown_source_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedConversion) as caught:
        sniff(upload(tmp_path, b"x"), formats(a=1.0), "z")
    assert "'z'" in caught.value.detail and caught.value.hint == "Formats are: a."


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(30), "a JPEG image"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"\x7fELF" + bytes(60), "an ELF program"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x80\x02}q\x00.", "a Python pickle"),
        (b"\x1f\x8b\x08\x00", "gzip data"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (bytes(100), "zeros"),
        (b"x", "text that begins 'x'"),
        (b'{"a": 1}', "JSON that begins '{\"a\": 1}'"),
        (b"\x01\xff\x02\x03", "binary data that begins 01 ff 02 03"),
        ("\u202ehidden".encode(), "text that begins '\\u202ehidden'"),
    ],
)
def test_what_nobody_knows_is_described(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UnknownFormat) as caught:
        sniff(upload(tmp_path, data, "weights.caffemodel"), formats(a=None))
    assert f"'weights.caffemodel' ({len(data):,} bytes) is {words}" in caught.value.detail
    assert "A" in (caught.value.hint or "")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel) as caught:
        sniff(upload(tmp_path, b"", "net.onnx"), formats(a=1.0))
    assert caught.value.file == "net.onnx" and "empty" in caught.value.detail


def test_no_files_is_an_error_of_its_own() -> None:
    with pytest.raises(UnknownFormat):
        sniff(Upload(()), formats(a=1.0))


def test_a_zip_that_stays_whole_is_called_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("a", b"1")
    assert kind_of(Upload.of(tmp_path / "m.zip").files[0]) == "a zip archive"
