"""Forms are taken apart alike wherever the network cuts them, and hostile ones are refused."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import resource
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.problems import Problem
from app.uploads.multipart import BLOCK, MAX_FIELD, Form, receive

TYPE = "multipart/form-data; boundary=XX"
_folders = itertools.count()


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


END = b"--XX--\r\n"


async def _pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def parse(pieces: Iterable[bytes], tmp_path: Path, content_type: str = TYPE, max_files: int = 100) -> Form:
    folder = tmp_path / str(next(_folders))
    folder.mkdir()
    return asyncio.run(receive(_pieces(pieces), content_type, folder, max_files))


def problem_of(pieces: Iterable[bytes], tmp_path: Path, **arguments: object) -> str:
    with pytest.raises(Problem) as caught:
        parse(pieces, tmp_path, **arguments)  # type: ignore[arg-type]
    return caught.value.name


BODY = (
    part("target", b"onnx")
    + part("model", b"layer {\r\n--X almost a boundary\r\n}", "net.prototxt")
    + part("target", b"pytorch")
    + part("model", bytes(range(256)) * 20, "w.caffemodel")
    + END
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=40))
def test_the_cuts_of_the_network_do_not_matter(tmp_path: Path, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BODY)]
    form = parse([BODY[a:b] for a, b in itertools.pairwise(edges)], tmp_path)
    assert form.fields == [("target", "onnx"), ("target", "pytorch")]
    assert [(f.field, f.name) for f in form.files] == [("model", "net.prototxt"), ("model", "w.caffemodel")]
    assert form.files[0].path.read_bytes() == b"layer {\r\n--X almost a boundary\r\n}"
    assert form.files[1].sha256 == hashlib.sha256(bytes(range(256)) * 20).hexdigest()
    assert form.files[1].size == 5120


def test_files_lie_under_numbers_whatever_the_client_calls_them(tmp_path: Path) -> None:
    form = parse([part("model", b"x", "../../../evil") + END], tmp_path)
    assert form.files[0].name == "evil"
    assert form.files[0].path.name == "1"
    assert form.files[0].path.stat().st_mode & 0o777 == 0o600


def test_a_large_file_needs_a_block_or_two_of_memory(tmp_path: Path) -> None:
    block = b"\x5a" * BLOCK

    def body() -> Iterable[bytes]:
        yield part("model", b"", "big")[:-2]
        for _ in range(256):
            yield block
        yield b"\r\n" + END

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    form = parse(body(), tmp_path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert form.files[0].size == 256 * BLOCK
    assert grown < 32 * BLOCK


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    form = parse([part("model", b"", "empty.onnx") + END], tmp_path)
    assert form.files[0].size == 0
    assert form.files[0].sha256 == hashlib.sha256(b"").hexdigest()


REFUSED = [
    ("no boundary in the type", [BODY], "multipart/form-data", "bad-request"),
    ("another boundary", [BODY], "multipart/form-data; boundary=YY", "bad-request"),
    ("a boundary of 10,000 bytes", [BODY], "multipart/form-data; boundary=" + "x" * 10_000, "bad-request"),
    ("the end is missing", [BODY[:-8]], TYPE, "bad-request"),
    ("nothing at all", [], TYPE, "bad-request"),
    ("a part without a name", [b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END], TYPE, "bad-request"),
    ("a part without headers", [b"--XX\r\n\r\nx\r\n" + END], TYPE, "bad-request"),
    ("a header of 1 MB", [b"--XX\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\nx\r\n" + END], TYPE, "bad-request"),
    ("a hundred headers", [b"--XX\r\n" + b"A: b\r\n" * 100 + b"\r\nx\r\n" + END], TYPE, "bad-request"),
    ("100,000 fields", [part("f", b"")] * 100_000 + [END], TYPE, "too-many"),
    ("a field over 1 MiB", [part("options", b" " * (MAX_FIELD + 1)) + END], TYPE, "too-large"),
    ("fields of 5 MiB together", [part("f", b" " * MAX_FIELD)] * 5 + [END], TYPE, "too-large"),
]


@pytest.mark.parametrize(("pieces", "content_type", "problem"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_hostile_forms_are_refused(tmp_path: Path, pieces: list[bytes], content_type: str, problem: str) -> None:
    assert problem_of(pieces, tmp_path, content_type=content_type) == problem


def test_more_files_than_allowed_are_refused(tmp_path: Path) -> None:
    assert problem_of([part("model", b"", "a")] * 4 + [END], tmp_path, max_files=3) == "too-many"
