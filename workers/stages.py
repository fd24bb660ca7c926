"""How far a conversion is, from the stages it announces: a fraction that only grows within one attempt."""

from __future__ import annotations

from dataclasses import dataclass

# What each stage is reckoned to take of the whole; `write:X` and `verify:X` share TARGETS among all targets.
SHARES = {"inspect": 0.03, "read": 0.32, "normalise": 0.10, "check": 0.20}
TARGETS = 0.33
WRITE = 0.4


@dataclass(slots=True)
class Stages:
    """``targets``: how many there are. Stages that are not known add nothing."""

    targets: int
    stage: str = ""
    fraction: float = 0.0
    _begun: float = 0.0

    def begin(self, name: str) -> float:
        """A stage begins, so the one before is done."""
        self._begun = min(1.0, self._begun + self._share(self.stage))
        self.stage = name
        return self._grow(self._begun)

    def within(self, done: int, total: int) -> float:
        """``done`` of ``total`` layers of the stage at hand."""
        part = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        return self._grow(self._begun + part * self._share(self.stage))

    def _share(self, name: str) -> float:
        kind, _, target = name.partition(":")
        if not target:
            return SHARES.get(kind, 0.0)
        return TARGETS / max(1, self.targets) * (WRITE if kind == "write" else 1 - WRITE)

    def _grow(self, fraction: float) -> float:
        self.fraction = max(self.fraction, min(fraction, 0.99))
        return self.fraction
