"""The report's plots: inline SVG, no scripts, colours by class so that light, dark and paper each have their own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from workers.report.schema import LayerError

# Shares of the tolerance that an error bar spans; 1, the tolerance, lies at two thirds.
LOW, HIGH = -6.0, 3.0

POINTS = 240
"""Points of a curve; of more layers the worst of each bin is drawn."""


def error_bar(ratio: float, passed: bool) -> Markup:
    """How much of its tolerance the worst element uses, on a logarithmic scale with a mark at the tolerance."""
    width = 100 * _place(ratio)
    tone = "good" if passed else "bad"
    mark = 100 * _place(1.0)
    label = "no error" if ratio == 0 else f"{ratio:.3g} of the tolerance"
    return Markup(
        '<svg class="plot bar" role="img" aria-label="{label}" width="100%" height="16">'
        '<rect class="track" x="0" y="5" width="100%" height="6" rx="3"/>'
        '<rect class="{tone}" x="0" y="5" width="{width:.2f}%" height="6" rx="3"/>'
        '<line class="limit" x1="{mark:.2f}%" x2="{mark:.2f}%" y1="0" y2="16"/></svg>'
    ).format(label=label, tone=tone, width=max(width, 0.8) if ratio else 0.0, mark=mark)


def _place(ratio: float) -> float:
    """0..1 along the scale."""
    if ratio <= 0:
        return 0.0
    exponent = HIGH if math.isinf(ratio) else math.log10(ratio)
    return (min(max(exponent, LOW), HIGH) - LOW) / (HIGH - LOW)


def amount_bar(value: float, largest: float, *, start: float = 0.0) -> Markup:
    """A bar of ``value`` out of ``largest``, beginning at ``start``."""
    scale = 100 / largest if largest > 0 else 0.0
    return Markup(
        '<svg class="plot bar" aria-hidden="true" width="100%" height="16">'
        '<rect class="track" x="0" y="5" width="100%" height="6" rx="3"/>'
        '<rect class="amount" x="{start:.2f}%" y="5" width="{width:.2f}%" height="6" rx="3"/></svg>'
    ).format(start=min(start * scale, 99.4), width=max(value * scale, 0.6))


# --- errors along the graph -------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 230, 58, 12, 12, 30


def layer_curve(errors: Sequence[LayerError]) -> Markup:
    """Accumulated error as a line, local error as dots, both as shares of the tolerance, layer by layer."""
    points = _binned(errors)
    low, high = _decades(points)
    tolerance = _y(1.0, low, high)
    body = [
        _grid(low, high),
        Markup('<line class="limit" x1="{a}" x2="{b}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
            a=LEFT, b=WIDTH - RIGHT, y=tolerance
        ),
        Markup('<text class="limit-label" x="{x}" y="{y:.1f}" text-anchor="end">tolerance</text>').format(
            x=WIDTH - RIGHT, y=tolerance - 5
        ),
        _line(points, low, high),
        _dots(points, low, high),
        Markup('<text x="{x}" y="{y}">first layer</text><text x="{end}" y="{y}" text-anchor="end">last</text>').format(
            x=LEFT, end=WIDTH - RIGHT, y=HEIGHT - 8
        ),
    ]
    return Markup(
        '<svg class="plot curve" role="img" aria-label="Error of each layer as a share of the tolerance" '
        'viewBox="0 0 {w} {h}">{body}</svg>'
    ).format(w=WIDTH, h=HEIGHT, body=Markup("").join(body))


def _binned(errors: Sequence[LayerError]) -> list[LayerError]:
    if len(errors) <= POINTS:
        return list(errors)
    step = math.ceil(len(errors) / POINTS)
    bins = [errors[start : start + step] for start in range(0, len(errors), step)]
    return [max(some, key=lambda e: (not e.passed, max(e.accumulated, e.local or 0.0))) for some in bins]


def _decades(points: Sequence[LayerError]) -> tuple[int, int]:
    """Whole powers of ten around all finite errors and the tolerance."""
    values = [v for p in points for v in (p.accumulated, p.local or 0.0) if v > 0 and math.isfinite(v)]
    exponents = [math.log10(value) for value in values]
    low = max(-8, math.floor(min([-2.0, *exponents])))
    high = min(8, math.ceil(max([1.0, *exponents])))
    return low, high + (1 if any(math.isinf(p.accumulated) or math.isinf(p.local or 0.0) for p in points) else 0)


def _x(index: int, total: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / total


def _y(value: float, low: int, high: int) -> float:
    exponent = low if value <= 0 else high if math.isinf(value) else math.log10(value)
    share = (min(max(exponent, low), high) - low) / (high - low)
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _grid(low: int, high: int) -> Markup:
    step = max(1, math.ceil((high - low) / 6))
    lines = []
    for exponent in (e for e in range(low, high + 1) if e % step == 0):
        y = _y(10.0**exponent, low, high)
        label = "1" if exponent == 0 else f"10{_superscript(exponent)}"
        lines.append(
            Markup('<line class="grid" x1="{a}" x2="{b}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
                a=LEFT, b=WIDTH - RIGHT, y=y
            )
        )
        lines.append(
            Markup('<text x="{x}" y="{y:.1f}" text-anchor="end">{label}</text>').format(
                x=LEFT - 8, y=y + 4, label=label
            )
        )
    return Markup("").join(lines)


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _line(points: Sequence[LayerError], low: int, high: int) -> Markup:
    places = " ".join(
        f"{_x(index, len(points)):.1f},{_y(point.accumulated, low, high):.1f}" for index, point in enumerate(points)
    )
    return Markup('<polyline class="accumulated" points="{places}"/>').format(places=places)


def _dots(points: Sequence[LayerError], low: int, high: int) -> Markup:
    dots = [
        Markup('<circle class="{tone}" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>').format(
            tone="local" if point.passed else "local bad",
            x=_x(index, len(points)),
            y=_y(point.local, low, high),
            r=3 if point.passed else 5,
        )
        for index, point in enumerate(points)
        if point.local is not None
    ]
    return Markup("").join(dots)
