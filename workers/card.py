"""``onnxhub.json`` beside a written target: what to load first, and what it calls its inputs and outputs."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from workers.formats.contract import Written
from workers.layout import CARD


class Card(BaseModel):
    """``onnxhub.json``: enough to run the folder's model again."""

    model_config = ConfigDict(extra="ignore")

    format: str
    files: list[str]
    input_names: list[str]
    output_names: list[str]


def leave_card(folder: Path, format: str, written: Written) -> None:
    """Write ``onnxhub.json`` beside the target's files."""
    card = Card(
        format=format,
        files=list(written.files),
        input_names=list(written.input_names),
        output_names=list(written.output_names),
    )
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
