"""From an upload to one network: which file holds it, and where in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.errors import InvalidOptions, MalformedModel, UnknownFormat
from workers.formats.contract import Note
from workers.formats.torch7.file import Parsed, parse
from workers.formats.torch7.find import Found, find
from workers.formats.torch7.objects import Object
from workers.formats.torch7.recognise import NETWORK, OBJECT, OTHER, SUFFIXES, kind_of
from workers.inspect.kind import Kind
from workers.inspect.upload import Upload, UploadedFile


@dataclass(frozen=True, slots=True)
class Assembled:
    """The network of an upload; ``file`` is the name of the file it was found in."""

    module: Object
    file: str
    version: str
    notes: tuple[Note, ...]


def assemble(upload: Upload, known: frozenset[str], path: str | None = None) -> Assembled:
    """The network in the upload, at ``path`` in its file if that is given.

    Raises UnknownFormat when no file is Torch7's, InvalidOptions for several networks, MissingFile when the file holds
    none, MalformedModel for a damaged one.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    candidates = [file for file, kind in kinds if kind.role == NETWORK]
    candidates = candidates or [file for file, kind in kinds if kind.role == OBJECT]
    if not candidates:
        raise _nothing(kinds)
    if len(candidates) > 1:
        names = ", ".join(repr(file.name) for file in candidates)
        raise InvalidOptions(
            f"the upload has {len(candidates)} Torch7 files ({names})", hint="Upload the one to convert."
        )
    file = candidates[0]
    parsed = parse(file.map(), file.name)
    chosen, others = find(parsed.root, file.name, known, path)
    notes = [Note("ignored-file", f"The file is {kind.what}; it was not used.", other.name)
             for other, kind in kinds if other is not file]  # fmt: skip
    return Assembled(chosen.module, file.name, parsed.encoding, (*notes, *_notes(parsed, chosen, others, file)))


def _notes(parsed: Parsed, chosen: Found, others: Sequence[Found], file: UploadedFile) -> list[Note]:
    notes = []
    if chosen.path:
        notes.append(Note(
            "model-in-table", f"The network is the {chosen.module.class_name} at {chosen.path!r}.", file.name
        ))  # fmt: skip
    if others:
        listed = ", ".join(f"{found.path!r} ({found.module.class_name})" for found in others[:8])
        notes.append(Note(
            "other-networks",
            f"The file holds further networks, which were not read: {listed}. Name one in the option "
            f"'model_path_in_file' to convert it.", file.name,
        ))  # fmt: skip
    if parsed.trailing:
        what = f"{parsed.trailing} bytes follow the object; they were ignored."
        notes.append(Note("trailing-bytes", what, file.name))
    return notes


def _nothing(kinds: Sequence[tuple[UploadedFile, Kind]]) -> MalformedModel | UnknownFormat:
    """A file named as Torch7's, but something else: say what it is."""
    for file, kind in kinds:
        if kind.role == OTHER and file.name.lower().endswith(SUFFIXES):
            return MalformedModel(
                f"{file.name!r} is {kind.what}, not a file of Torch7's", file=file.name,
                hint="Upload the file itself, as torch.save wrote it.",
            )  # fmt: skip
    seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
    return UnknownFormat(f"there is no Torch7 file among the uploads: {seen}")
