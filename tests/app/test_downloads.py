"""Stored files over HTTP: validators, ranges, digests and names (RFC 9110, 9530, 8187)."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any
from urllib.parse import unquote

import pytest

from app.storage.response import disposition
from tests.app.serving import Api

CONTENT = bytes(range(256)) * 4000
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
SIZE = len(CONTENT)


@pytest.fixture
def url(api: Api) -> str:
    made = api.http.post("/v1/models", files={"model": ("w.bin", CONTENT)}, headers={"Prefer": "wait=0"}).json()
    url: str = made["files"][0]["url"]
    return url


def test_the_whole_file_with_its_headers(api: Api, url: str) -> None:
    answer = api.http.get(url)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["etag"] == ETAG
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(SIZE)
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    head = api.http.head(url)
    assert head.content == b""
    same = ("etag", "content-length", "repr-digest", "content-type", "accept-ranges")
    assert [head.headers[name] for name in same] == [answer.headers[name] for name in same]


RANGES: list[tuple[str, int, int, int]] = [
    ("bytes=0-0", 206, 0, 1),
    ("bytes=0-", 206, 0, SIZE),
    ("bytes=100-199", 206, 100, 200),
    (f"bytes={SIZE - 1}-", 206, SIZE - 1, SIZE),
    ("bytes=-10", 206, SIZE - 10, SIZE),
    (f"bytes=-{SIZE * 9}", 206, 0, SIZE),
    (f"bytes=5-{SIZE * 9}", 206, 5, SIZE),
    ("bytes=9-5", 200, 0, SIZE),
    ("bytes=a-b", 200, 0, SIZE),
    ("bytes=-", 200, 0, SIZE),
    ("lines=1-2", 200, 0, SIZE),
    ("bytes=0-1,5-6", 200, 0, SIZE),
    ("bytes=" + ",".join(["0-"] * 10_000), 200, 0, SIZE),
    ("bytes=" + "9" * 5000 + "-", 200, 0, SIZE),
]


@pytest.mark.parametrize(("value", "status", "first", "last"), RANGES, ids=[r[0][:24] for r in RANGES])
def test_one_range_is_served_and_several_are_the_whole(
    api: Api, url: str, value: str, status: int, first: int, last: int
) -> None:
    begun = time.monotonic()
    answer = api.http.get(url, headers={"Range": value})
    assert time.monotonic() - begun < 1
    assert answer.status_code == status
    assert answer.content == CONTENT[first:last]
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{SIZE}"


@pytest.mark.parametrize("value", [f"bytes={SIZE}-", "bytes=-0", f"bytes={10**18}-{10**18 + 1}"])
def test_a_range_outside_the_file_is_416(api: Api, url: str, value: str) -> None:
    answer = api.http.get(url, headers={"Range": value})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_if_none_match(api: Api, url: str) -> None:
    for value in (ETAG, f'"other", {ETAG}', f"W/{ETAG}", "*"):
        answer = api.http.get(url, headers={"If-None-Match": value})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == ETAG
    assert api.http.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_if_range_gives_the_whole_file_when_it_is_another(api: Api, url: str) -> None:
    part = api.http.get(url, headers={"Range": "bytes=0-9", "If-Range": ETAG})
    assert (part.status_code, len(part.content)) == (206, 10)
    whole = api.http.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (whole.status_code, len(whole.content)) == (200, SIZE)


def test_a_download_broken_off_is_taken_up_again(api: Api, url: str) -> None:
    first = api.http.get(url, headers={"Range": f"bytes=0-{SIZE // 2}"})
    rest = api.http.get(url, headers={"Range": f"bytes={len(first.content)}-", "If-Range": first.headers["etag"]})
    assert first.content + rest.content == CONTENT


NAMES: list[Any] = ["a.onnx", 'q"uote.onnx', "sp ace.onnx", "ümläut.onnx", "x\r\nSet-Cookie: a=b", "😀.onnx", "a;b=c"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_the_header_and_every_name_survives(name: str) -> None:
    header = disposition("folder/" + name)
    assert header.isascii() and header.isprintable()
    assert header.count('"') == 2
    assert unquote(header.rpartition("filename*=UTF-8''")[2]) == name
