"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math

import pytest

from workers.report import text


@pytest.mark.parametrize(
    ("raw", "visible"),
    [
        ("conv1/7x7_s2", "conv1/7x7_s2"),
        ("Schicht 一 ü", "Schicht 一 ü"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\n\ttab", "line\\x0a\\x09tab"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
    ],
)
def test_what_does_not_show_is_made_visible_and_what_is_long_is_cut(raw: str, visible: str) -> None:
    assert text.shown(raw) == visible


def test_a_megabyte_of_control_characters_stays_short() -> None:
    assert len(text.shown("\x00" * 1_000_000)) < 1000


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"), (0.25, "0.25"), (3.4e-7, "3.4e-7"), (1e-5, "1e-5"), (1234.5, "1234"), (2.1e6, "2.1e6"),
        (math.inf, "∞"), (-math.inf, "-∞"), (math.nan, "NaN"), (134.2, "134"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_at_most(value: float, words: str) -> None:
    assert text.number(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.0, "1"), (0.99999, "0.99999"), (0.87, "0.87"), (0.9999999969, "1 - 3.1e-9"), (0.0, "0"), (-1.0, "-1")],
)  # fmt: skip
def test_a_cosine_near_one_says_what_it_lacks(value: float, words: str) -> None:
    assert text.cosine(value) == words


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.0, "exact"), (0.031, "3.1 %"), (1.0, "100 %"), (1e-6, "< 0.01 %"), (31.0, "31\u00d7"), (math.inf, "∞")],
)
def test_a_share_is_a_percentage_within_bounds_and_a_multiple_beyond(ratio: float, words: str) -> None:
    assert text.share(ratio) == words


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (4210, "4.21 kB"), (999_999, "1 MB"), (553_438_120, "553 MB")]
)
def test_sizes_are_in_decimal_units(size: int, words: str) -> None:
    assert text.size(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0123, "12.3 ms"), (5e-6, "5 µs"), (1.24, "1.2 s"), (75, "1 min 15 s"), (0.0, "0 µs")]
)
def test_times_have_a_unit_that_fits(seconds: float, words: str) -> None:
    assert text.seconds(seconds) == words


def test_counts_are_grouped_and_shortened() -> None:
    assert text.count(138_357_544) == "138\u2009357\u2009544"
    assert text.short_count(138_357_544) == "138\u2009M"
    assert text.short_count(431) == "431"
    assert text.plural(1, "file") == "1 file" and text.plural(2, "file") == "2 files"


def test_shapes_show_free_axes_by_their_symbol() -> None:
    assert text.shape(["batch", None, 3]).replace("\u00a0", " ") == "batch \u00d7 ? \u00d7 3"
    assert text.shape([]) == "scalar" and text.shape(None) == "any rank"
