"""Text is told from bytes by its control characters."""

from __future__ import annotations

import pytest

from workers.inspect.kind import is_text


@pytest.mark.parametrize("head", [b"", b"name: 'net'\r\n\tlayer {}\x0b\x0c", "größer".encode(), b"\x7f"])
def test_white_space_and_letters_are_text(head: bytes) -> None:
    assert is_text(head) and is_text(memoryview(head))


@pytest.mark.parametrize("byte", [*range(9), *range(14, 32)])
def test_any_other_control_character_is_none(byte: int) -> None:
    assert not is_text(b"text" + bytes([byte]))
