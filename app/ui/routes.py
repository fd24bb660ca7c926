"""A landing page that a person can read, and a page for every problem type, at its own URI."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse

from app.catalog.catalog import current
from app.context import TheHub
from app.problems import KINDS, PREFIX, Problem

router = APIRouter(include_in_schema=False)

CSP = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "pre{background:#f4f4f2;padding:1rem;overflow-x:auto}td,th{text-align:left;padding:.2rem 1rem .2rem 0}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}pre{background:#222}a{color:#8ab4f8}}"
)
EXAMPLE = """curl -F model=@deploy.prototxt -F model=@weights.caffemodel -F target=pytorch \\
     -H 'Prefer: wait=60' {origin}/v1/jobs"""


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """``body`` is HTML already."""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>'
    )
    return HTMLResponse(html, status_code=status, headers=CSP)


@router.get("/")
def landing(hub: TheHub) -> Response:
    catalog = current(hub)
    rows = "".join(
        f"<tr><td>{escape(f['title'])}</td><td>{'yes' if f.get('read') else ''}</td>"
        f"<td>{'yes' if f.get('write') else ''}</td><td>{escape(_verifiers(f))}</td></tr>"
        for f in catalog.formats.values()
    )
    formats = (
        f"<table><tr><th>format</th><th>reads</th><th>writes</th><th>verified by</th></tr>{rows}</table>"
        if rows
        else "<p>No worker is running yet; see <a href='/readyz'>/readyz</a>.</p>"
    )
    links = "".join(
        f'<li><a href="{url}">{url}</a> {words}</li>'
        for url, words in (
            ("/openapi.json", "the whole HTTP API"),
            ("/v1/formats", "formats and what they need"),
            ("/v1/conversions", "conversions and their options"),
            ("/problems", "every problem that the API answers with"),
            ("/readyz", "whether everything is up"),
        )
    )
    return page(
        "onnxhub",
        "<h1>onnxhub</h1><p>Turns a model of one deep-learning framework into another's by way of ONNX, and proves "
        f"each step with numbers.</p><pre>{escape(EXAMPLE.format(origin=f'http://localhost:{hub.settings.port}'))}</pre>"
        f"{formats}<ul>{links}</ul>",
    )


def _verifiers(format: dict[str, object]) -> str:
    entries = format.get("verify", [])
    assert isinstance(entries, list)
    return ", ".join(entry["title"] for entry in entries if entry["available"])


@router.get(PREFIX.rstrip("/"))
def problem_list() -> Response:
    items = "".join(
        f'<li><a href="{PREFIX}{name}">{name}</a>: {escape(kind.title)}</li>' for name, kind in KINDS.items()
    )
    return page("Problems", f"<h1>Problems</h1><ul>{items}</ul>")


@router.get(PREFIX + "{name}")
def problem_page(name: str) -> Response:
    if name not in KINDS:
        raise Problem("not-found", f"There is no problem type {name[:64]!r}")
    kind = KINDS[name]
    status = (
        f"<p>HTTP status {kind.status}.</p>" if kind.status else "<p>Ends a job; stands in its <code>error</code>.</p>"
    )
    return page(
        kind.title,
        f"<h1>{escape(kind.title)}</h1><p><code>{PREFIX}{name}</code></p>{status}<p>{escape(kind.remedy)}</p>",
    )
