"""From an upload to one list of operators with its parameters: which file is which, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat, UnsupportedVersion
from workers.formats.caffe2.file import Stored, parse_net, read_blob, read_minidb, read_net, read_tensors
from workers.formats.caffe2.operators import FILLS, ONNX_ELEMENTS, Operator, operators_of
from workers.formats.caffe2.recognise import (
    BLOB,
    DATABASE,
    FOREIGN,
    META,
    NET,
    OTHER,
    SHAPES,
    SUFFIXES,
    TENSORS,
    TEXT,
    kind_of,
)
from workers.formats.caffe2.schema import META as META_NET
from workers.formats.contract import Note
from workers.inspect.kind import Kind
from workers.inspect.protobuf import decode
from workers.inspect.schema import Message
from workers.inspect.upload import Upload, UploadedFile

PREDICT, PREDICT_INIT, GLOBAL_INIT = "PREDICT_NET_TYPE", "PREDICT_INIT_NET_TYPE", "GLOBAL_INIT_NET_TYPE"
INPUTS, OUTPUTS, PARAMETERS = "INPUTS_BLOB_TYPE", "OUTPUTS_BLOB_TYPE", "PARAMETERS_BLOB_TYPE"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file says of an input: its shape, and its element type in Caffe2's words ('' where it says nothing)."""

    shape: tuple[int, ...]
    element: str = ""


@dataclass(frozen=True, slots=True)
class Assembled:
    """``init`` fills the parameters, ``predict`` computes; ``params`` are those that come as tensors.

    ``inputs`` and ``outputs`` are given by predictor databases, else empty; ``external_inputs`` are the net's own.
    """

    init: tuple[Operator, ...]
    predict: tuple[Operator, ...]
    params: Mapping[str, Stored]
    external_inputs: tuple[str, ...]
    external_outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    declared: Mapping[str, Declared]
    net_file: str
    files: tuple[str, ...]
    version: str
    notes: tuple[Note, ...]

    @property
    def has_parameters(self) -> bool:
        return bool(self.init or self.params)


@dataclass(frozen=True, slots=True)
class _Net:
    file: UploadedFile
    record: Message
    operators: tuple[Operator, ...]
    warnings: tuple[str, ...]


