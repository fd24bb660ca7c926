"""What the engine's commands show on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

__all__ = ["comparisons", "escape", "formats", "preview", "problem", "say", "status", "toolchains", "whisper"]

OUT = Console()
ERR = Console(stderr=True)

COLOURS = {"verified": "green", "round_trip": "yellow", "unverified": "yellow", "mismatched": "red"}


def status(words: str) -> Status:
    """A line at the foot of the terminal, until it is stopped."""
    line = ERR.status(words, spinner="dots")
    line.start()
    return line


def say(line: str) -> None:
    OUT.print(line, markup=False, highlight=False)


def whisper(line: str) -> None:
    """For what only explains a wait."""
    ERR.print(line, markup=False, highlight=False, style="dim")


def problem(found: dict[str, Any]) -> None:
    """Why a job ended, and what to do."""
    ERR.print(f"[bold red]{escape(str(found.get('title')))}[/]: {escape(str(found.get('detail')))}", highlight=False)
    if found.get("hint"):
        whisper(str(found["hint"]))


def formats(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("format", "reads", "writes", "verifies with")
    for row in rows:
        table.add_row(row["title"], tick(row["read"]), tick(row["write"]), ", ".join(row["verify"]) or "-")
    OUT.print(table)


def toolchains(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("toolchain", "what", "can", "installed")
    for row in rows:
        table.add_row(row["name"], row["title"], ", ".join(row["provides"]), tick(row["installed"]))
    OUT.print(table)


def comparisons(made: Sequence[dict[str, Any]]) -> None:
    """Who was held against what, in one table."""
    table = Table("what", "against", "verdict", "worst error")
    for comparison in made:
        errors = [t["max_abs"] for sample in comparison["samples"] for t in sample["tensors"]]
        colour = COLOURS.get(comparison["verdict"], "white")
        worst = f"{max(map(float, errors)):.2e}" if errors else escape(comparison["reason"])
        table.add_row(comparison["subject"], comparison["against"], f"[{colour}]{comparison['verdict']}[/]", worst)
    OUT.print(table)


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
