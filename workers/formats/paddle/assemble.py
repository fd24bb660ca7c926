"""From an upload to one program with its parameters: which file is which, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat
from workers.formats.contract import Note
from workers.formats.paddle.desc import read_program
from workers.formats.paddle.file import Array, read_records
from workers.formats.paddle.pir import read_pir
from workers.formats.paddle.program import Program, Var
from workers.formats.paddle.recognise import COMPANION, OTHER, PARAMS, PICKLE, PIR, PROGRAM, PROGRAM_NAMES, kind_of
from workers.inspect.kind import Kind
from workers.inspect.upload import Upload, UploadedFile

FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Assembled:
    """``params`` by the names of the program's variables."""

    program: Program
    file: str
    params: Mapping[str, Array]
    files: tuple[str, ...]
    notes: tuple[Note, ...]


def assemble(upload: Upload, function: str | None = None) -> Assembled:
    """The model in the upload; of several functions saved together the one named, or the net's own ("forward").

    Raises MissingFile for a part of a model, InvalidOptions for several models, MalformedModel for files that are
    damaged, not what their name says or of different models, UnknownFormat when there is nothing of Paddle's.
    """
    kinds = [(file, kind_of(file)) for file in upload.files]
    for file, kind in kinds:
        if kind.role == OTHER and file.name.lower().endswith((*PROGRAM_NAMES, ".pdiparams")):
            raise MalformedModel(
                f"{file.name!r} is {kind.what}, not a file of Paddle's", file=file.name,
                hint="Upload the file itself, as Paddle saved it.",
            )  # fmt: skip
    programs = [file for file, kind in kinds if kind.role in (PROGRAM, PIR)]
    stores = [file for file, kind in kinds if kind.role == PARAMS]
    if not programs:
        raise _without_program(stores, kinds)
    chosen = _chosen(programs, function)
    pir = next(kind for file, kind in kinds if file is chosen).role == PIR
    program = (read_pir if pir else read_program)(chosen.map(), chosen.name)
    params, used = _parameters(program, chosen, stores)
    notes = [
        Note("ignored-file", f"The file is {kind.what}; it was not used.", file.name)
        for file, kind in kinds
        if kind.role != COMPANION and file is not chosen and file.name not in used
    ]
    return Assembled(program, chosen.name, params, (chosen.name, *used), tuple(notes))


def _stem(file: UploadedFile) -> str:
    """model.json -> model, model.encode.json -> model.encode: jit.save puts functions behind the net's name."""
    return PurePosixPath(file.name).with_suffix("").as_posix()


def _chosen(programs: Sequence[UploadedFile], function: str | None) -> UploadedFile:
    """Raises InvalidOptions for programs that do not belong together, or a function that is not among them."""
    base = min(programs, key=lambda file: len(_stem(file)))
    names = {_stem(file).removeprefix(_stem(base) + ".") if file is not base else FORWARD: file for file in programs}
    together = all(file is base or _stem(file).startswith(_stem(base) + ".") for file in programs)
    if function is None and (together or len(programs) == 1):
        return base
    if function is not None and function in names:
        return names[function]
    listed = ", ".join(repr(file.name) for file in programs)
    if function is None:
        raise InvalidOptions(f"the upload has {len(programs)} programs ({listed})", hint="Upload one of them.")
    raise InvalidOptions(
        f"the option 'signature' names {function!r}, and the upload has {listed}",
        hint=f"Functions: {', '.join(names)}.",
    )


# --- parameters -----------------------------------------------------------------------------------------------------


def _parameters(
    program: Program, file: UploadedFile, stores: Sequence[UploadedFile]
) -> tuple[dict[str, Array], list[str]]:
    """The arrays by variable, and the files they come from: one with all of them, or one for each."""
    wanted = program.parameters
    if not wanted:
        return {}, []
    if not stores:
        raise MissingFile(
            f"the parameters are missing: {file.name!r} needs {len(wanted)} tensors such as {wanted[0].name!r}",
            file=file.name, hint="Add the file saved beside it, usually *.pdiparams or __params__, or, for a folder "
            "with __model__, the files of the single parameters.",
        )  # fmt: skip
    separate = _separate(wanted, file, stores)
    if len(separate) == len(wanted):
        return {var.name: _one(separate[var.name], var) for var in wanted}, [f.name for f in separate.values()]
    if len(stores) == 1:
        return _combined(program, wanted, stores[0]), [stores[0].name]
    fitting = [store for store in stores if _fits(wanted, [array.shape for array in _arrays(store)])]
    if len(fitting) == 1:
        return _combined(program, wanted, fitting[0]), [fitting[0].name]
    beside = [store for store in fitting if _stem(store) == _stem(file)]
    if len(beside) == 1:
        return _combined(program, wanted, beside[0]), [beside[0].name]
    if separate:
        missing = [var.name for var in wanted if var.name not in separate]
        listed = ", ".join(map(repr, missing[:8])) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        raise MissingFile(
            f"parameters of {file.name!r} are missing: {listed}", file=file.name,
            hint="Add all files of the folder; each is called like its parameter.",
        )  # fmt: skip
    names = ", ".join(repr(store.name) for store in stores)
    raise InvalidOptions(
        f"{len(fitting) or 'none'} of the parameter files ({names}) fit{'' if fitting else 's'} {file.name!r}",
        hint="Upload the one that was saved with the program.",
    )