def assemble(upload: Upload) -> Assembled:
    """The model in the upload.

    Raises MissingFile for half a model, InvalidOptions for two, MalformedModel for a file that is damaged or not what
    its name says, UnsupportedVersion for databases that are directories, UnknownFormat when nothing is Caffe2's.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    _check_names(kinds)
    notes = [_ignored(file, kind) for file, kind in kinds if kind.role == OTHER]
    declared: dict[str, Declared] = {}
    for file in _of(kinds, SHAPES):
        declared.update(_value_info(file))
    params: dict[str, Stored] = {}
    for file in _of(kinds, TENSORS):
        params.update(read_tensors(file.map(), file.name))
    for file in _of(kinds, BLOB):
        params.update(read_blob(file.map(), file.name))
    nets = [_net(file, kind.role) for file, kind in kinds if kind.role in (NET, TEXT)]
    databases = _of(kinds, DATABASE, META)
    if databases:
        return _from_database(databases, kinds, nets, params, declared, notes)
    if not nets:
        raise _nothing(kinds)
    return _from_nets(nets, params, declared, notes)


def _of(kinds: Sequence[tuple[UploadedFile, Kind]], *roles: str) -> list[UploadedFile]:
    return [file for file, kind in kinds if kind.role in roles]


# --- pairs of nets ---------------------------------------------------------------------------------------------------


def _net(file: UploadedFile, role: str) -> _Net:
    if role == TEXT:
        parsed = parse_net(file.map(), file.name)
        return _Net(file, parsed.message, operators_of(parsed.message, file.name), parsed.warnings)
    record = read_net(file.map(), file.name)
    return _Net(file, record, operators_of(record, file.name), ())


def _computes(net: _Net) -> bool:
    """Whether a net is one that computes: it needs blobs that it does not make, or makes more than parameters."""
    made: set[str] = set()
    for operator in net.operators:
        if any(name not in made for name in operator.inputs):
            return True
        made.update(operator.outputs)
    return False


def _only_fills(net: _Net) -> bool:
    return all(operator.type in FILLS for operator in net.operators)


def _from_nets(
    nets: list[_Net], params: dict[str, Stored], declared: dict[str, Declared], notes: list[Note]
) -> Assembled:
    predicts = [net for net in nets if _computes(net)] or [net for net in nets if not _only_fills(net)]
    if not predicts:
        raise MissingFile(
            f"{nets[0].file.name!r} fills {len(nets[0].operators)} parameters, but the net that computes is missing",
            file=nets[0].file.name,
            hint="Add the predict net, usually called predict_net.pb, that was saved with it.",
        )
    if len(predicts) > 1:
        names = ", ".join(repr(net.file.name) for net in predicts)
        raise InvalidOptions(
            f"the upload has {len(predicts)} nets that compute ({names})",
            hint="Upload the predict net that is to be converted and the init net that belongs to it.",
        )
    predict = predicts[0]
    inits = [net for net in nets if net is not predict]
    for net in nets:
        notes.extend(Note("unknown-field", warning, net.file.name) for warning in net.warnings)
    files = (*(net.file.name for net in nets), *dict.fromkeys(stored.file for stored in params.values()))
    kind = str(predict.record.type) or "simple"
    return Assembled(
        tuple(operator for net in inits for operator in net.operators), predict.operators, params,
        tuple(predict.record.external_input), tuple(predict.record.external_output), (), declared,
        predict.file.name, files, f"init and predict nets ({kind})", tuple(notes),
    )  # fmt: skip


# --- predictor databases ---------------------------------------------------------------------------------------------


def _from_database(
    databases: list[UploadedFile],
    kinds: Sequence[tuple[UploadedFile, Kind]],
    nets: list[_Net],
    params: dict[str, Stored],
    declared: dict[str, Declared],
    notes: list[Note],
) -> Assembled:
    """A MetaNetDef with its parameters; a database of parameters only belongs to a predict net beside it."""
    metas: list[tuple[str, Message]] = []
    for file in databases:
        if next(kind.role for other, kind in kinds if other is file) == META:
            metas.append((file.name, decode(file.map(), META_NET, file=file.name)))
            continue
        database = read_minidb(file.map(), file.name)
        params.update(database.params())
        if database.meta is not None:
            metas.append((file.name, database.meta))
    if len(metas) > 1:
        raise InvalidOptions(
            f"the upload has {len(metas)} predictors ({', '.join(repr(name) for name, _ in metas)})",
            hint="Upload the one that is to be converted.",
        )
    if metas:
        return _predictor(*metas[0], params, declared, notes, nets)
    if not nets:
        raise MissingFile(
            f"{databases[0].name!r} holds {len(params)} parameters, but no net", file=databases[0].name,
            hint="Add the predict net, usually called predict_net.pb, that was saved with it.",
        )  # fmt: skip
    return _from_nets(nets, params, declared, notes)


def _predictor(
    file: str, meta: Message, params: dict[str, Stored], declared: dict[str, Declared], notes: list[Note],
    nets: list[_Net],
) -> Assembled:  # fmt: skip
    predict = _entry(meta.nets, PREDICT, file)
    if predict is None:
        raise MalformedModel(f"{file!r} holds a predictor without its net ({PREDICT})", file=file)
    init = _entry(meta.nets, GLOBAL_INIT, file)
    filled = operators_of(init.value, file) if init is not None else ()
    shaped = _entry(meta.nets, PREDICT_INIT, file)
    inputs = _entry(meta.blobs, INPUTS, file)
    names = tuple(inputs.value) if inputs is not None else ()
    if shaped is not None:
        for operator in operators_of(shaped.value, file):
            shape = operator.fixed_shape()
            if shape and operator.outputs[0] in names:
                declared.setdefault(operator.outputs[0], Declared(shape, operator.fill_type()))
    outputs = _entry(meta.blobs, OUTPUTS, file)
    listed = tuple(outputs.value) if outputs is not None else tuple(predict.value.external_output)
    extra = tuple(operator for net in nets if not _computes(net) for operator in net.operators)
    return Assembled(
        (*(operator for operator in filled if operator.type != "Load"), *extra), operators_of(predict.value, file),
        params, tuple(predict.value.external_input), listed, names, declared, file,
        (file, *(net.file.name for net in nets)), "predictor database", tuple(notes),
    )  # fmt: skip


def _entry(entries: Sequence[Message], key: str, file: str) -> Message | None:
    """The entry of this key, which a name may stand in front of; several predictors in one file are too many."""
    found = [entry for entry in entries if entry.key == key] or [entry for entry in entries if key in entry.key]
    found = [entry for entry in found if key != PREDICT or PREDICT_INIT not in entry.key]
    if len(found) > 1:
        keys = ", ".join(repr(entry.key) for entry in found)
        raise InvalidOptions(f"{file!r} holds several predictors ({keys})", hint="Save only the one to be converted.")
    return found[0] if found else None


# --- tables of shapes ------------------------------------------------------------------------------------------------


def _value_info(file: UploadedFile) -> dict[str, Declared]:
    """``{name: [element type, [sizes]]}``, which travels beside nets for the ONNX exporter."""
    try:
        table = json.loads(bytes(file.map()))
        return {
            str(name): Declared(tuple(int(size) for size in shape), ONNX_ELEMENTS.get(int(kind), ""))
            for name, (kind, shape) in table.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedModel(
            f"{file.name!r} is no table of the form {{name: [type, [sizes]]}}", file=file.name
        ) from error


# --- refusals --------------------------------------------------------------------------------------------------------


def _ignored(file: UploadedFile, kind: Kind) -> Note:
    return Note("ignored-file", f"The file is {kind.what}; it was not used.", file.name)


def _check_names(kinds: Sequence[tuple[UploadedFile, Kind]]) -> None:
    """A file named as Caffe2's, but something else: say what it is instead of missing it later."""
    for file, kind in kinds:
        if kind.role == OTHER and file.name.lower().endswith(SUFFIXES):
            raise MalformedModel(
                f"{file.name!r} is {kind.what}, not a Caffe2 database", file=file.name,
                hint="Upload the file itself, as Caffe2 saved it.",
            )  # fmt: skip


def _nothing(
    kinds: Sequence[tuple[UploadedFile, Kind]],
) -> MissingFile | UnknownFormat | UnsupportedVersion:
    for file, kind in kinds:
        if kind.role == FOREIGN:
            return UnsupportedVersion(
                f"{file.name!r} is {kind.what}, in which onnxhub does not look for models", file=file.name,
                hint="Save the model with db_type 'minidb', or export it with mobile_exporter.",
            )  # fmt: skip
        if kind.role in (TENSORS, BLOB, SHAPES):
            return MissingFile(
                f"{file.name!r} is {kind.what}, but the net that computes is missing", file=file.name,
                hint="Add the predict net, usually called predict_net.pb, that was saved with it.",
            )  # fmt: skip
    seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
    return UnknownFormat(f"there is no Caffe2 file among the uploads: {seen}")
