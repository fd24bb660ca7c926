"""The streamed archive is one that others can read, and equal results give equal bytes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from app.storage.zip import Member, stream

MOMENT = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def test_others_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"alpha" * 200_000)
    (tmp_path / "b").write_bytes(b"")
    members = [Member("pytorch/model.py", tmp_path / "a"), Member("report.json", tmp_path / "b")]
    blocks = list(stream(members, MOMENT))
    assert max(map(len, blocks)) < 400_000
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"".join(blocks))
    subprocess.run([sys.executable, "-m", "zipfile", "-t", str(archive)], check=True, stdout=subprocess.DEVNULL)
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["pytorch/model.py", "report.json"]
        assert opened.read("pytorch/model.py") == b"alpha" * 200_000
    assert b"".join(stream(members, MOMENT)) == archive.read_bytes()
