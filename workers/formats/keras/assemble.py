"""From an upload to one architecture with its weights: which file is which, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat
from workers.formats.contract import Note
from workers.formats.keras import recognise
from workers.formats.keras.container import CONFIG, INDEX, METADATA, WEIGHTS, Container, open_piece
from workers.formats.keras.recognise import kind_of
from workers.formats.keras.stored import Node, attribute, has_names, read_groups, read_tree, text_of
from workers.formats.keras.text import parse_json, parse_yaml
from workers.inspect.hdf5 import Dataset, Hdf5File, open_hdf5
from workers.inspect.kind import Kind
from workers.inspect.upload import Upload, UploadedFile

Groups = list[tuple[str, list[Dataset]]]


@dataclass(slots=True)
class Assembled:
    """``config`` is the model's own record; weights are in ``groups`` (Keras 1 and 2) or in ``tree`` (Keras 3).

    ``version`` and ``backend`` as the files tell them, '' where they do not. ``opened`` holds what must stay open
    while weights are read.
    """

    config: dict[str, Any]
    file: str
    files: tuple[str, ...]
    weights_file: str = ""
    groups: Groups | None = None
    tree: Node | None = None
    version: str = ""
    backend: str = ""
    notes: list[Note] = field(default_factory=list)

    @property
    def generation(self) -> int:
        """1, 2 or 3; of files that do not say, by the shape of their records."""
        major = self.version.split(".", 1)[0]
        if major.isdigit():
            return min(max(int(major), 1), 3)
        return 3 if "module" in self.config or "registered_name" in self.config else _old(self.config)


def _old(config: dict[str, Any]) -> int:
    text = json.dumps(config)
    return 1 if '"output_dim"' in text and '"input_dim"' in text and '"units"' not in text else 2


def assemble(upload: Upload, stack: ExitStack) -> Assembled:
    """The model in the upload; HDF5 files are left open in ``stack``.

    Raises MissingFile for weights without an architecture and the reverse, InvalidOptions for several models,
    MalformedModel for damage, UnknownFormat when there is nothing of Keras' at all.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    by_role: dict[str, list[UploadedFile]] = {}
    for file, kind in kinds:
        by_role.setdefault(kind.role, []).append(file)
    wholes = [*by_role.get(recognise.ARCHIVE, []), *by_role.get(recognise.MODEL, [])]
    texts = [*by_role.get(recognise.JSON, []), *by_role.get(recognise.YAML, [])]
    weights = [*by_role.get(recognise.WEIGHTS, []), *by_role.get(recognise.TREE, [])]
    if len(wholes) > 1 or (not wholes and len(texts) > 1):
        raise _several("models", wholes or texts)
    if wholes:
        found = _whole(wholes[0], stack)
        used: list[UploadedFile] = wholes
    elif texts:
        found, used = _pair(texts[0], weights, stack)
    else:
        raise _nothing(weights, kinds)
    found.files = tuple(file.name for file in used)
    found.notes += [_ignored(file, kind) for file, kind in kinds if file not in used]
    if not isinstance(found.config, dict):
        raise MalformedModel(f"the architecture in {found.file!r} is no record", file=found.file)
    return found


# --- whole models ---------------------------------------------------------------------------------------------------


def _whole(file: UploadedFile, stack: ExitStack) -> Assembled:
    if kind_of(file).role == recognise.ARCHIVE:
        return _archive(file, stack)
    opened = stack.enter_context(open_hdf5(file))
    raw = attribute(opened, opened.handle, "model_config")
    if raw is None:
        raise MalformedModel(f"{file.name!r} is an HDF5 file without a model_config", file=file.name)
    config = parse_json(text_of(raw), file.name)
    found = Assembled(config, file.name, (), file.name)
    root = "/model_weights" if "model_weights" in opened.names() else ""
    _legacy(found, opened, root)
    return found


def _legacy(found: Assembled, opened: Hdf5File, root: str) -> None:
    """Weights by layer and order, with the version and the backend that wrote them."""
    if not has_names(opened, root):
        raise MalformedModel(f"{opened.source.name!r} does not list its layers", file=opened.source.name)
    found.groups = read_groups(opened, root)
    group = opened.handle[root] if root else opened.handle
    for holder in (opened.handle, group):
        found.version = text_of(attribute(opened, holder, "keras_version")) or found.version
        found.backend = text_of(attribute(opened, holder, "backend")) or found.backend


