"""Takes the paths of this machine out of what users read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import workers
from app.settings import Settings


class Redaction:
    """``folder`` is the job's own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._words = (
            (str(folder), "<job>"),
            (str(settings.storage_folder), "<storage>"),
            (str(settings.home), "<home>"),
            (sys.prefix, "<python>"),
            (sys.base_prefix, "<python>"),
            (str(Path(workers.__file__).parent.parent), "<onnxhub>"),
        )

    def text(self, said: str) -> str:
        said = said.replace("\0", "")
        for path, word in self._words:
            said = said.replace(path, word)
        return said

    def value(self, told: Any) -> Any:
        """The same in every text of a JSON value."""
        if isinstance(told, str):
            return self.text(told)
        if isinstance(told, dict):
            return {key: self.value(member) for key, member in told.items()}
        return [self.value(item) for item in told] if isinstance(told, list) else told
