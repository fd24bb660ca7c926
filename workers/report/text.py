"""Words and numbers as a reader sees them. Names come from hostile files: nothing in them may steer the page."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

TIMES = "\u00d7"

LIMIT = 200
"""Characters of a name that are shown."""

LONG = 2000
"""Characters of a sentence that are shown."""

# Control, format (bidirectional overrides, zero-width), surrogate, private and unassigned; line and paragraph ends.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str, limit: int = LIMIT) -> str:
    """``text`` cut to ``limit`` characters, with characters that do not show as ``\\x1b`` or ``\\u202e``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(_escaped(char) if unicodedata.category(char) in HIDDEN else char for char in cut)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: float) -> str:
    """Three significant digits: 0, 0.0312, 4.7e-7, ∞."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def cosine(value: float) -> str:
    """1, 0.87, 0.99998; of a very good one what it lacks: 1 - 3.1e-9."""
    if value == 1.0:
        return "1"
    lost = 1.0 - value
    if lost < 1e-6:
        return f"1 - {number(lost)}"
    digits = 3 if lost > 0.01 else 1 - math.floor(math.log10(lost))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def share(ratio: float) -> str:
    """A share of the tolerance: "exact", "3.1 %" or, out of bounds, a multiple of it."""
    if ratio == 0:
        return "exact"
    if ratio <= 1:
        percent = 100 * ratio
        return f"{number(float(f'{percent:.2g}'))} %" if percent >= 0.01 else "< 0.01 %"
    return number(ratio) if math.isinf(ratio) else f"{number(ratio)}{TIMES}"


def seconds(value: float) -> str:
    if value >= 60:
        return f"{int(value // 60)} min {int(value % 60)} s"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def size(value: int) -> str:
    """Bytes in decimal units, as a file manager shows them."""
    amount, unit = float(value), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.3g} {unit}"


def count(value: int) -> str:
    """Thousands apart by thin spaces."""
    return f"{value:,}".replace(",", "\u2009")


def short_count(value: int) -> str:
    """138 M, 61.7 k, 431."""
    amount, unit = float(value), ""
    for larger in ("k", "M", "G", "T"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g}\u2009{unit}" if unit else str(value)


def shape(dims: list[int | str | None] | None) -> str:
    """The sizes of the axes, free ones by their symbol; a scalar has no axes."""
    if dims is None:
        return "any rank"
    return f"\u00a0{TIMES}\u00a0".join("?" if dim is None else str(dim) for dim in dims) if dims else "scalar"


def value_of(option: Any) -> str:
    """An option's value, as it was written."""
    return option if isinstance(option, str) else json.dumps(option, ensure_ascii=False, default=str)


def plural(number_of: int, noun: str) -> str:
    return f"{count(number_of)} {noun}" if number_of == 1 else f"{count(number_of)} {noun}s"
