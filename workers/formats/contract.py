"""What a format is to the pipeline: the functions it brings, and what goes into and comes out of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workers.inspect.upload import Upload
from workers.options import DEFAULTS, Options

if TYPE_CHECKING:  # the formats' own modules stay light: a command line that only starts a job imports them all
    import onnx_ir as ir


@dataclass(frozen=True, slots=True)
class Evidence:
    """How sure a format is of an upload: ``score`` 0..1 and one sentence saying what was seen in which file."""

    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know: a stable ``code``, a sentence, and the layer or file it is about."""

    code: str
    detail: str
    where: str | None = None


class Progress(Protocol):
    """Called while a stage works: ``done`` of ``total`` source layers (or nodes), and which one is at hand."""

    def __call__(self, done: int, total: int, what: str) -> None: ...


def no_progress(done: int, total: int, what: str) -> None:
    """For callers that do not watch."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    upload: Upload
    options: Options = DEFAULTS
    progress: Progress = no_progress


@dataclass(frozen=True, slots=True)
class Reading:
    """A model as read, before normalising.

    ``files`` are the names of the uploaded files that were used; ``applied`` names the options that the reader took
    care of itself, so that the normal form leaves them alone.
    """

    model: ir.Model
    files: tuple[str, ...]
    version: str = ""
    notes: tuple[Note, ...] = ()
    applied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """``model`` is in normal form (opset 21); ``folder`` exists and is empty; ``name`` is a stem for file names."""

    model: ir.Model
    folder: Path
    name: str = "model"
    options: Options = DEFAULTS
    progress: Progress = no_progress


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer left in its folder.

    ``files``: relative names, those that a runtime loads first. ``input_names``/``output_names``: what the target
    calls the hub's inputs and outputs, in the hub's order. ``changes``: the legalisation rules that were applied.
    """

    files: tuple[str, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    changes: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Verifier:
    """A runtime that can run files of this format: a toolchain and the action asked of it, ``run:<format>``.

    ``doubts`` names a function ``(list[Path], ir.Model) -> list[str]``: sentences on what this runtime is known to
    compute wrongly, or to lack, in this very model. With doubts a disagreement proves nothing; without, it counts.
    """

    toolchain: str
    action: str
    title: str
    doubts: Lazy | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A further file that the target's own framework makes from the written ones, by a toolchain's action."""

    action: str
    file: str
    title: str


@dataclass(frozen=True, slots=True)
class Lazy:
    """A function named by module and attribute, imported at its first call, so that a format's folder stays light."""

    module: str
    attribute: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(self.module), self.attribute)(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The functions that list a format's layer types, by direction: ``type -> reason`` each."""

    read: Lazy | None = None
    write: Lazy | None = None

    def __call__(self) -> Mapping[str, Mapping[str, str]]:
        tables = {"read": self.read, "write": self.write}
        return {direction: table() for direction, table in tables.items() if table is not None}


@dataclass(frozen=True, slots=True)
class Format:
    """One system's files.

    ``sniff(Upload) -> Evidence | None``; ``read(ReadRequest) -> Reading``; ``write(WriteRequest) -> Written``;
    ``legalise(model)`` rewrites a hub model in place until the writer can say all of it, or raises
    UnsupportedOperators.
    ``verify`` runs written files, and uploaded ones too unless ``verify_source`` does.
    ``variants``: which files of this system, in a few words for the list of formats.
    ``coverage() -> {"read": {type: reason or ""}, "write": {...}}`` lists layer types: empty reason means supported.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    sniff: Callable[[Upload], Evidence | None]
    read: Callable[[ReadRequest], Reading] | None = None
    write: Callable[[WriteRequest], Written] | None = None
    legalise: Callable[[ir.Model], list[Note]] | None = None
    coverage: Callable[[], Mapping[str, Mapping[str, str]]] | None = None
    verify: tuple[Verifier, ...] = ()
    verify_source: tuple[Verifier, ...] | None = None
    exports: tuple[Export, ...] = ()
    needs: str = ""
    variants: str = ""
