"""From a NetParameter to the graph that inference runs: layers chosen by phase, inputs, in-place blobs, outputs.

A blob is a name that several layers may write in turn (in place); each writing is a ``Blob`` here, so that the reader
sees every value once. Data layers become inputs; losses, accuracies and ``Silence`` go; ``Split`` layers dissolve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from workers.errors import InvalidOptions, MalformedModel
from workers.formats.caffe.data import Shape, declared_shape, is_data, is_training
from workers.formats.contract import Note
from workers.inspect.schema import Message
from workers.options import Options


@dataclass(eq=False, slots=True)
class Blob:
    """One writing of a blob. ``uses`` counts the kept layers that read it; ``last`` is false if it is overwritten."""

    name: str
    version: int
    maker: Step | None = None
    uses: int = 0
    last: bool = True
    label: bool = False


@dataclass(eq=False, slots=True)
class Step:
    """One layer of the inference graph with the blobs it reads and writes."""

    record: Message
    bottoms: list[Blob]
    tops: list[Blob]


@dataclass(eq=False, slots=True)
class NetInput:
    """A graph input: ``shape`` as declared, None where nothing is known; ``layer`` brought it in (none for a cut)."""

    blob: Blob
    shape: Shape | None
    layer: Message | None


@dataclass(slots=True)
class Net:
    name: str
    inputs: list[NetInput]
    steps: list[Step]
    outputs: list[Blob]
    owners: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    blobs: dict[str, Blob] = field(default_factory=dict)


def build(graph: Message, options: Options, *, file: str, filtered: bool) -> Net:
    """The graph of ``options.phase`` and ``options.stages``; ``filtered`` says that the file went through that before.

    Raises MalformedModel for a net that Caffe refuses, InvalidOptions for tensors that are not there.
    """
    layers, dropped = list(graph.layer), list[Message]()
    if not filtered:
        layers, dropped = _of_state(layers, options, list(graph.state.stage), file)
    walk = _Walk(file, dropped, options, filtered)
    for layer in layers:
        walk.layer(layer)
    net = Net(graph.name, walk.inputs, walk.steps, [], _shared(layers), walk.notes, walk.current)
    net.outputs = _chosen(net, options.outputs) if options.outputs else _loose_ends(walk)
    if not net.outputs:
        raise MalformedModel(f"{file!r} has no layer whose output could be kept: nothing is left to convert", file=file)
    _prune(net, options)
    return net


# --- phases and stages --------------------------------------------------------------------------------------------


def _of_state(
    layers: Sequence[Message], options: Options, stages: Sequence[str], file: str
) -> tuple[list[Message], list[Message]]:
    """The layers that Caffe keeps for this phase, level 0 and these stages; and the others."""
    state = {*stages, *options.stages}
    kept: list[Message] = []
    dropped: list[Message] = []
    for layer in layers:
        if layer.has("include") and layer.has("exclude"):
            raise MalformedModel(
                f"layer {layer.name!r} has both include and exclude rules; Caffe takes one kind", file=file,
                layer=layer.name,
            )  # fmt: skip
        rules = [_met(rule, options.phase, state) for rule in (*layer.include, *layer.exclude)]
        keep = any(rules) if layer.has("include") else not any(rules)
        (kept if keep else dropped).append(layer)
    return kept, dropped


def _met(rule: Message, phase: str, stages: set[str]) -> bool:
    """A rule is met when all its given parts hold."""
    return (
        (not rule.has("phase") or rule.phase == phase)
        and (not rule.has("min_level") or rule.min_level <= 0)
        and (not rule.has("max_level") or rule.max_level >= 0)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


# Losses that apply a function of their own, which the converted model then lacks.
_ACTIVATING = {"SoftmaxWithLoss": "softmax", "SigmoidCrossEntropyLoss": "sigmoid"}

# --- blobs ----------------------------------------------------------------------------------------------------------


class _Walk:
    """Follows the layers in file order, keeping what every blob's name means at that point."""

    def __init__(self, file: str, dropped: list[Message], options: Options, filtered: bool) -> None:
        self.file = file
        self.dropped = dropped
        self.options = options
        self.filtered = filtered
        self.current: dict[str, Blob] = {}
        self.versions: dict[str, int] = {}
        self.inputs: list[NetInput] = []
        self.steps: list[Step] = []
        self.silenced: set[Blob] = set()
        self.notes: list[Note] = []

    def layer(self, layer: Message) -> None:
        if layer.type == "Input" or is_data(layer):
            self.data(layer)
        elif is_training(layer):
            self.training(layer)
        elif layer.type == "Silence":
            self.silenced.update(self.read(layer, name) for name in layer.bottom)
        elif layer.type == "Split":
            self.split(layer)
        else:
            self.step(layer)

    def data(self, layer: Message) -> None:
        """Its tops are inputs; all but the first of a data layer are taken for labels."""
        for index, top in enumerate(layer.top):
            blob = self.write(layer, top)
            blob.label = layer.type != "Input" and index > 0
            self.inputs.append(NetInput(blob, declared_shape(layer, index), layer))

    def training(self, layer: Message) -> None:
        if layer.type in _ACTIVATING and layer.bottom:
            detail = f"The loss {layer.name!r} is left out, and with it the {_ACTIVATING[layer.type]} it applies to "
            self.notes.append(Note("dropped-loss", f"{detail}{layer.bottom[0]!r}.", layer.name))

    def split(self, layer: Message) -> None:
        """Copies that Caffe inserts into saved nets: all tops are the bottom."""
        if len(layer.bottom) != 1:
            raise MalformedModel(
                f"layer {layer.name!r} (Split) has {len(layer.bottom)} bottoms", file=self.file, layer=layer.name
            )
        blob = self.read(layer, layer.bottom[0])
        for top in layer.top:
            self.current[top] = blob

    def step(self, layer: Message) -> None:
        step = Step(layer, [self.read(layer, name) for name in layer.bottom], [])
        for blob in step.bottoms:
            blob.uses += 1
        labels = bool(step.bottoms) and all(blob.label for blob in step.bottoms)
        for top in layer.top:
            blob = self.write(layer, top)
            blob.maker, blob.label = step, labels
            step.tops.append(blob)
        self.steps.append(step)

    def write(self, layer: Message, name: str) -> Blob:
        before = self.current.get(name)
        if before is not None:
            if name not in layer.bottom:
                raise MalformedModel(
                    f"layer {layer.name!r} ({layer.type}) writes the blob {name!r}, which another layer has written",
                    file=self.file, layer=layer.name,
                    hint="Choose one of them by phase or stages." if _ruled(layer) else None,
                )  # fmt: skip
            before.last = before.name != name
        self.versions[name] = self.versions.get(name, -1) + 1
        blob = self.current[name] = Blob(name, self.versions[name])
        return blob

    def read(self, layer: Message, name: str) -> Blob:
        blob = self.current.get(name)
        return blob if blob is not None else self.unmade(layer, name)

    def unmade(self, layer: Message, name: str) -> Blob:
        """A blob that no kept layer writes: cut here by the user, or brought in by a data layer of another phase."""
        writers = [other for other in self.dropped if name in other.top]
        stages = sorted(
            {stage for other in writers for rule in (*other.include, *other.exclude) for stage in rule.stage}
        )
        if name in self.options.inputs:
            return self.input(name, None, None)
        if self.filtered:
            detail = f"The saved graph does not say where the blob {name!r} comes from; it is an input."
            self.notes.append(Note("undeclared-input", detail, layer.name))
            return self.input(name, None, None)
        if stages:
            raise InvalidOptions(
                f"layer {layer.name!r} ({layer.type}) reads the blob {name!r}, whose layer is left out: "
                f"the net chooses its layers by stage", file=self.file, layer=layer.name,
                hint=f"Set the option 'stages', with one or more of: {', '.join(stages)}.",
            )  # fmt: skip
        if any(is_data(other) for other in writers):
            source = next(other for other in writers if is_data(other))
            index = list(source.top).index(name)
            blob = self.input(name, declared_shape(source, index), source)
            blob.label = index > 0
            self.notes.append(
                Note(
                    "data-layer-of-other-phase",
                    f"The blob {name!r} comes from the data layer {source.name!r} of another phase; it is an input.",
                    source.name,
                )
            )
            return blob
        raise MalformedModel(
            f"layer {layer.name!r} ({layer.type}) reads the blob {name!r}, which no layer before it writes",
            file=self.file, layer=layer.name,
        )  # fmt: skip

    def input(self, name: str, shape: Shape | None, layer: Message | None) -> Blob:
        blob = self.current[name] = Blob(name, self.versions.setdefault(name, 0))
        self.inputs.append(NetInput(blob, shape, layer))
        return blob


