"""What the engine's commands show on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

OUT = Console()
ERR = Console(stderr=True)

COLOURS = {"verified": "green", "round_trip": "yellow", "unverified": "yellow", "mismatched": "red"}


def summary(report: dict[str, Any], folder: Path) -> None:
    """Who was held against what, in one table, and where the files are."""
    table = Table("what", "against", "verdict", "worst error")
    subjects = [*report["comparisons"], *(c for target in report["targets"] for c in target["comparisons"])]
    for comparison in subjects:
        errors = [t["max_abs"] for sample in comparison["samples"] for t in sample["tensors"]]
        colour = COLOURS.get(comparison["verdict"], "white")
        worst = f"{max(map(float, errors)):.2e}" if errors else escape(comparison["reason"])
        table.add_row(comparison["subject"], comparison["against"], f"[{colour}]{comparison['verdict']}[/]", worst)
    if subjects:
        OUT.print(table)
    OUT.print(f"{escape(str(folder))}: {', '.join(sorted(p.name for p in folder.iterdir()))}", highlight=False)


def preview(found: dict[str, Any]) -> None:
    source, hub = found["source"], found["hub"]
    OUT.print(
        f"[bold]{escape(source['title'])}[/] {escape(source['version'])}: {escape(source['evidence'])}", highlight=False
    )
    for kind in ("inputs", "outputs"):
        for tensor in hub[kind]:
            OUT.print(
                f"  {kind[:-1]} {escape(tensor['name'])}: {tensor['dtype']} {escape(str(tensor['shape']))}",
                highlight=False,
            )
    OUT.print(f"  {hub['nodes']} nodes, {hub['parameters']:,} parameters", highlight=False)
    OUT.print("  " + escape(", ".join(f"{op} x{count}" for op, count in hub["operators"].items())), highlight=False)
    for note in source["notes"]:
        OUT.print(f"  note: {escape(note['detail'])}", highlight=False)
    for target in found["targets"]:
        why = "" if target["possible"] else f": {escape(str(target['error']['detail']))}"
        OUT.print(f"  {tick(target['possible'])} {escape(target['title'])}{why}", highlight=False)


def tick(value: object) -> str:
    return "[green]yes[/]" if value else "[dim]no[/]"
