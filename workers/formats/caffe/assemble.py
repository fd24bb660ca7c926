"""From an upload to one net with its weights: which file is which, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat
from workers.formats.caffe import recognise
from workers.formats.caffe.data import is_data, is_training
from workers.formats.caffe.file import parse_prototxt, read_caffemodel
from workers.formats.caffe.recognise import CAFFEMODEL, HDF5, MEAN, OTHER, PROTOTXT, SOLVER, STATE, kind_of
from workers.formats.caffe.upgrade import generation, upgrade
from workers.formats.caffe.weights import Weights, from_hdf5, from_net
from workers.formats.contract import Note
from workers.inspect.kind import Kind
from workers.inspect.schema import Message
from workers.inspect.upload import Upload, UploadedFile


@dataclass(frozen=True, slots=True)
class Assembled:
    """``graph`` is in today's form. ``filtered``: it comes from a caffemodel, whose layers were chosen when saved."""

    graph: Message
    graph_file: str
    weights: Weights
    filtered: bool
    files: tuple[str, ...]
    version: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """A parsed prototxt."""

    file: UploadedFile
    net: Message
    version: str
    warnings: tuple[str, ...]


def assemble(upload: Upload) -> Assembled:
    """The model in the upload.

    Raises MissingFile for half a model, InvalidOptions for two, MalformedModel for a file that is not what its name
    says or damaged, UnknownFormat when there is nothing of Caffe's at all.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    _check_names(kinds)
    texts = [_text(file) for file, kind in kinds if kind.role == PROTOTXT]
    stores = [(file, kind) for file, kind in kinds if kind.role in (CAFFEMODEL, HDF5)]
    if len(stores) > 1:
        names = ", ".join(repr(file.name) for file, _ in stores)
        raise InvalidOptions(
            f"the upload has {len(stores)} files with weights ({names})", hint="Upload the one that belongs to the net."
        )
    if not texts and not stores:
        raise _nothing(kinds)
    notes = [note for file, kind in kinds if (note := _ignored(file, kind)) is not None]
    text = _choose(texts, notes) if texts else None
    if text is not None:
        notes.extend(Note("unknown-field", warning, text.file.name) for warning in text.warnings)
    store, kind = stores[0] if stores else (None, None)
    if kind is not None and store is not None and kind.role == CAFFEMODEL:
        return _with_caffemodel(text, store, notes)
    if text is None:
        raise MissingFile(
            "HDF5 weights hold no graph: the net's prototxt is missing", file=store.name if store else None,
            hint="Add the file usually called deploy.prototxt.",
        )  # fmt: skip
    weights = from_hdf5(store) if store is not None else from_net(text.net, "")
    files = (text.file.name, store.name) if store is not None else (text.file.name,)
    return Assembled(text.net, text.file.name, weights, False, files, text.version, tuple(notes))


def _with_caffemodel(text: _Text | None, store: UploadedFile, notes: list[Note]) -> Assembled:
    """A binary net carries a graph, too: it serves as the graph when no text does."""
    raw = read_caffemodel(store.map(), store.name)
    version = generation(raw)
    net = upgrade(raw, store.name)
    weights = from_net(net, store.name)
    if text is None:
        notes.append(
            Note(
                "graph-from-weights",
                "There is no prototxt: the graph is the one saved with the weights, usually that of training.",
                store.name,
            )
        )
        return Assembled(net, store.name, weights, True, (store.name,), version, tuple(notes))
    words = text.version if text.version == version else f"{text.version} prototxt, {version} caffemodel"
    files = (text.file.name, store.name)
    return Assembled(text.net, text.file.name, weights, False, files, words, tuple(notes))


def _text(file: UploadedFile) -> _Text:
    parsed = parse_prototxt(file.map(), file.name)
    return _Text(file, upgrade(parsed.message, file.name), generation(parsed.message), parsed.warnings)


# --- choosing -------------------------------------------------------------------------------------------------------


def _choose(texts: Sequence[_Text], notes: list[Note]) -> _Text:
    """Of several nets the one for inference: the only one with declared inputs and without losses, or by its name."""
    deploys = [text for text in texts if _for_inference(text.net)] or list(texts)
    named = [text for text in deploys if "deploy" in PurePosixPath(text.file.name).name.lower()]
    candidates = deploys if len(deploys) == 1 else named
    if len(candidates) != 1:
        names = ", ".join(repr(text.file.name) for text in texts)
        raise InvalidOptions(f"the upload has {len(texts)} nets ({names})", hint="Upload the one for inference.")
    for text in texts:
        if text is not candidates[0]:
            detail = f"Another net was uploaded; the one for inference, {candidates[0].file.name!r}, is converted."
            notes.append(Note("ignored-file", detail, text.file.name))
    return candidates[0]


def _for_inference(net: Message) -> bool:
    layers = list(net.layer)
    return any(layer.type == "Input" for layer in layers) and not any(
        is_data(layer) or is_training(layer) for layer in layers
    )


_IGNORED = {
    MEAN: "A mean image is preprocessing and no part of the net: subtract it from the input before running the model.",
    SOLVER: "A solver's settings serve training only.",
    STATE: "A solver's state serves training only; it holds no net.",
}


def _ignored(file: UploadedFile, kind: Kind) -> Note | None:
    if kind.role in _IGNORED:
        return Note("ignored-file", _IGNORED[kind.role], file.name)
    if kind.role == OTHER:
        return Note("ignored-file", f"The file is {kind.what}; it was not used.", file.name)
    return None


# --- refusals -------------------------------------------------------------------------------------------------------


def _check_names(kinds: Sequence[tuple[UploadedFile, Kind]]) -> None:
    """A file named as Caffe's, but something else: say what it is instead of missing it later."""
    for file, kind in kinds:
        if kind.role == OTHER and file.name.lower().endswith(recognise.SUFFIXES):
            raise MalformedModel(
                f"{file.name!r} is {kind.what}, not a Caffe file", file=file.name,
                hint="Upload the file itself, as Caffe saved it.",
            )  # fmt: skip


def _nothing(kinds: Sequence[tuple[UploadedFile, Kind]]) -> MissingFile | UnknownFormat:
    for file, kind in kinds:
        if kind.role in _IGNORED:
            return MissingFile(
                f"{file.name!r} is {kind.what}; the net itself is missing", file=file.name,
                hint="Add the net's prototxt (deploy.prototxt) and its weights (.caffemodel).",
            )  # fmt: skip
    seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
    return UnknownFormat(f"there is no Caffe file among the uploads: {seen}")
