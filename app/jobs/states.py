"""The states of a job and the only ways between them."""

from __future__ import annotations

from typing import Literal, get_args

Status = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]

# From `running` back to `queued`: its worker died. `expired` is the tombstone of a deleted or outdated job.
NEXT: dict[Status, frozenset[Status]] = {
    "queued": frozenset({"running", "failed", "canceled"}),
    "running": frozenset({"succeeded", "failed", "canceled", "queued"}),
    "succeeded": frozenset({"expired"}),
    "failed": frozenset({"expired"}),
    "canceled": frozenset({"expired"}),
    "expired": frozenset(),
}
STATUSES: tuple[Status, ...] = get_args(Status)
FINAL: frozenset[Status] = frozenset({"succeeded", "failed", "canceled", "expired"})


def before(status: Status) -> tuple[Status, ...]:
    """The states from which ``status`` can be reached."""
    return tuple(state for state in STATUSES if status in NEXT[state])
