"""Views of mapped files are known as such, however they were made, and their pages can be given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from tests.workers.formats.cases import Array
from workers.inspect.pages import let_go, span_of
from workers.inspect.upload import Upload

SIZE = 1 << 22


@pytest.fixture
def view(tmp_path: Path) -> memoryview:
    path = tmp_path / "weights"
    path.write_bytes(np.arange(SIZE, dtype=np.uint8).tobytes())
    return Upload.of(path).files[0].map()


def resident() -> int:
    """Bytes of mapped files in this process's memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssFile:")[2].split()[0]) * 1024


def test_a_view_tells_its_place_in_the_file(view: memoryview) -> None:
    whole = np.frombuffer(view, np.uint8)
    unaligned = np.frombuffer(view[3:403], np.float32)
    strided = np.ndarray((50,), np.float32, view, 11, (5,))
    tricky: Array = as_strided(np.frombuffer(view[7:], np.uint8), (4, 4), (8, 1))
    for array, start in ((whole, 0), (unaligned, 3), (strided, 11), (strided[10:], 61), (tricky, 7)):
        span = span_of(array)
        assert span is not None and span[1] == start
    assert span_of(whole.copy()) is None and span_of(whole[:0]) is None


def test_pages_that_were_let_go_cost_nothing_and_read_the_same(view: memoryview) -> None:
    array = np.frombuffer(view, np.uint8)
    want = int(array.sum())
    before = resident()
    let_go(array)
    assert before - resident() > SIZE * 3 // 4
    assert int(array.sum()) == want
    let_go(np.ones(1 << 20))  # what lies in no file stays as it is
