"""Blobs: whole or absent, stored once, never written to again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from app.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    storage = LocalStorage(tmp_path / "storage")
    storage.prepare()
    return storage


def put(storage: LocalStorage, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    with storage.staging() as folder:
        (folder / "1").write_bytes(content)
        storage.commit(folder / "1", sha256)
    return sha256


def test_a_committed_file_lies_under_its_digest_with_one_link(storage: LocalStorage) -> None:
    path = storage.path(put(storage, b"weights"))
    assert path.read_bytes() == b"weights"
    assert path.stat().st_nlink == 1
    assert path.stat().st_mode & 0o222 == 0


def test_equal_content_is_stored_once(storage: LocalStorage) -> None:
    first = storage.path(put(storage, b"same")).stat().st_ino
    assert storage.path(put(storage, b"same")).stat().st_ino == first


def test_staging_leaves_nothing_behind(storage: LocalStorage) -> None:
    with pytest.raises(RuntimeError), storage.staging() as folder:
        (folder / "1").write_bytes(b"half")
        raise RuntimeError
    assert list((storage.root / "staging").iterdir()) == []


def test_only_digests_are_paths(storage: LocalStorage) -> None:
    for name in ("../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "/x", ""):
        with pytest.raises(ValueError, match="SHA-256"):
            storage.path(name)


def test_old_staging_is_swept_and_young_is_not(storage: LocalStorage) -> None:
    old, young = storage.root / "staging" / "old", storage.root / "staging" / "young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "1").write_bytes(b"x")
    os.utime(old, (0, 0))
    storage.sweep_staging(3600)
    assert not old.exists()
    assert young.exists()