def _ruled(layer: Message) -> bool:
    return layer.has("include") or layer.has("exclude")


# --- outputs and what they need ---------------------------------------------------------------------------------------


def _loose_ends(walk: _Walk) -> list[Blob]:
    """Caffe's outputs: every blob that no layer reads, in the byte order of their names; labels are no outputs."""
    made = {blob for step in walk.steps for blob in step.tops if not blob.uses and not blob.label}
    return sorted(made - walk.silenced, key=lambda blob: blob.name.encode())


def _chosen(net: Net, names: Sequence[str]) -> list[Blob]:
    return [_named(net, name, "outputs") for name in dict.fromkeys(names)]


def _named(net: Net, name: str, option: str) -> Blob:
    """The last writing of the blob that the user means. Raises InvalidOptions with the names that come close."""
    blob = net.blobs.get(name)
    if blob is None:
        close = get_close_matches(name, net.blobs, 3) or sorted(net.blobs)[:10]
        raise InvalidOptions(
            f"the option '{option}' names {name!r}, but the net has no such blob",
            hint=f"Blobs of the net: {', '.join(close)}.",
        )
    return blob


def _prune(net: Net, options: Options) -> None:
    """Keep what the outputs need, down to the inputs or to where the user cuts the graph."""
    cuts = {_named(net, name, "inputs"): None for name in options.inputs}
    wanted: set[Blob] = set()
    stack = list(net.outputs)
    while stack:
        blob = stack.pop()
        if blob in wanted:
            continue
        wanted.add(blob)
        if blob.maker is not None and blob not in cuts:
            stack.extend(blob.maker.bottoms)
    for blob in cuts:
        if blob not in wanted:
            raise InvalidOptions(f"the option 'inputs' names {blob.name!r}, which the outputs do not need")
    keep_unused = not (options.inputs or options.outputs)
    given = {entry.blob for entry in net.inputs}
    net.steps = [step for step in net.steps if any(top in wanted and top not in cuts for top in step.tops)]
    net.inputs = [
        *(entry for entry in net.inputs if entry.blob in wanted or (keep_unused and _is_input(entry.layer))),
        *(NetInput(blob, None, None) for blob in cuts if blob in wanted and blob not in given),
    ]
    _recount(net)


def _is_input(layer: Message | None) -> bool:
    return layer is not None and layer.type == "Input"


def _recount(net: Net) -> None:
    """``uses`` after pruning: readings by kept layers, and one more for every output."""
    touched: Iterable[Blob] = [blob for step in net.steps for blob in (*step.bottoms, *step.tops)]
    for blob in touched:
        blob.uses = 0
    for step in net.steps:
        for blob in step.bottoms:
            blob.uses += 1
    for blob in net.outputs:
        blob.uses += 1


def _shared(layers: Sequence[Message]) -> dict[tuple[str, int], tuple[str, int]]:
    """(layer, blob index) -> the layer and index that own this parameter: the first that gives it its name."""
    first: dict[str, tuple[str, int]] = {}
    owners: dict[tuple[str, int], tuple[str, int]] = {}
    for layer in layers:
        for index, param in enumerate(layer.param):
            if param.name:
                owners[layer.name, index] = first.setdefault(param.name, (layer.name, index))
    return owners
