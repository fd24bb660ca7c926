"""From lists of operators to the graph that inference runs: blobs get versions, inputs and outputs are told apart.

Caffe2 writes blobs in place, so a name stands for several values in turn. Operators of training are left out: a net
that holds gradients is cut behind what inference needs. A blob that a nested net reads or writes counts for the
operator that holds the net.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from workers.errors import InvalidOptions, MalformedModel, MissingFile
from workers.formats.caffe2.assemble import Assembled
from workers.formats.caffe2.operators import FILLS, Net, Operator
from workers.formats.caffe2.slots import BRANCHING, DATA_ONLY, INTEGER_SLOTS, READERS, TRAINING, is_parameter_slot
from workers.formats.contract import Note
from workers.options import Options


@dataclass(frozen=True, slots=True)
class Blob:
    """One value that a name stands for: version 0 is what comes from outside, later ones are written by operators."""

    name: str
    version: int


@dataclass(slots=True)
class Step:
    """An operator with its values. ``reads`` and ``writes`` are the outer blobs of nested nets, by name."""

    op: Operator
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    reads: dict[str, Blob] = field(default_factory=dict)
    writes: dict[str, Blob] = field(default_factory=dict)

    def made(self) -> tuple[Blob, ...]:
        return (*self.outputs, *self.writes.values())

    def needs(self) -> tuple[Blob, ...]:
        inputs = self.inputs[:1] if self.op.type in DATA_ONLY else self.inputs
        return (*inputs, *self.reads.values())


@dataclass(slots=True)
class Graph:
    """``steps`` are those that the outputs need. ``last``: the final version of each name."""

    source: Assembled
    steps: list[Step]
    inputs: list[Blob]
    outputs: list[Blob]
    training: bool
    cuts: set[str] = field(default_factory=set)
    last: dict[str, Blob] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @property
    def input_names(self) -> list[str]:
        return [blob.name for blob in self.inputs]


def build(source: Assembled, options: Options) -> Graph:
    """The graph of the wanted outputs.

    Raises InvalidOptions for tensors that are not there, MissingFile or MalformedModel for parameters that are in no
    file.
    """
    training = any(operator.gradient for operator in source.predict)
    operators, notes = _without_training(source)
    inputs = _input_names(source, options, operators)
    init = [op for op in source.init if not set(op.outputs) & set(inputs)]
    steps, last = _versions([*init, *operators], [*source.external_inputs, *source.params])
    _check_named(options.inputs, last, "inputs", source)
    producer = {blob: step for step in steps for blob in step.made()}
    cuts = {last[name]: name for name in options.inputs}
    outputs, said = _outputs(source, options, steps, last, inputs if training else None)
    needed, free = _needed(producer, outputs, cuts, steps)
    for blob, name in cuts.items():
        if blob not in free and blob not in outputs:
            raise InvalidOptions(f"the option 'inputs' names {name!r}, which the outputs do not need")
    fed = [blob for blob in free if blob.name not in source.params or blob.name in inputs]
    found = _ordered(source, inputs, fed, options)
    _check_parameters(source, options, needed, found, inputs, cuts)
    return Graph(source, needed, found, outputs, training, set(options.inputs), last, [*notes, *said])


# --- versions --------------------------------------------------------------------------------------------------------


def _versions(operators: Sequence[Operator], outside: Iterable[str]) -> tuple[list[Step], dict[str, Blob]]:
    current: dict[str, Blob] = {}
    known = set(outside)
    counts: dict[str, int] = {}
    steps = []
    for op in operators:
        inputs = tuple(_current(current, name) for name in op.inputs)
        reads, writes = _nested(op)
        # A branch that does not write a blob leaves it as it was, where it was something.
        kept = [name for name in writes if name in current or name in known]
        outer = {name: _current(current, name) for name in (*reads, *kept)}
        made = []
        for name in (*op.outputs, *written_names(op)):
            counts[name] = counts.get(name, 0) + 1
            made.append(Blob(name, counts[name]))
        for blob in made:
            current[blob.name] = blob
        count = len(op.outputs)
        steps.append(Step(op, inputs, tuple(made[:count]), outer, {blob.name: blob for blob in made[count:]}))
    return steps, current


def _current(current: dict[str, Blob], name: str) -> Blob:
    return current.setdefault(name, Blob(name, 0))


def _nested(op: Operator) -> tuple[list[str], list[str]]:
    """Blobs of the outer net that the nets inside an operator read before they write them, and that they write."""
    if op.type not in BRANCHING:
        return [], []
    reads: dict[str, None] = {}
    writes: dict[str, None] = {}
    for net in op.nets.values():
        mine, theirs = free_blobs(net)
        reads.update(dict.fromkeys(mine))
        writes.update(dict.fromkeys(theirs))
    return list(reads), list(writes)


def written_names(op: Operator) -> list[str]:
    """Outer blobs that an operator's nets write besides its outputs."""
    return [name for name in _nested(op)[1] if name not in op.outputs]


