"""From an upload to one graph with its values: which file is what, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workers.errors import ConversionError, InvalidOptions, MalformedModel, MissingFile, UnknownFormat
from workers.formats.contract import Note
from workers.formats.tensorflow.bundle import SHARD, Checkpoint, Stored, read_bundle, read_table
from workers.formats.tensorflow.graph import Graph, Node, attr, graph_of
from workers.formats.tensorflow.recognise import (
    DATA,
    GRAPH,
    GRAPH_TEXT,
    INDEX,
    META,
    SAVED_MODEL,
    SAVED_TEXT,
    STATE,
    SUFFIXES,
    TABLE,
    kind_of,
)
from workers.formats.tensorflow.schema import GRAPH as GRAPH_DEF
from workers.formats.tensorflow.schema import META_GRAPH, SCHEMA, SPARED_MODEL
from workers.formats.tensorflow.variables import VARIABLES, variables_of
from workers.inspect.protobuf import decode
from workers.inspect.prototext import TextLimits, parse
from workers.inspect.schema import Message, MessageType
from workers.inspect.upload import Upload, UploadedFile
from workers.options import Options

TEXT = TextLimits(size=512 << 20)


@dataclass(slots=True)
class Assembled:
    """``signature``: the chosen entry point, None for a bare graph. ``variables``: values by their node's name."""

    graph: Graph
    file: str
    kind: str
    signature: Message | None = None
    signature_name: str = ""
    variables: dict[str, Stored] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    version: str = ""
    notes: list[Note] = field(default_factory=list)


def assemble(upload: Upload, options: Options) -> Assembled:
    """Find the graph of an upload and its variables' values.

    Raises UnknownFormat, MissingFile, MalformedModel, InvalidOptions (an unknown signature).
    """
    by_role: dict[str, list[UploadedFile]] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, []).append(file)
    for role in (SAVED_MODEL, SAVED_TEXT):
        if role in by_role:
            return _saved_model(_one(by_role[role]), role, by_role, options)
    if META in by_role:
        return _meta(_matching(by_role[META], by_role), by_role, options)
    for role in (GRAPH, GRAPH_TEXT):
        if role in by_role:
            return _bare(_largest(by_role[role]), role, by_role)
    raise _nothing(upload, by_role)


def _one(files: Sequence[UploadedFile]) -> UploadedFile:
    if len(files) > 1:
        raise InvalidOptions(
            f"the upload holds {len(files)} SavedModels: {', '.join(repr(file.name) for file in files[:6])}",
            file=files[0].name, hint="Upload one of them.",
        )  # fmt: skip
    return files[0]


def _largest(files: Sequence[UploadedFile]) -> UploadedFile:
    return max(files, key=lambda file: file.size)


def _matching(files: Sequence[UploadedFile], by_role: dict[str, list[UploadedFile]]) -> UploadedFile:
    """The meta graph whose checkpoint is there as well, the last one of several."""
    stems = {file.name.removesuffix(".index") for file in by_role.get(INDEX, [])}
    fitting = [file for file in files if file.name.removesuffix(".meta") in stems]
    return (fitting or list(files))[-1]


def _nothing(upload: Upload, by_role: dict[str, list[UploadedFile]]) -> ConversionError:
    parts = [file for role in (INDEX, TABLE, DATA, STATE) for file in by_role.get(role, [])]
    if parts:
        return MissingFile(
            f"{parts[0].name!r} is {kind_of(parts[0]).what}; the graph is missing", file=parts[0].name,
            hint="Add the graph: saved_model.pb, or the .meta file of the checkpoint, or graph.pbtxt.",
        )  # fmt: skip
    seen = [f"{file.name!r} is {kind_of(file).what}" for file in upload.files[:10]]
    named = next((file for file in upload.files if file.suffix in SUFFIXES), None)
    if named is not None:
        return MalformedModel(
            f"{named.name!r} is {kind_of(named).what}: it cannot be read as TensorFlow's", file=named.name
        )
    return UnknownFormat(f"no TensorFlow model among the files: {'; '.join(seen)}")


# --- reading the messages ---------------------------------------------------------------------------------------------


def _message(file: UploadedFile, kind: MessageType, text: bool) -> Message:
    view = file.map()
    return parse(view, kind, file=file.name, limits=TEXT).message if text else decode(view, kind, file=file.name)


def _saved_model(file: UploadedFile, role: str, by_role: dict[str, list[UploadedFile]], options: Options) -> Assembled:
    text = role == SAVED_TEXT
    message = _message(file, SCHEMA["SavedModel"] if text else SPARED_MODEL, text)
    metas = list(message.meta_graphs)
    if not metas:
        raise MalformedModel(f"{file.name!r} holds no graph", file=file.name)
    meta = next((meta for meta in metas if "serve" in meta.meta_info_def.tags), metas[0])
    folder = PurePosixPath(file.name).parent
    below = str(folder / "variables")
    inside = [item for files in by_role.values() for item in files if str(PurePosixPath(item.name).parent) == below]
    index = next((item for item in inside if item.name.endswith("variables.index")), None)
    checkpoint = None
    if index is not None:
        checkpoint = read_bundle(index, [item for item in inside if SHARD.search(item.name)])
    else:
        old = [item for item in inside if kind_of(item).role == TABLE]
        checkpoint = read_table(old) if old else None
    source = _with_meta(meta, file, "saved_model", checkpoint, options)
    _need_values(source, "variables/variables.index and variables.data-*")
    return source


