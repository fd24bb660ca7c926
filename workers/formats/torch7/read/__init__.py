"""Torch7 -> ONNX: find the network in the file, run it module by module on what flows into it.

The batch axis is left free first; a module that needs its size sends the reader round once more with fixed sizes. An
input that turns out to hold indices does so, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from workers.errors import InvalidOptions, LimitExceeded, Unsupported, UnsupportedOperators
from workers.formats.contract import Note, Progress, Reading, ReadRequest
from workers.formats.free_axes import free_first, needs_size, onward
from workers.formats.torch7.assemble import Assembled, assemble
from workers.formats.torch7.objects import Object, Table, children
from workers.formats.torch7.read import (
    activation,
    container,
    convolution,
    dense,
    graph,
    normalization,
    own,
    packed,
    pooling,
    recurrent,
    reduction,
    refusals,
    resize,
    sequence,
    shape,
    table,
)
from workers.formats.torch7.read.inputs import Inputs, add, freed, inputs
from workers.formats.torch7.read.layer import Scope, flows
from workers.formats.torch7.read.memory import is_missing
from workers.formats.torch7.read.network import IsIndex, Run, outputs, prune
from workers.hub.node import Dim

# Importing a family registers its classes.
FAMILIES = (
    activation, container, convolution, dense, graph, normalization, own, packed, pooling, recurrent, reduction,
    refusals, resize, sequence, shape, table,
)  # fmt: skip
KNOWN = frozenset(flows.rules) | frozenset(flows.refused)
APPLIED = ("input_shapes", "input_dtypes")
ROOT = "model"


def read(request: ReadRequest) -> Reading:
    """The uploaded Torch7 network as ONNX. Raises ConversionError with what is missing, damaged or cannot be said."""
    source = assemble(request.upload, KNOWN, request.options.model_path_in_file)
    given = inputs(source.module, request.options)
    run, notes = _read(source, given, request)
    prune(run.g.graph)
    if given.derived:
        words = f"The input was taken to be {list(given.shapes[0])}, from {given.derived}."
        notes = [*notes, Note("derived-input-shape", words, given.names[0])]
    notes = [*source.notes, *_types(source.module, request.options.tensor_type), *run.scope.notes, *notes]
    return Reading(run.g.model(), (source.file,), source.version, tuple(dict.fromkeys(notes)), applied=APPLIED)


def _types(module: Object, expected: str | None) -> list[Note]:
    """A word when the network's tensors are of another type than the user thinks; ONNX computes in float32 anyway."""
    named = dict(children(module)).get("_type")
    stored = str(named).removeprefix("torch.").removesuffix("Tensor").lower() if named else None
    if expected is None or stored is None or stored == expected or (stored.startswith("cuda") and expected == "cuda"):
        return []
    return [Note("tensor-type", f"The file holds a network of {named}, not of {expected} tensors.", module.class_name)]


def _read(source: Assembled, given: Inputs, request: ReadRequest) -> tuple[Run, list[Note]]:
    """With the batch axis free; where a module forbids that, once more with the sizes that were given."""
    told = onward(request.progress)
    free = freed(source.module, given, request.options)
    return free_first(
        lambda sizes: _with_types(source, given, sizes, request, told), free, given.shapes,
        partial(needs_size, "torch7", given.shapes, noun="module"), "module",
    )  # fmt: skip


def _with_types(
    source: Assembled, given: Inputs, shapes: Sequence[Sequence[Dim]], request: ReadRequest, told: Progress
) -> Run:
    """Inputs are float32 until one is found to hold indices."""
    integers: frozenset[str] = frozenset()
    while True:
        open_types = frozenset(given.names) - given.typed - integers
        try:
            return _pass(source, given, shapes, request, told, integers, open_types)
        except IsIndex as found:
            integers |= frozenset(found.names)


def _pass(
    source: Assembled, given: Inputs, shapes: Sequence[Sequence[Dim]], request: ReadRequest, told: Progress,
    integers: frozenset[str], open_types: frozenset[str],
) -> Run:  # fmt: skip
    scope = Scope(source.file, request.options.index_inputs_are_one_based)
    run = Run(scope, told, open_types)
    run.unpooled = _pooling_modules(source.module)
    data = add(run.g, given, shapes, integers)
    result = run.module(source.module, data, ROOT)
    run.finish(ROOT)
    if run.refused or is_missing(result):
        raise UnsupportedOperators("torch7", [*run.refused, *_further(source.module, run.refused)])
    found = outputs(result)
    if not found:
        raise InvalidOptions("the network gives no tensor", hint="Name another one in 'model_path_in_file'.")
    with run.g.layer(ROOT, source.module.class_name):
        for index, value in enumerate(found):
            run.g.output(value, f"output_{index}")
    return run


def _reachable(module: Object) -> list[Object]:
    """Every object below a module, itself included."""
    seen: set[int] = set()
    waiting: list[object] = [module]
    found = []
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Object):
            found.append(value)
        waiting += [item for pair in children(value) for item in pair if isinstance(item, Object | Table)]
    return found


def _pooling_modules(module: Object) -> frozenset[int]:
    """Pooling modules that an unpooling one refers to."""
    return frozenset(
        id(item.get("pooling")) for item in _reachable(module) if item.class_name.endswith("MaxUnpooling")
    )  # fmt: skip


def _further(module: Object, refused: Sequence[Unsupported]) -> list[Unsupported]:
    """Modules behind the first refused one, which nothing flowed into: those whose class alone is reason enough."""
    told = {item.type for item in refused}
    found = []
    waiting, seen = [(module, ROOT)], 0
    while waiting:
        item, name = waiting.pop()
        seen += 1
        if seen > 100_000:
            raise LimitExceeded("nodes", "the network has more than 100,000 modules", limit=100_000)
        if flows.find(item.class_name, name) is None and item.class_name not in told:
            told.add(item.class_name)
            found.append(Unsupported(name, item.class_name, flows.why_not(item.class_name)))
        modules = item.get("modules")
        inner = list(enumerate(modules.items(), 1)) if isinstance(modules, Table) and name.count(".") < 60 else []
        waiting += [(sub, f"{name}.{number}") for number, sub in reversed(inner) if isinstance(sub, Object)]
    return found


def coverage() -> dict[str, str]:
    """Class names: an empty string when they are read, else the reason of their refusal."""
    return flows.coverage()