def free_blobs(net: Net) -> tuple[list[str], list[str]]:
    """(read before written, written) by the operators of a net, nested ones included."""
    reads: dict[str, None] = {}
    writes: dict[str, None] = {}
    for op in net.operators:
        inner, outer = _nested(op)
        for name in (*op.inputs, *inner):
            if name not in writes:
                reads[name] = None
        writes.update(dict.fromkeys((*op.outputs, *outer)))
    return list(reads), list(writes)


# --- what serves training --------------------------------------------------------------------------------------------


def _without_training(source: Assembled) -> tuple[list[Operator], list[Note]]:
    """The operators of inference: gradients, losses, optimisers and what only they need are left out."""
    kept = [op for op in source.predict if not _serves_training(op)]
    if not any(op.gradient for op in source.predict):
        return kept, []
    kept = _before_losses(source.predict)
    left_out = len(source.predict) - len(kept)
    detail = (
        f"The net was made for training: {left_out} operators of gradients, losses and updates were left out. "
        "Batch normalisation uses its running statistics, dropout lets everything through."
    )
    return kept, [Note("training-net", detail, source.net_file)]


def _serves_training(op: Operator) -> bool:
    return op.gradient or op.type in TRAINING or op.type in READERS


def _before_losses(operators: Sequence[Operator]) -> list[Operator]:
    """Without those that compute with a loss or with what was left out: steps of optimisers are plain arithmetic."""
    lost: set[str] = set()
    kept = []
    for op in operators:
        if _serves_training(op) or lost.intersection(op.inputs):
            lost.update(op.outputs if op.type not in READERS else ())
            continue
        kept.append(op)
        lost.difference_update(op.outputs)
        if op.type in DATA_ONLY:
            lost.update(op.outputs[1:])
    return kept


# --- inputs ----------------------------------------------------------------------------------------------------------


def _input_names(source: Assembled, options: Options, operators: Sequence[Operator]) -> list[str]:
    """Names of the blobs that users feed, as far as files and options say: the rest are free blobs of the graph.

    Exporters fill inputs with a dummy of one number, which says neither their shape nor their type; parameters of one
    number exist as well, so a dummy is told by being 0 and by standing where data stands.
    """
    if source.inputs:
        return list(source.inputs)
    fills = {name: op for op in source.init if op.type in FILLS and not op.inputs for name in op.outputs}
    data, anywhere = _data_names(operators)
    free = [name for name in source.external_inputs if name not in source.params and name not in fills]
    dummies = [
        name for name in source.external_inputs
        if name in fills and is_dummy(fills[name]) and name in (anywhere if _is_exporters(fills[name]) else data)
    ]  # fmt: skip
    chosen = {*free, *dummies, *(name for name in options.input_shapes if name in fills or name in source.params)}
    if not chosen - set(_never_read(operators, chosen)):
        # Nothing is left to feed: a fill of zeros of the input's own shape stands for it.
        chosen |= {name for name in source.external_inputs if name in fills and name in data and _is_zeros(fills[name])}
    return [name for name in source.external_inputs if name in chosen]


def _never_read(operators: Sequence[Operator], names: set[str]) -> set[str]:
    return names - {name for op in operators for name in op.inputs}


def is_dummy(fill: Operator) -> bool:
    """A fill of at most one number, and that 0."""
    shape = fill.fixed_shape()
    if not shape or any(size > 1 for size in shape):
        return False
    return _is_zeros(fill) or 0 in shape


def _is_exporters(fill: Operator) -> bool:
    """The dummies of mobile_exporter and of caffe_translator."""
    return fill.fixed_shape() == (1, 1) or (fill.type == "ConstantFill" and fill.fixed_shape() == (1,))


def _is_zeros(fill: Operator) -> bool:
    values, value = fill.args.get("values"), fill.args.get("value")
    if values is not None:
        return not any(values.floats) and not any(values.ints) and not values.strings
    return fill.type == "ConstantFill" and (value is None or (value.f == 0 and value.i == 0 and not value.has("s")))


def _data_names(operators: Sequence[Operator]) -> tuple[set[str], set[str]]:
    """Blobs that stand, unwritten, in a place where only data stands, and those in any place but a parameter's."""
    sure: set[str] = set()
    anywhere: set[str] = set()
    written: set[str] = set()
    for op in operators:
        for slot, name in enumerate(op.inputs):
            if name in written or is_parameter_slot(op.type, slot):
                continue
            anywhere.add(name)
            if slot == 0 or slot in INTEGER_SLOTS.get(op.type, ()):
                sure.add(name)
        written.update(op.outputs)
    return sure, anywhere


