"""How much a job has put into the folders that it may write to."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Size:
    """Files and folders, and the bytes of the files."""

    count: int
    bytes: int


class Growth:
    """Counts from the moment it is made."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._before = _size(folders)

    def exceeds(self, limit: Size) -> bool:
        """Whether more than ``limit`` came to what there was; counting ends as soon as that is known."""
        most = Size(self._before.count + limit.count, self._before.bytes + limit.bytes)
        now = _size(self._folders, most)
        return now.count > most.count or now.bytes > most.bytes


def _size(folders: Sequence[Path], most: Size | None = None) -> Size:
    """What is below ``folders``, or something beyond ``most``.

    What vanishes meanwhile counts nothing; a folder that cannot be looked into (its path is too long, or its rights
    were taken away) is beyond every bound, for anything may lie in it.
    """
    count = total = 0
    ahead = [os.fspath(folder) for folder in folders]
    while ahead:
        try:
            with os.scandir(ahead.pop()) as entries:
                for entry in entries:
                    count += 1
                    try:
                        info = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if stat.S_ISDIR(info.st_mode):
                        ahead.append(entry.path)
                    else:
                        total += info.st_size
                    if most and (count > most.count or total > most.bytes):
                        return Size(count, total)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            if most:
                return Size(most.count + 1, total)
    return Size(count, total)
