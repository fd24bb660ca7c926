"""Arrays that are views of a mapped file: where they lie in it, and how to take their pages out of memory again."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.array_utils import byte_bounds

from workers.inspect.upload import Mapping

# Calling the kernel for less costs more than it frees.
LARGE = 1 << 16


def span_of(array: npt.NDArray[Any]) -> tuple[Mapping, int] | None:
    """The mapped file that the array is a view of, and the offset there of the first byte that it covers."""
    owner: Any = array
    while (base := getattr(owner, "base", None)) is not None:  # arrays, and what as_strided() puts between two
        owner = base
    mapping = owner.obj if isinstance(owner, memoryview) else owner
    if not isinstance(mapping, Mapping) or array.size == 0:
        return None
    begin = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    return mapping, byte_bounds(array)[0] - begin


def let_go(array: npt.NDArray[Any]) -> None:
    """Take the whole pages that the array covers out of this process's memory, until they are used again."""
    span = span_of(array)
    if span is None:
        return
    mapping, start = span
    low, high = byte_bounds(array)
    first = (start + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
    length = (start + high - low - first) // mmap.PAGESIZE * mmap.PAGESIZE
    if length >= LARGE:
        mapping.madvise(mmap.MADV_DONTNEED, first, length)