def _ordered(source: Assembled, inputs: Sequence[str], free: Sequence[Blob], options: Options) -> list[Blob]:
    """Inputs in the order in which the files list them; those that they do not list come last, as they are met.

    A user who gives the shapes of all inputs thereby gives their order: that of the files has no meaning to Caffe2,
    which feeds blobs by name.
    """
    listed = list(inputs) or list(source.external_inputs)
    if all(blob.name in options.input_shapes for blob in free):
        listed = list(options.input_shapes)
    place = {name: index for index, name in enumerate(dict.fromkeys((*listed, *source.external_inputs)))}
    return sorted(free, key=lambda blob: place.get(blob.name, len(place)))


# --- outputs ---------------------------------------------------------------------------------------------------------


def _outputs(
    source: Assembled,
    options: Options,
    steps: Sequence[Step],
    last: Mapping[str, Blob],
    inputs: Sequence[str] | None,
) -> tuple[list[Blob], list[Note]]:
    if options.outputs:
        _check_named(options.outputs, last, "outputs", source)
        return [last[name] for name in dict.fromkeys(options.outputs)], []
    made = {blob.name for step in steps for blob in step.made()}
    listed = [name for name in dict.fromkeys(source.external_outputs) if name in made or name in last]
    gone = [name for name in dict.fromkeys(source.external_outputs) if name not in made and name not in last]
    notes = [
        Note("training-output", f"The output {name!r} is made by operators of training only; it was left out.", name)
        for name in gone
    ]
    if not listed:
        listed = _ends(source, steps, inputs) if inputs is not None else _final(steps)
    if not listed:
        raise MalformedModel(f"{source.net_file!r} has no operator that makes an output", file=source.net_file)
    return [last[name] for name in listed], notes


def _final(steps: Sequence[Step]) -> list[str]:
    """What the last operator makes."""
    return list(dict.fromkeys(steps[-1].op.outputs)) if steps else []


def _ends(source: Assembled, steps: Sequence[Step], inputs: Iterable[str]) -> list[str]:
    """What is computed from data and read by no operator; notes of operators do not count."""
    read = {name for step in steps for name in (*step.op.inputs, *step.reads)}
    filled = {*source.params, *(name for op in source.init for name in op.outputs)}.difference(inputs)
    from_data: set[Blob] = set()
    ends: list[str] = []
    for step in steps:
        if any(blob in from_data or (blob.version == 0 and blob.name not in filled) for blob in step.needs()):
            from_data.update(step.made())
            ends += step.op.outputs[:1]
    return [name for name in dict.fromkeys(ends) if name not in read and not name.startswith("_")]


def _check_named(names: Sequence[str], known: Mapping[str, Blob], option: str, source: Assembled) -> None:
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 3) or list(source.external_outputs)[:10]
            raise InvalidOptions(
                f"the option '{option}' names {name!r}, but the net has no such blob",
                hint=f"Blobs of the net: {', '.join(close)}.",
            )


# --- what the outputs need -------------------------------------------------------------------------------------------


def _needed(
    producer: Mapping[Blob, Step], outputs: Sequence[Blob], cuts: Mapping[Blob, str], steps: Sequence[Step]
) -> tuple[list[Step], list[Blob]]:
    """The operators that the outputs need, in the file's order, and the blobs that come from outside."""
    seen: set[Blob] = set()
    wanted: set[int] = set()
    free: dict[Blob, None] = {}
    stack = list(reversed(outputs))
    while stack:
        blob = stack.pop()
        if blob in seen:
            continue
        seen.add(blob)
        step = producer.get(blob)
        if step is None or blob in cuts:
            free[blob] = None
            continue
        if id(step) not in wanted:
            wanted.add(id(step))
            stack.extend(reversed(step.needs()))
    return [step for step in steps if id(step) in wanted], list(free)


def _check_parameters(
    source: Assembled, options: Options, steps: Sequence[Step], found: Sequence[Blob], inputs: Sequence[str],
    cuts: Mapping[Blob, str],
) -> None:  # fmt: skip
    """A blob in a parameter's place that nobody fills is missing, unless the user says that it is fed."""
    places = {blob for step in steps for slot, blob in enumerate(step.inputs) if is_parameter_slot(step.op.type, slot)}
    missing = [
        blob.name for blob in found
        if blob in places and blob not in cuts and blob.name not in options.input_shapes
        and blob.name not in source.declared and not (source.inputs and blob.name in inputs)
    ]  # fmt: skip
    if not missing:
        return
    listed = ", ".join(map(repr, missing[:8])) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    if not source.has_parameters:
        raise MissingFile(
            f"the parameters are missing: {source.net_file!r} needs {len(missing)} blobs ({listed})",
            file=source.net_file, hint="Add the init net, usually called init_net.pb, that was saved with it.",
        )  # fmt: skip
    raise MalformedModel(
        f"{source.net_file!r} needs {len(missing)} parameters that no file fills: {listed}", file=source.net_file,
        hint="Upload the init net that was saved with this very predict net.",
    )  # fmt: skip
