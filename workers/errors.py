"""Everything that can end a conversion, each with the words that the user will read.

One class a *type* of the job's ``error`` problem (a closed list). An error names the file, the layer, the operator or
the limit, and says what to do; it becomes a problem object at one place, ``problem()``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class ConversionError(Exception):
    """The root of all refusals. ``detail`` is one readable sentence; ``hint`` says what the user can do about it."""

    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "The conversion failed"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        file: str | None = None,
        layer: str | None = None,
        op: str | None = None,
        hint: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.file = file
        self.layer = layer
        self.op = op
        self.hint = hint
        self.extra = extra
        self.stage: str | None = None

    def problem(self) -> dict[str, Any]:
        """The error as JSON-able members of a problem object, without those that are unknown."""
        members = {
            "type": self.type,
            "title": self.title,
            "detail": self.detail,
            "stage": self.stage,
            "file": self.file,
            "layer": self.layer,
            "op": self.op,
            "hint": self.hint,
            "retryable": self.retryable,
            **self.extra,
        }
        return {key: value for key, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Unsupported:
    """One layer or node that cannot be said: ``layer`` in the source's words, ``type`` its type, ``reason`` why."""

    layer: str
    type: str
    reason: str

    def __str__(self) -> str:
        return f"{self.layer!r} ({self.type}): {self.reason}"


class UnsupportedOperators(ConversionError):
    """Layers of the source, or nodes for a target, that cannot be expressed: all of them at once, each by name."""

    type = "unsupported-op"
    title = "The model has operators that cannot be converted"

    def __init__(self, system: str, items: Sequence[Unsupported], *, hint: str | None = None) -> None:
        self.system = system
        self.items = tuple(items)
        what = "1 layer" if len(self.items) == 1 else f"{len(self.items)} layers"
        listed = "; ".join(str(item) for item in self.items)
        super().__init__(
            f"{what} cannot be converted ({system}): {listed}",
            layer=self.items[0].layer if len(self.items) == 1 else None,
            op=self.items[0].type if len(self.items) == 1 else None,
            hint=hint,
            unsupported=[{"layer": i.layer, "op": i.type, "reason": i.reason} for i in self.items],
        )


class UnsupportedLayer(ConversionError):
    """Raised by one reading or writing function for one layer; the reader collects them into UnsupportedOperators."""

    type = "unsupported-op"
    title = "The model has operators that cannot be converted"

    def __init__(self, format: str, layer: str, type: str, reason: str) -> None:
        super().__init__(f"{layer!r} ({type}): {reason}", layer=layer, op=type)
        self.item = Unsupported(layer, type, reason)
        self.format = format


class UnsupportedVersion(ConversionError):
    type = "unsupported-version"
    title = "The file is of a version that cannot be read"


class UnsupportedConversion(ConversionError):
    type = "unsupported-conversion"
    title = "There is no such conversion"


class MalformedModel(ConversionError):
    """The bytes are not what their format says; name the file and the place in it."""

    type = "malformed-model"
    title = "A model file is damaged or inconsistent"


class UnsafeModel(ConversionError):
    type = "unsafe-model"
    title = "The model would read foreign files or run code"


class UnsafeArchive(ConversionError):
    type = "unsafe-archive"
    title = "The archive has members that will not be unpacked"


class LimitExceeded(ConversionError):
    """A bound was hit. ``which`` is one of memory, time, disk, nodes, inflate, size, depth, members."""

    type = "limit-exceeded"
    title = "A limit was exceeded"

    def __init__(
        self, which: str, detail: str, *, limit: float | int | None = None, file: str | None = None,
        layer: str | None = None, hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail, file=file, layer=layer, hint=hint, which=which, limit=limit)


class UnknownFormat(ConversionError):
    type = "unknown-format"
    title = "The files are of no known format"


class AmbiguousFormat(ConversionError):
    type = "ambiguous-format"
    title = "The files could be of several formats"


class MissingFile(ConversionError):
    """The upload is a part of a model: the error says which file is missing and what it usually looks like."""

    type = "missing-file"
    title = "A file of the model is missing"


class InvalidOptions(ConversionError):
    type = "invalid-options"
    title = "The options do not fit the model"


class ParityFailed(ConversionError):
    type = "parity-failed"
    title = "The converted model computes something else"


class CheckerFailed(ConversionError):
    """The hub model did not pass the ONNX checker or would not load in onnxruntime: a fault of the converter."""

    type = "checker-failed"
    title = "The converted model is not valid ONNX"


class ToolchainMissing(ConversionError):
    type = "toolchain-missing"
    title = "A framework's environment is not installed"


class ToolchainCrashed(ConversionError):
    type = "toolchain-crashed"
    title = "A framework's own process failed"
    retryable = True


class Canceled(ConversionError):
    type = "canceled"
    title = "The job was canceled"
