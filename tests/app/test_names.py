"""File names of users: kept readable, never a path, never a trick."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.uploads.names import MAX_NAME, clean

CASES = [
    ("deploy.prototxt", "deploy.prototxt"),
    ("../../etc/passwd", "etc/passwd"),
    ("/abs/olute.onnx", "abs/olute.onnx"),
    ("C:\\Users\\me\\net.h5", "Users/me/net.h5"),
    ("variables/variables.index", "variables/variables.index"),
    ("a//b/./c/../d", "a/b/c/d"),
    ("nul\0byte.pb", "nul_byte.pb"),
    ("exe\u202egpj.onnx", "exe_gpj.onnx"),
    ("line\nbreak.pb", "line_break.pb"),
    ("", "file"),
    ("..", "file"),
    ("модель.onnx", "модель.onnx"),
]


@pytest.mark.parametrize(("given_name", "kept"), CASES)
def test_names_are_cleaned(given_name: str, kept: str) -> None:
    assert clean(given_name) == kept


def test_a_long_name_keeps_its_ending() -> None:
    kept = clean("x" * 3000 + ".caffemodel")
    assert len(kept) == 200
    assert kept.endswith(".caffemodel")


@given(st.text(max_size=3000))
def test_no_name_leaves_its_folder(name: str) -> None:
    kept = clean(name)
    assert kept and len(kept) <= MAX_NAME
    assert not kept.startswith("/")
    assert not {"", ".", ".."} & set(kept.split("/"))
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in kept)
    assert clean(kept) == kept
