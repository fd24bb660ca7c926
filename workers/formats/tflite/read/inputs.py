"""Which graph of the file is read, what goes in and comes out, and which axes of the inputs stay free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workers.errors import InvalidOptions, MalformedModel
from workers.formats.contract import Note
from workers.formats.tflite.file import Model, Signature, SubGraph, Tensor
from workers.hub.node import Dim
from workers.options import Options

DEFAULT = "serving_default"


@dataclass(frozen=True, slots=True)
class Entry:
    """The graph to read with its inputs and outputs, as indices of tensors."""

    graph: SubGraph
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Shapes:
    """One way to give the inputs their shapes. ``batch``: the size in the file of an axis that only we leave free.

    ``recorded``: what the file says of the sizes of computed tensors is to be believed.
    """

    inputs: dict[int, list[Dim]]
    batch: int | None = None
    recorded: bool = False


def entry(model: Model, options: Options) -> Entry:
    """The signature that the user names, else the one called serving_default, else the first; without any, graph 0."""
    signature = _signature(model, options)
    graph = model.subgraphs[signature.subgraph if signature else 0]
    inputs = _named(graph, options.inputs, "inputs") or graph.inputs
    outputs = _named(graph, options.outputs, "outputs") or graph.outputs
    if not outputs:
        raise MalformedModel(f"{model.file!r}: its graph has no outputs", file=model.file)
    notes = [_choice(model, signature)] if signature and len(model.signatures) > 1 else []
    return Entry(graph, tuple(dict.fromkeys(inputs)), outputs, tuple(notes))


def _signature(model: Model, options: Options) -> Signature | None:
    keys = [signature.key for signature in model.signatures]
    if options.signature is not None:
        if options.signature not in keys:
            raise InvalidOptions(
                f"{model.file!r} has no signature {options.signature!r}",
                hint=f"Signatures: {', '.join(map(repr, keys)) or 'none'}.",
            )
        return model.signatures[keys.index(options.signature)]
    if not keys:
        return None
    return model.signatures[keys.index(DEFAULT) if DEFAULT in keys else 0]


def _choice(model: Model, signature: Signature) -> Note:
    others = ", ".join(repr(other.key) for other in model.signatures if other is not signature)
    return Note(
        "signature",
        f"The file has {len(model.signatures)} signatures; {signature.key!r} was read. The others are {others}: name "
        "one in the option 'signature'.",
        signature.key,
    )


def _named(graph: SubGraph, names: Sequence[str], what: str) -> tuple[int, ...]:
    """Tensors of the graph by the names that an option gives."""
    known = {tensor.name: tensor.index for tensor in reversed(graph.tensors)}
    missing = [name for name in names if name not in known]
    if missing:
        raise InvalidOptions(
            f"the option {what!r} names {', '.join(map(repr, missing))}, which is no tensor of the model"
        )
    return tuple(known[name] for name in names)


# --- shapes ----------------------------------------------------------------------------------------------------------


def shapes(found: Entry, options: Options) -> Iterator[Shapes]:
    """The ways to try, most free first: the batch free, only what the file leaves free, and all as it was written.

    Sizes that the file records are believed only where it does not work without: some converters' are wrong.
    Raises InvalidOptions for shapes of inputs that do not exist or have another number of axes.
    """
    tensors = {index: found.graph.tensors[index] for index in found.inputs}
    names = {tensor.name: tensor for tensor in tensors.values()}
    for name, shape in options.input_shapes.items():
        if name not in names:
            raise InvalidOptions(
                f"the option 'input_shapes' names {name!r}, which is no input of the model",
                hint=f"Inputs: {', '.join(names)}.",
            )
        if names[name].shape and len(shape) != len(names[name].shape):
            raise InvalidOptions(f"the input {name!r} has {len(names[name].shape)} axes, not {len(shape)}")
    given = {index: _with_names(tensor, options.input_shapes.get(tensor.name)) for index, tensor in tensors.items()}
    open_axes = {index: _open(tensor, batch=True) for index, tensor in tensors.items()}
    inner_axes = {index: _open(tensor, batch=False) for index, tensor in tensors.items()}
    as_written: dict[int, list[Dim]] = {index: [*tensor.shape] for index, tensor in tensors.items()}
    tried: list[dict[int, list[Dim]]] = []
    for way, batch in _ways(options, open_axes, inner_axes, as_written):
        merged = {index: given[index] or way[index] for index in tensors}
        if merged not in tried:
            tried.append(merged)
            freed = batch if any("batch" in shape for shape in merged.values()) else None
            yield Shapes(merged, freed)
            if freed is None and all(_agrees(tensor, merged[index]) for index, tensor in tensors.items()):
                yield Shapes(merged, recorded=True)


def _ways(
    options: Options,
    open_axes: dict[int, list[Dim]],
    inner_axes: dict[int, list[Dim]],
    as_written: dict[int, list[Dim]],
) -> Iterator[tuple[dict[int, list[Dim]], int | None]]:
    if options.dynamic_batch:
        if open_axes == as_written and not options.input_shapes:
            freed, batch = _freed(as_written)
            yield freed, batch
        yield open_axes, None
    yield inner_axes, None
    yield as_written, None


def _agrees(tensor: Tensor, shape: list[Dim]) -> bool:
    """Whether an input has the sizes that those of computed tensors were recorded for."""
    own = _signature_of(tensor)
    return len(own) == len(shape) and all(free < 0 or free == size for free, size in zip(own, shape, strict=True))


def _signature_of(tensor: Tensor) -> tuple[int, ...]:
    """The shape with -1 for free axes."""
    return tensor.signature if tensor.signature and len(tensor.signature) == len(tensor.shape) else tensor.shape


def _with_names(tensor: Tensor, shape: list[Dim] | None) -> list[Dim] | None:
    if shape is None:
        return None
    return [_symbol(tensor, axis) if size is None else size for axis, size in enumerate(shape)]


def _symbol(tensor: Tensor, axis: int) -> str:
    return "batch" if axis == 0 else f"{tensor.name}_{axis}"


def _open(tensor: Tensor, *, batch: bool) -> list[Dim]:
    """The axes that the file leaves free under names; the batch only where asked for."""
    return [
        _symbol(tensor, axis) if free < 0 and (axis or batch) else max(size, 1)
        for axis, (free, size) in enumerate(zip(_signature_of(tensor), tensor.shape, strict=True))
    ]


def _freed(fixed: dict[int, list[Dim]]) -> tuple[dict[int, list[Dim]], int | None]:
    """A model of fixed sizes with the first axis free, where all inputs that can have a batch have the same one."""
    first = {shape[0] for shape in fixed.values() if len(shape) > 1}
    if len(first) != 1:
        return fixed, None
    size = first.pop()
    if not isinstance(size, int) or (size != 1 and max(map(len, fixed.values())) < 4):
        return fixed, None
    return {index: ["batch", *shape[1:]] if len(shape) > 1 else shape for index, shape in fixed.items()}, size
