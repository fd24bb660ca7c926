"""``report.html``: one file that needs nothing else, runs nothing and shows hostile names as what they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from workers.report import plots, text, view
from workers.report.compiled import Kept
from workers.report.schema import Report

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)

ROWS = 300
"""Rows of one table; what is beyond stands in report.json."""


def write_html(report: Report, path: Path) -> None:
    """Write the page. A lone surrogate in a name shows escaped, so the text is always valid UTF-8."""
    path.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """The page's text."""
    return _environment().get_template("report.html").render(report=report, csp=CONTENT_SECURITY_POLICY, rows=ROWS)


@cache
def _environment() -> Environment:
    return environment(Kept())


def environment(cache: BytecodeCache) -> Environment:
    """What the templates are loaded and rendered with."""
    made = Environment(
        loader=PackageLoader("workers.report"),
        bytecode_cache=cache,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_tamed,
    )
    made.globals.update(view=view, plots=plots)
    made.filters.update(
        sentence=_sentence,
        number=text.number,
        cosine=text.cosine,
        share=text.share,
        seconds=text.seconds,
        bytes=text.size,
        count=text.count,
        short=text.short_count,
        shape=text.shape,
        option=text.value_of,
    )
    return made


def _tamed(value: Any) -> Any:
    """Every expression of the template passes here: text that is not our own markup is cut and made visible."""
    return text.shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sentence(value: str) -> Markup:
    """A text that may be longer than a name."""
    return escape(text.shown(value, text.LONG))