def _separate(wanted: Sequence[Var], file: UploadedFile, stores: Sequence[UploadedFile]) -> dict[str, UploadedFile]:
    """Files that are called like a parameter: beside the program, or anywhere in the upload."""
    folder = PurePosixPath(file.name).parent
    by_name: dict[str, UploadedFile] = {}
    for store in stores:
        path = PurePosixPath(store.name)
        by_name.setdefault(path.name, store)
        if path.is_relative_to(folder):
            by_name[path.relative_to(folder).as_posix()] = store
    return {var.name: by_name[var.name] for var in wanted if var.name in by_name}


def _arrays(store: UploadedFile) -> list[Array]:
    return list(read_records(store.map(), store.name))


def _one(store: UploadedFile, var: Var) -> Array:
    arrays = _arrays(store)
    if len(arrays) != 1 or not _fits([var], [arrays[0].shape]):
        raise _misfit(store, f"it should hold one tensor {var.name!r} of shape {list(var.dims or ())}")
    return arrays[0]


def _fits(wanted: Sequence[Var], shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether the tensors are these parameters, by number and shape; -1 stands for any size."""
    if len(wanted) != len(shapes):
        return False
    return all(_alike(var.dims, shape) for var, shape in zip(wanted, shapes, strict=True))


def _alike(dims: tuple[int, ...] | None, shape: tuple[int, ...]) -> bool:
    """Scales of quantised models are declared [n] and stored [1, n], or [1] and stored without axes."""
    if dims is None or tuple(dims) in ((), (0,)):
        return True
    if len(dims) != len(shape):
        return -1 not in dims and [dim for dim in dims if dim != 1] == [dim for dim in shape if dim != 1]
    return all(a in (b, -1) for a, b in zip(dims, shape, strict=True))


def _combined(program: Program, wanted: Sequence[Var], store: UploadedFile) -> dict[str, Array]:
    """All in one file, in the order of their names; the first releases kept the order of the program."""
    arrays = _arrays(store)
    shapes = [array.shape for array in arrays]
    known = {id(var) for var in wanted}
    as_listed = [var for var in program.vars.values() if id(var) in known]
    for order in (wanted, as_listed):
        if _fits(order, shapes):
            return {var.name: array for var, array in zip(order, arrays, strict=True)}
    if len(arrays) != len(wanted):
        raise _misfit(store, f"it holds {len(arrays)} tensors, the program has {len(wanted)} parameters")
    var, shape = next((v, s) for v, s in zip(wanted, shapes, strict=True) if not _alike(v.dims, s))
    raise _misfit(store, f"it has the shape {list(shape)} where {var.name!r} of shape {list(var.dims or ())} belongs")


def _misfit(store: UploadedFile, reason: str) -> MalformedModel:
    return MalformedModel(
        f"{store.name!r} does not fit the program: {reason}", file=store.name,
        hint="Upload the parameters that were saved with this very program.",
    )  # fmt: skip


# --- refusals -------------------------------------------------------------------------------------------------------


def _without_program(
    stores: Sequence[UploadedFile], kinds: Sequence[tuple[UploadedFile, Kind]]
) -> MissingFile | UnknownFormat:
    pickled = [file for file, kind in kinds if kind.role == PICKLE]
    if pickled:
        return MissingFile(
            f"{pickled[0].name!r} is a state dictionary saved by paddle.save: it holds parameters by the names of "
            "Python attributes and no network", file=pickled[0].name,
            hint="Load it into the network in Python and export that: paddle.jit.save(net, 'model', input_spec=[...]); "
            "upload model.json (or model.pdmodel) and model.pdiparams.",
        )  # fmt: skip
    if stores:
        return MissingFile(
            f"{stores[0].name!r} holds parameters without names; the program that says what they are is missing",
            file=stores[0].name, hint="Add the file saved beside it: *.pdmodel, *.json or __model__.",
        )  # fmt: skip
    seen = ", ".join(f"{file.name!r} is {kind.what}" for file, kind in kinds) or "no file was uploaded"
    return UnknownFormat(f"there is no Paddle file among the uploads: {seen}")
