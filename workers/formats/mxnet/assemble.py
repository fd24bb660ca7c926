"""From an upload to one symbol with its parameters: which file is which, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat
from workers.formats.contract import Note
from workers.formats.mxnet.file import StoredArray, read_params
from workers.formats.mxnet.order import by_order
from workers.formats.mxnet.recognise import OTHER, PARAMS, SUFFIXES, SYMBOL, kind_of
from workers.formats.mxnet.symbol import Symbol, read_symbol
from workers.formats.mxnet.upgrade import generation, upgrade
from workers.inspect.kind import Kind
from workers.inspect.upload import Upload, UploadedFile

# Names that gluon's save_parameters gives: the blocks' places and attributes, joined by dots.
_STRUCTURAL = re.compile(r"^[^:]+\.(?:weight|bias|gamma|beta|running_mean|running_var|[^.]*_(?:weight|bias))$")


@dataclass(frozen=True, slots=True)
class Assembled:
    """``symbol`` in today's words, ``params`` by the names of its variables. ``params_file`` is '' without one."""

    symbol: Symbol
    symbol_file: str
    params: Mapping[str, StoredArray]
    params_file: str
    files: tuple[str, ...]
    version: str
    notes: tuple[Note, ...]


def assemble(upload: Upload) -> Assembled:
    """The model in the upload.

    Raises MissingFile for parameters without a symbol, InvalidOptions for several models, MalformedModel for a file
    that is damaged or not what its name says, UnknownFormat when there is nothing of MXNet's at all.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    _check_names(kinds)
    symbols = [file for file, kind in kinds if kind.role == SYMBOL]
    stores = [file for file, kind in kinds if kind.role == PARAMS]
    if not symbols:
        raise _without_symbol(stores, kinds)
    if len(symbols) > 1:
        raise _several("graphs", symbols, "Upload the one that is to be converted.")
    raw = read_symbol(symbols[0].map(), symbols[0].name)
    symbol = upgrade(raw)
    store, params = _store(symbol, stores)
    notes = [_ignored(file, kind.what) for file, kind in kinds if kind.role == OTHER]
    notes += [_ignored(file, "another parameter file") for file in stores if file is not store]
    if store is not None and params and not _fits(symbol, params):
        params = by_order(symbol, params, store.name)
        notes.append(_by_order_note(store))
    files = (symbols[0].name, store.name) if store is not None else (symbols[0].name,)
    return Assembled(
        symbol, symbols[0].name, params, store.name if store else "", files, _version(raw, params), tuple(notes)
    )


# --- parameters -----------------------------------------------------------------------------------------------------


def load(file: UploadedFile) -> dict[str, StoredArray]:
    """The arrays by bare name, ``arg:`` and ``aux:`` taken off. Unnamed lists and names given twice are refused."""
    arrays: dict[str, StoredArray] = {}
    for array in read_params(file.map(), file.name):
        name = array.name.removeprefix("arg:").removeprefix("aux:")
        if not name:
            raise MalformedModel(
                f"{file.name!r} holds arrays without names, so that none can be matched to the symbol", file=file.name,
                hint="Save a dictionary of arrays, or export the model with Module.save_checkpoint.",
            )  # fmt: skip
        if name in arrays:
            raise MalformedModel(f"{file.name!r} holds the array {name!r} twice", file=file.name)
        arrays[name] = array
    return arrays


def _fits(symbol: Symbol, params: Mapping[str, StoredArray]) -> bool:
    """Whether any of the arrays is one of the symbol's variables."""
    return any(node.is_variable and node.name in params for node in symbol.nodes)


def _store(symbol: Symbol, stores: Sequence[UploadedFile]) -> tuple[UploadedFile | None, dict[str, StoredArray]]:
    """The parameter file of this symbol; of several the only one whose names fit."""
    if not stores:
        return None, {}
    loaded = [(file, load(file)) for file in stores]
    fitting = [(file, params) for file, params in loaded if _fits(symbol, params)] if len(loaded) > 1 else loaded
    if len(fitting) != 1:
        raise _several("parameter files", stores, "Upload the one that belongs to the symbol, usually the last epoch.")
    return fitting[0]


def _version(raw: Symbol, params: Mapping[str, StoredArray]) -> str:
    generations = sorted({array.generation for array in params.values()})
    words = generation(raw) + (", numpy semantics" if raw.np_shape else "")
    return f"{words}; {' and '.join(generations)} arrays" if generations else words


def _by_order_note(store: UploadedFile) -> Note:
    return Note(
        "parameters-by-order",
        "The parameter file was written by save_parameters, whose names say nothing of the symbol: its arrays were "
        "matched by their order, kind and shape. Layers of equal shape could be exchanged; compare the outputs with "
        "the model's own, or upload what export() writes.",
        store.name,
    )


# --- refusals -------------------------------------------------------------------------------------------------------


def _several(what: str, files: Sequence[UploadedFile], hint: str) -> InvalidOptions:
    names = ", ".join(repr(file.name) for file in files)
    return InvalidOptions(f"the upload has {len(files)} {what} ({names})", hint=hint)


def _ignored(file: UploadedFile, what: str) -> Note:
    return Note("ignored-file", f"The file is {what}; it was not used.", file.name)


def _check_names(kinds: Sequence[tuple[UploadedFile, Kind]]) -> None:
    """A file named as MXNet's, but something else: say what it is instead of missing it later."""
    for file, kind in kinds:
        if kind.role == OTHER and file.name.lower().endswith(SUFFIXES):
            raise MalformedModel(
                f"{file.name!r} is {kind.what}, not a file of MXNet's", file=file.name,
                hint="Upload the file itself, as MXNet saved it.",
            )  # fmt: skip


def _without_symbol(
    stores: Sequence[UploadedFile], kinds: Sequence[tuple[UploadedFile, Kind]]
) -> MissingFile | UnknownFormat:
    if not stores:
        seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
        return UnknownFormat(f"there is no MXNet file among the uploads: {seen}")
    store = stores[0]
    names = list(load(store))
    example = f" such as {names[0]!r}" if names else ""
    if names and all(_STRUCTURAL.match(name) for name in names):
        return MissingFile(
            f"{store.name!r} was written by gluon's save_parameters: it holds {len(names)} arrays{example} and no "
            f"graph, and its names fit no symbol", file=store.name,
            hint="Load the parameters into the network, call net.hybridize(), run it once, and upload both files "
            "that net.export('model') writes: model-symbol.json and model-0000.params.",
        )  # fmt: skip
    return MissingFile(
        f"{store.name!r} holds {len(names)} parameters{example}, but the graph is missing", file=store.name,
        hint="Add the symbol file, usually called *-symbol.json, that was saved with it.",
    )  # fmt: skip
