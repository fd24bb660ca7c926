"""Blobs in a local directory: ``blobs/sha256/ab/cd/<digest>``, written aside and moved into place whole."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.ids import new_id


class LocalStorage:
    """``root`` may be shared by processes and machines; a blob never changes once it has its name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self._staging = root / "staging"

    def prepare(self) -> None:
        """Make the folders; an OSError here means that the storage cannot be used."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self._blobs, self._staging):
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A new folder on the same disk, gone afterwards with all that was not committed."""
        folder = self._staging / new_id()
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, file: Path, sha256: str) -> Path:
        """Move a finished file, whose digest the caller computed, to its place; equal content is stored once."""
        path = self.path(sha256)
        if path.exists():
            file.unlink()
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o440)
        file.rename(path)
        return path

    def path(self, sha256: str) -> Path:
        """Where the blob lies (or would lie)."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("not a SHA-256 in hexadecimal")
        return self._blobs / sha256[:2] / sha256[2:4] / sha256

    def delete(self, sha256: str) -> None:
        self.path(sha256).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def sweep_staging(self, older_than_seconds: float) -> None:
        """Remove what uploads left behind whose process died."""
        limit = time.time() - older_than_seconds
        with os.scandir(self._staging) as entries:
            old = [entry.path for entry in entries if entry.stat(follow_symlinks=False).st_mtime < limit]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
