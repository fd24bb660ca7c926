"""From an upload to one net with its weights: which file is which, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat
from workers.formats.contract import Note
from workers.formats.darknet.file import parse_cfg, parse_tree, parse_weights
from workers.formats.darknet.net import Net, build
from workers.formats.darknet.recognise import CFG, DATA, NAMES, SUFFIXES, TREE, WEIGHTS, kind_of
from workers.formats.darknet.weights import Weights
from workers.inspect.kind import Kind
from workers.inspect.upload import Upload, UploadedFile

Kinds = Sequence[tuple[UploadedFile, Kind]]


@dataclass(frozen=True, slots=True)
class Assembled:
    """``trees``: sizes of the softmax groups of each class tree, by the file's base name."""

    net: Net
    weights: Weights
    trees: dict[str, tuple[int, ...]]
    files: tuple[str, ...]
    notes: tuple[Note, ...]


def assemble(upload: Upload) -> Assembled:
    """The model in the upload.

    Raises MissingFile for half a model, InvalidOptions for two, MalformedModel for a file that is not what its name
    says or damaged, UnknownFormat when there is nothing of Darknet's at all.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    cfg = _only(kinds, CFG, "nets")
    weights = _only(kinds, WEIGHTS, "files with weights")
    _check_names(kinds)
    if cfg is None or weights is None:
        raise _missing(kinds, cfg, weights)
    parsed = parse_cfg(cfg.map(), cfg.name)
    net = build(parsed, cfg.name)
    header, values = parse_weights(weights.map(), weights.name)
    trees = {
        PurePosixPath(file.name).name: parse_tree(file.map(), file.name)
        for file, kind in kinds
        if kind.role == TREE or file.suffix == ".tree"
    }
    notes = [note for file, kind in kinds if (note := _ignored(file, kind)) is not None]
    if parsed.ignored:
        lines = ", ".join(map(str, parsed.ignored[:5])) + (", ..." if len(parsed.ignored) > 5 else "")
        notes.append(Note("ignored-lines", f"Lines without key=value are skipped, as Darknet does: {lines}.", cfg.name))
    return Assembled(net, Weights(weights.name, header, values), trees, (cfg.name, weights.name), tuple(notes))


def _only(kinds: Kinds, role: str, words: str) -> UploadedFile | None:
    found = [file for file, kind in kinds if kind.role == role]
    if len(found) > 1:
        names = ", ".join(repr(file.name) for file in found)
        raise InvalidOptions(
            f"the upload has {len(found)} {words} ({names})", hint="Upload one .cfg and the .weights that belong to it."
        )
    return found[0] if found else None


def _check_names(kinds: Kinds) -> None:
    """A file named as Darknet's, but something else: say what it is instead of missing it later."""
    for file, kind in kinds:
        expected = {".cfg": CFG, ".weights": WEIGHTS}.get(file.suffix)
        role = {CFG: CFG, WEIGHTS: WEIGHTS}.get(kind.role)
        if file.suffix in SUFFIXES and role is None and not any(other.role == expected for _, other in kinds):
            raise MalformedModel(
                f"{file.name!r} is {kind.what}, not a Darknet file", file=file.name,
                hint="Upload the file itself, as Darknet saved it.",
            )  # fmt: skip


def _missing(kinds: Kinds, cfg: UploadedFile | None, weights: UploadedFile | None) -> MissingFile | UnknownFormat:
    if cfg is not None:
        name = f"{PurePosixPath(cfg.name).stem}.weights"
        return MissingFile(
            f"the weights of {cfg.name!r} are missing", file=cfg.name,
            hint=f"Add the file with the weights, usually called {name}.",
        )  # fmt: skip
    if weights is not None:
        name = f"{PurePosixPath(weights.name).stem}.cfg"
        return MissingFile(
            f"{weights.name!r} holds numbers only: the net that says what they are is missing", file=weights.name,
            hint=f"Add the net's description, usually called {name}.",
        )  # fmt: skip
    for file, kind in kinds:
        if kind.role in (NAMES, DATA, TREE):
            return MissingFile(
                f"{file.name!r} is {kind.what}; the net itself is missing", file=file.name,
                hint="Add the net (.cfg) and its weights (.weights).",
            )  # fmt: skip
    seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
    return UnknownFormat(f"there is no Darknet file among the uploads: {seen}")


def _ignored(file: UploadedFile, kind: Kind) -> Note | None:
    if kind.role in (CFG, WEIGHTS, TREE) or file.suffix == ".tree":
        return None
    words = "it is no part of the net" if kind.role in (NAMES, DATA) else "it was not used"
    return Note("ignored-file", f"The file is {kind.what}; {words}.", file.name)
