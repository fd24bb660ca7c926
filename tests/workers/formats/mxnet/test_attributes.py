"""Attributes in all spellings that MXNet and its users have written."""

from __future__ import annotations

import pytest

from workers.formats.mxnet.attributes import flag, groups, integer, items, real


@pytest.mark.parametrize(
    ("text", "value"),
    [("(3, 3)", (3, 3)), ("(3,3)", (3, 3)), ("[3, 3]", (3, 3)), ("3", (3,)), ("-1", (-1,)), ("(2L, 2L)", (2, 2)),
     ("()", ()), ("[]", ()), ("(5,)", (5,)), ("(None, 1)", (None, 1)), (" ( 1 , 2 ) ", (1, 2))],
)  # fmt: skip
def test_tuples(text: str, value: tuple[int | None, ...]) -> None:
    assert items(text, integer) == value


def test_numbers_and_flags() -> None:
    assert (integer("7L"), integer(" -3 "), real("2e-05"), real("inf")) == (7, -3, 2e-5, float("inf"))
    assert [flag(text) for text in ("True", "1", "true", "False", "0")] == [True, True, True, False, False]
    assert groups("((0, 0), (1, 2))") == [(0, 0), (1, 2)]


@pytest.mark.parametrize("text", ["", "3.5", "0x10", "1e3", "9223372036854775808", "9" * 400, "(1, (2, 3))"])
def test_what_is_no_integer(text: str) -> None:
    with pytest.raises(ValueError, match="is no integer"):
        items(text or "x", integer)


def test_absurdly_long_tuples() -> None:
    with pytest.raises(ValueError, match="absurdly many"):
        items("1," * 5000, integer)