def _archive(file: UploadedFile, stack: ExitStack) -> Assembled:
    container = Container(file)
    config = parse_json(container.text(CONFIG), f"{file.name}/{CONFIG}")
    found = Assembled(config, file.name, (), file.name)
    if METADATA in container.names:
        metadata = parse_json(container.text(METADATA), f"{file.name}/{METADATA}")
        found.version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
    if WEIGHTS in container.names:
        found.tree = read_tree(stack.enter_context(open_piece(container.read(WEIGHTS))))
    elif INDEX in container.names:
        found.tree = _sharded(container, stack)
    else:
        raise MissingFile(
            f"{file.name!r} holds an architecture, but no {WEIGHTS}", file=file.name,
            hint="Save the model once more with model.save('model.keras').",
        )  # fmt: skip
    return found


def _sharded(container: Container, stack: ExitStack) -> Node:
    """Weights in several files; each holds whole layers at their usual place."""
    root = Node()
    for name in sorted(container.names):
        if name.endswith(".weights.h5"):
            _merge(root, read_tree(stack.enter_context(open_piece(container.read(name)))))
    return root


def _merge(into: Node, other: Node) -> None:
    into.own |= other.own
    into.name = into.name or other.name
    for key, child in other.inner.items():
        _merge(into.inner.setdefault(key, Node()), child)


# --- architecture and weights ---------------------------------------------------------------------------------------


def _pair(
    text: UploadedFile, weights: Sequence[UploadedFile], stack: ExitStack
) -> tuple[Assembled, list[UploadedFile]]:
    config = _architecture(text)
    if not weights:
        raise MissingFile(
            f"{text.name!r} holds an architecture, but no weights", file=text.name,
            hint="Add the file that model.save_weights('weights.h5') wrote, or upload the whole saved model.",
        )  # fmt: skip
    if len(weights) > 1:
        raise _several("weight files", weights)
    found = Assembled(config, text.name, (), weights[0].name)
    found.version, found.backend = str(config.get("keras_version") or ""), str(config.get("backend") or "")
    opened = stack.enter_context(open_hdf5(weights[0]))
    if kind_of(weights[0]).role == recognise.TREE:
        found.tree = read_tree(opened)
    else:
        version = found.version
        _legacy(found, opened, "")
        found.version = version or found.version
    return found, [text, weights[0]]


def _architecture(file: UploadedFile) -> dict[str, Any]:
    raw = bytes(file.map()).decode("utf-8-sig", "replace")
    if kind_of(file).role == recognise.YAML:
        config = parse_yaml(raw, file.name)
    else:
        config = parse_json(raw, file.name)
        if isinstance(config, str):
            config = parse_json(config, file.name)
    if not isinstance(config, dict):
        raise MalformedModel(f"{file.name!r} is no architecture that Keras writes", file=file.name)
    return config


# --- refusals -------------------------------------------------------------------------------------------------------


def _several(what: str, files: Sequence[UploadedFile]) -> InvalidOptions:
    names = ", ".join(repr(file.name) for file in files)
    return InvalidOptions(
        f"the upload has {len(files)} {what} ({names})", hint="Upload the one that is to be converted."
    )


def _ignored(file: UploadedFile, kind: Kind) -> Note:
    return Note("ignored-file", f"The file is {kind.what}; it was not used.", file.name)


def _nothing(
    weights: Sequence[UploadedFile], kinds: Sequence[tuple[UploadedFile, Kind]]
) -> MissingFile | UnknownFormat | MalformedModel:
    if weights:
        return MissingFile(
            f"{weights[0].name!r} holds weights only: which layers they belong to, and how these are connected, is "
            f"not in it", file=weights[0].name,
            hint="Add the architecture (open('model.json', 'w').write(model.to_json())), or save the whole model "
            "with model.save('model.keras').",
        )  # fmt: skip
    for file, kind in kinds:
        if file.name.lower().endswith(recognise.SUFFIXES):
            return MalformedModel(f"{file.name!r} is {kind.what}, not a file of Keras'", file=file.name)
    seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
    return UnknownFormat(f"there is no Keras file among the uploads: {seen}")
