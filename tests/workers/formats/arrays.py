"""Many small recorded arrays in one file: ``arrays.npz`` holds their bytes, a JSON index where each lies."""

from __future__ import annotations

import json
import lzma
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tests.workers.formats.cases import Array


class ArrayStore:
    """``index`` is the JSON document, packed by xz; its member ``arrays`` is key -> (element type, shape, place)."""

    def __init__(self, index: Path) -> None:
        self._path = index

    @cached_property
    def index(self) -> dict[str, Any]:
        index: dict[str, Any] = json.loads(lzma.decompress(self._path.read_bytes()))
        return index

    @cached_property
    def _data(self) -> Array:
        with np.load(self._path.parent / "arrays.npz") as file:
            data: Array = file["data"]
        return data

    def array(self, key: str) -> Array:
        dtype, shape, at = self.index["arrays"][key]
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        array: Array = self._data[at : at + size].view(kind).reshape(shape)
        return array
