"""The pages ``docs/formats/<name>.md``: every layer type and operator a format's code knows, read or refused and why.

``python -m workers.coverage DOCS`` writes them into the folder DOCS/formats.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from workers.formats import BUILT_IN
from workers.formats.contract import Format

HEADINGS = {"read": ("layer type", "read"), "write": ("ONNX operator", "written")}


def page(format: Format) -> str:
    """The format's page; a table a direction."""
    assert format.coverage is not None  # the caller asked
    parts = [f"# {format.title}\n\nMade from the code by `python -m workers.coverage docs`.\n"]
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


def main(docs: Path) -> None:
    folder = docs / "formats"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
