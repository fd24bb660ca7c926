"""PyTorch -> ONNX: TorchScript and exported programs are read here; source with weights is captured as one of them.

The batch axis is left free first; a layer that needs its size sends the reader round once more with fixed sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import onnx_ir as ir

from workers.errors import InvalidOptions, LimitExceeded, MalformedModel, MissingFile
from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.free_axes import FreeAxis, needs_size, onward
from workers.formats.pytorch import exported, script
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.read import builtins, families, program, program_inputs
from workers.formats.pytorch.read.capture import captured
from workers.formats.pytorch.read.dispatch import CONFUSED, State
from workers.formats.pytorch.read.inputs import Input, freed, parameters
from workers.formats.pytorch.read.layer import Retype, TimeMajor, reads
from workers.formats.pytorch.read.network import Progress, Shapes, Types, run_script
from workers.formats.pytorch.recognise import PROGRAM, SCRIPT, kind_of
from workers.inspect.upload import UploadedFile

APPLIED = ("input_shapes", "input_dtypes", "entry", "args", "capture")
RETYPES = 32
Run = Callable[[Shapes, Types, Progress], State]


def read(request: ReadRequest) -> Reading:
    """The uploaded PyTorch model as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    families.load()
    graphs = [file for file in request.upload.files if kind_of(file).role in (SCRIPT, PROGRAM)]
    if len(graphs) > 1:
        raise MissingFile(f"the upload holds several models: {', '.join(file.name for file in graphs)}; send one")
    try:
        if graphs:
            return read_graph(graphs[0], kind_of(graphs[0]).role, request, (graphs[0].name,), ())
        with captured(request) as (file, role, used, notes):
            return read_graph(file, role, request, used, notes)
    except RecursionError as error:
        raise LimitExceeded("depth", "the model's modules are nested too deep") from error
    except CONFUSED as error:
        names = ", ".join(file.name for file in graphs) or "the model"
        raise MalformedModel(f"the graph of {names} contradicts itself ({error!s:.200})", file=names) from error


def read_graph(
    file: UploadedFile, role: str, request: ReadRequest, files: tuple[str, ...], notes: tuple[Note, ...]
) -> Reading:  # fmt: skip
    archive = Archive(file)
    state, version, more = _script(archive, request) if role == SCRIPT else _program(archive, request)
    found = dict.fromkeys([*notes, *state.scope.notes, *more])
    return Reading(state.g.model(), files, version, tuple(found), applied=APPLIED)


def _script(archive: Archive, request: ReadRequest) -> tuple[State, str, list[Note]]:
    file = script.load(archive)
    entry = request.options.signature or "forward"
    cls = file.sources.classes.get(str(getattr(file.root, "cls", "")))
    if cls is None or entry not in cls.methods:
        raise MalformedModel(f"{archive.name!r} has no method {entry!r}", file=archive.name)
    arguments = parameters(cls.methods[entry], file.traced, request.options, archive.name)
    items = [item for parameter in arguments for item in parameter.inputs]

    def run(shapes: Shapes, types: Types, progress: Progress) -> State:
        return run_script(file, arguments, shapes, types, progress, entry)

    levels = (2, 1, 0) if file.traced is None else (1, 0)
    state, notes = attempts(run, items, request, levels)
    return state, f"TorchScript {file.version}".strip(), notes


def _program(archive: Archive, request: ReadRequest) -> tuple[State, str, list[Note]]:
    found = exported.load(archive)
    items, fixed = program_inputs.inputs(found, request.options)

    def run(shapes: Shapes, types: Types, progress: Progress) -> State:
        return program.run(found, items, shapes, types, progress)

    shapes = {item.name: list(item.shape or ()) for item in items}
    try:
        state, notes = _retyped(run, shapes, {}, onward(request.progress))
    except FreeAxis as error:
        raise needs_size("pytorch", [item.shape or () for item in items], error) from error
    return state, f"torch {found.version}", [*notes, *fixed]


def attempts(
    run: Run, items: list[Input], request: ReadRequest, levels: tuple[int, ...]
) -> tuple[State, list[Note]]:  # fmt: skip
    """With axes free as far as the model allows: tried from the most free to the fixed."""
    progress, types = onward(request.progress), dict[str, ir.DataType]()
    turned: set[str] = set()
    blocked: FreeAxis | None = None
    for level in levels:
        shapes = freed(items, request.options, level, turned, types)
        try:
            again = partial(freed, items, request.options, level, turned)
            state, notes = _retyped(run, shapes, types, progress, again, turned)
        except FreeAxis as error:
            blocked = error
            continue
        if blocked is not None and not any(isinstance(size, str) for shape in shapes.values() for size in shape):
            detail = (
                f"The batch size is fixed: {blocked.layer!r} ({blocked.type}) cannot leave it free: {blocked.reason}."
            )
            notes.append(Note("fixed-batch", detail, blocked.layer))
        return state, notes
    assert blocked is not None
    raise needs_size("pytorch", [item.shape or () for item in items], blocked)


def _retyped(
    run: Run,
    shapes: Shapes,
    types: Types,
    progress: Progress,
    again: Callable[[Types], Shapes] | None = None,
    turned: set[str] | None = None,
) -> tuple[State, list[Note]]:
    """Once more for each input whose element type only its use tells."""
    for _ in range(RETYPES):
        try:
            return run(shapes, types, progress), []
        except (Retype, TimeMajor) as error:
            if isinstance(error, Retype):
                types[error.name] = error.dtype
            elif turned is not None:
                turned.add(error.name)
            shapes = again(types) if again is not None else shapes
    raise InvalidOptions("the element types of the inputs contradict each other; give them in 'input_dtypes'")


def coverage() -> dict[str, str]:
    """Operator names: an empty string when they are read, else the reason of their refusal."""
    families.load()
    control = ("prim::If", "prim::Loop", "higher_order::cond", "higher_order::while_loop")
    return {**dict.fromkeys((*control, *builtins.names()), ""), **reads.coverage()}
