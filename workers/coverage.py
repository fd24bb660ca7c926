"""The pages ``docs/formats/<name>.md``: every layer type and operator a format's code knows, read or refused and why.

``python -m workers.coverage ROOT`` writes them into ROOT/docs/formats, and the list of formats into ROOT/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from workers.formats import BUILT_IN
from workers.formats.contract import Format

BEGIN, END = "<!-- formats -->", "<!-- /formats -->"
HEADINGS = {"read": ("layer type", "read"), "write": ("ONNX operator", "written")}


def page(format: Format) -> str:
    """The format's page; a table a direction."""
    assert format.coverage is not None  # the caller asked
    parts = [f"# {format.title}\n\nMade from the code by `python -m workers.coverage .`.\n"]
    for direction, table in format.coverage().items():
        if table:
            parts.append(_table(direction, table))
    return "\n".join(parts)


def _table(direction: str, table: Mapping[str, str]) -> str:
    what, done = HEADINGS[direction]
    supported = sum(not reason for reason in table.values())
    rows = [f"| `{name}` | {'yes' if not reason else 'no: ' + _cell(reason)} |" for name, reason in table.items()]
    title = f"## {done.capitalize()}: {supported} of {len(table)} known {what}s\n"
    return "\n".join([title, f"| {what} | {done} |", "|---|---|", *rows, ""])


def _cell(reason: str) -> str:
    return reason.replace("|", "\\|").replace("\n", " ")


def pages() -> dict[str, str]:
    """File name -> text, of every format that tells its coverage."""
    return {f"{format.name}.md": page(format) for format in BUILT_IN if format.coverage is not None}


def readme(text: str) -> str:
    """``text`` with the list of formats between its two marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "".join((head, BEGIN, "\n", *(f"{row}\n" for row in _rows()), END, tail))


def _rows() -> list[str]:
    rows = ["| format | reads | writes | verified by |", "|---|---|---|---|"]
    for format in sorted(BUILT_IN, key=lambda format: format.title.lower()):
        counts = {} if format.coverage is None else format.coverage()
        title = f"[{format.title}](docs/formats/{format.name}.md)" if counts else format.title
        what = f"{title} ({format.variants})" if format.variants else title
        reads = _count(format.read is not None, counts.get("read"))
        writes = _count(format.write is not None, counts.get("write"))
        verified = ", ".join(verifier.title for verifier in format.verify) or "onnxruntime"
        rows.append(f"| {what} | {reads} | {writes} | {verified} |")
    return rows


def _count(able: bool, table: Mapping[str, str] | None) -> str:
    if not able or not table:
        return "yes" if able else "no"
    return f"{sum(not reason for reason in table.values())} of {len(table)}"


def main(root: Path) -> None:
    folder = root / "docs" / "formats"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    page = root / "README.md"
    page.write_text(readme(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
