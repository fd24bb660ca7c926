"""What a job is at, on a terminal, in one line that changes.

It begins, and rich is loaded, with the job's first word: the job's process has been forked by then.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """A context that ends the line."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, event: dict[str, Any]) -> None:
        """One of the events of ``workers.child``."""
        if self._quiet:
            return
        from workers import terminal

        if self._status is None:
            self._status = terminal.status("starting")
        if event.get("event") == "stage":
            self._status.update(terminal.escape(str(event.get("name"))))
        elif event.get("event") == "progress":
            self._status.update(terminal.escape(f"{event.get('what')} ({event.get('done')}/{event.get('total')})"))