def _meta(file: UploadedFile, by_role: dict[str, list[UploadedFile]], options: Options) -> Assembled:
    stem = file.name.removesuffix(".meta")
    checkpoint = _checkpoint(by_role, stem)
    source = _with_meta(_message(file, META_GRAPH, False), file, "checkpoint", checkpoint, options)
    _need_values(source, f"{PurePosixPath(stem).name}.index and {PurePosixPath(stem).name}.data-*")
    return source


def _bare(file: UploadedFile, role: str, by_role: dict[str, list[UploadedFile]]) -> Assembled:
    message = _message(file, GRAPH_DEF, role == GRAPH_TEXT)
    graph = graph_of(message, file.name)
    checkpoint = _checkpoint(by_role, "")
    variables = variables_of(graph, checkpoint) if checkpoint is not None else {}
    files = (file.name, *(checkpoint.files if checkpoint is not None else ()))
    source = Assembled(graph, file.name, "graph", variables=variables, files=files, version=_producer(message))
    _need_values(source, "the checkpoint's .index and .data-* files")
    return source


def _checkpoint(by_role: dict[str, list[UploadedFile]], stem: str) -> Checkpoint | None:
    """The checkpoint of that stem, else the last one that is there."""
    indices = by_role.get(INDEX, [])
    index = next((item for item in indices if item.name == f"{stem}.index"), indices[-1] if indices else None)
    if index is not None:
        own = f"{index.name.removesuffix('.index')}.data-"
        return read_bundle(index, [item for item in by_role.get(DATA, []) if item.name.startswith(own)])
    tables = by_role.get(TABLE, [])
    own_tables = [item for item in tables if item.name == stem or item.name.startswith(f"{stem}-")]
    return read_table(own_tables or tables) if tables else None


def _with_meta(
    meta: Message, file: UploadedFile, kind: str, checkpoint: Checkpoint | None, options: Options
) -> Assembled:
    graph = graph_of(meta.graph_def, file.name)
    variables = variables_of(graph, checkpoint) if checkpoint is not None else {}
    version = str(meta.meta_info_def.tensorflow_version or "") or _producer(meta.graph_def)
    files = (file.name, *(checkpoint.files if checkpoint is not None else ()))
    source = Assembled(graph, file.name, kind, variables=variables, files=files, version=version)
    _choose(source, meta, options)
    return source


def _producer(graph: Message) -> str:
    number = graph.versions.producer
    return f"graph version {number}" if number else ""


def _choose(source: Assembled, meta: Message, options: Options) -> None:
    """The signature: the user's, else the default for serving, else the only or first one."""
    found = {
        str(pair.key): pair.value
        for pair in meta.signature_def
        if not str(pair.key).startswith("__saved_model") and (pair.value.has("outputs"))
    }
    if options.signature is not None:
        if options.signature not in found:
            raise InvalidOptions(
                f"the option 'signature' names {options.signature!r}, which {source.file!r} has not", file=source.file,
                hint=f"Signatures: {', '.join(sorted(found)) or 'none'}.",
            )  # fmt: skip
        name = options.signature
    elif options.outputs and not set(options.outputs) <= _output_keys(found):
        return
    elif "serving_default" in found or found:
        name = "serving_default" if "serving_default" in found else min(found)
    else:
        return
    others = sorted(set(found) - {name})
    if others and options.signature is None:
        detail = f"The signature {name!r} was converted; the file also has {', '.join(map(repr, others))}."
        source.notes.append(Note("other-signatures", detail, source.file))
    source.signature, source.signature_name = found[name], name


def _output_keys(signatures: dict[str, Message]) -> set[str]:
    return {str(pair.key) for signature in signatures.values() for pair in signature.outputs}


def _need_values(source: Assembled, names: str) -> None:
    """A graph with variables and not one value needs a file; single missing ones are told where they are read."""
    wanted = [node for node in source.graph.nodes.values() if node.op in VARIABLES and _is_number(node)]
    if wanted and not source.variables:
        raise MissingFile(
            f"the values of {len(wanted)} variables of {source.file!r} are missing ({wanted[0].name!r}, ...)",
            file=source.file, hint=f"Add {names}.",
        )  # fmt: skip


def _is_number(node: Node) -> bool:
    return attr(node, "dtype", "type", "DT_FLOAT") not in ("DT_STRING", "DT_RESOURCE")
