"""Where a graph begins and ends: its inputs and outputs, by signature, by the user's options, or by what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import onnx_ir as ir

from workers.errors import InvalidOptions, MalformedModel, UnsupportedOperators
from workers.errors import Unsupported as UnsupportedItem
from workers.formats.contract import Note
from workers.formats.tensorflow.assemble import Assembled
from workers.formats.tensorflow.dtypes import ONNX, WORDS, plain
from workers.formats.tensorflow.examples import features
from workers.formats.tensorflow.graph import Graph, Node, Ref, attr, ref_of
from workers.formats.tensorflow.safety import check_safe
from workers.hub.node import Dim
from workers.inspect.schema import Message
from workers.options import Options

Dims = list[int | str | None]
PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
# Where training graphs get their data from: cut there, what they yield is an input.
SOURCES = ("IteratorGetNext", "QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2", "QueueDequeue",
           "QueueDequeueMany", "QueueDequeueUpTo")  # fmt: skip
PASSIVE = ("Const", "NoOp", "Assert", "Print", "VarHandleOp", "VariableV2", "Variable", *PLACEHOLDERS)
TRAINING = ("Assign", "AssignAdd", "AssignSub", "AssignVariableOp", "SaveV2", "Save", "RestoreV2", "SaveSlices",
            "ScalarSummary", "MergeSummary", "HistogramSummary", "ImageSummary", "BroadcastGradientArgs")  # fmt: skip


@dataclass(slots=True)
class Input:
    """``shape`` is None when the file does not even say the rank."""

    name: str
    ref: Ref
    dtype: ir.DataType
    shape: Dims | None


@dataclass(slots=True)
class Entry:
    """``reached``: all nodes that the outputs hang on, by graph and name, with their operators."""

    inputs: list[Input]
    outputs: list[tuple[str, Ref]]
    constants: dict[Ref, object] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    reached: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def shapes(self) -> list[Sequence[Dim | None]]:
        return [item.shape or () for item in self.inputs]


def entry_of(source: Assembled, options: Options) -> Entry:
    """Inputs and outputs of the conversion; what would reach out of the graph between them is refused here.

    Raises InvalidOptions for tensors that are not there, UnsafeModel for such operators.
    """
    graph = source.graph
    notes: list[Note] = []
    outputs = _outputs(source, options, notes)
    constants = {_tensor(source, name, "constants"): value for name, value in options.constants.items()}
    cuts = {_tensor(source, name, "inputs"): name for name in options.inputs}
    stops = {ref.node for ref in (*cuts, *constants)}
    reached = list(_reached(graph, [ref for _, ref in outputs], stops))
    check_safe(reached, source.file)
    parsed = [] if cuts else _parsed(source, [ref for _, ref in outputs], set(constants), notes)
    stopped = {*cuts, *constants, *(item.ref for item in parsed)}
    needed = _placeholders(graph, [ref for _, ref in outputs], stopped)
    inputs = _signature_inputs(source) if source.signature is not None else {}
    found: list[Input] = []
    if parsed:
        found = [*parsed, *(_input(source, ref, str(ref)) for ref in needed if not _has_default(graph, ref))]
    elif cuts:
        found = [_input(source, ref, name) for ref, name in cuts.items()]
        left = [ref for ref in needed if ref not in cuts and ref not in constants]
        names = {ref: name for name, ref in inputs.items()}
        found += [_input(source, ref, names.get(ref, str(ref))) for ref in left if not _has_default(graph, ref)]
    elif inputs:
        found = [_input(source, ref, name) for name, ref in inputs.items()
                 if ref not in constants and (ref in needed or not _is_text(source, ref))]  # fmt: skip
        known = set(inputs.values())
        extra = [ref for ref in needed if ref not in known and not _has_default(graph, ref)]
        found += [_input(source, ref, str(ref)) for ref in extra]
    else:
        found = [_input(source, ref, str(ref)) for ref in needed if not _has_default(graph, ref) or len(needed) == 1]
    _apply(found, options)
    operators = {(place.name, node.name): node.op for place, node in reached}
    return Entry(found, outputs, dict(constants), notes, operators)


def _is_text(source: Assembled, ref: Ref) -> bool:
    node = source.graph.nodes.get(ref.node)
    return node is not None and _declared(node, ref)[0] == "DT_STRING"


def _parsed(source: Assembled, outputs: list[Ref], constants: set[Ref], notes: list[Note]) -> list[Input]:
    """The features of parsed examples as inputs, where the graph takes nothing else out of the text."""
    graph = source.graph
    found = features(graph, {ref for node in graph.nodes.values() for ref in node.inputs} | set(outputs))
    needed = _placeholders(graph, outputs, {item.ref for item in found} | constants)
    if not found or any(_is_text(source, ref) for ref in needed):
        return []
    keys = ", ".join(repr(item.key) for item in found)
    detail = f"The model parses serialised examples, which ONNX cannot; its inputs are the parsed features {keys}."
    notes.append(Note("parsed-examples", detail, found[0].ref.node))
    return [Input(item.key, item.ref, ONNX[item.dtype], [None, *item.shape] if item.shape is not None else None)
            for item in found]  # fmt: skip


def _has_default(graph: Graph, ref: Ref) -> bool:
    node = graph.nodes.get(ref.node)
    return node is not None and node.op == "PlaceholderWithDefault"


# --- outputs ----------------------------------------------------------------------------------------------------------


def _outputs(source: Assembled, options: Options, notes: list[Note]) -> list[tuple[str, Ref]]:
    """Those of the option, of the signature, or the graph's ends; text beside numbers is left out of a signature."""
    if options.outputs:
        return [(name, _tensor(source, name, "outputs")) for name in dict.fromkeys(options.outputs)]
    if source.signature is not None:
        pairs = sorted(source.signature.outputs, key=lambda pair: str(pair.key))
        numbers = [pair for pair in pairs if plain(pair.value.dtype or "") != "DT_STRING"]
        if numbers and len(numbers) < len(pairs):
            text = ", ".join(repr(str(pair.key)) for pair in pairs if pair not in numbers)
            notes.append(Note("text-outputs", f"The outputs {text} are text, which is left out.", str(pairs[0].key)))
            pairs = numbers
        return [(str(pair.key), _info(source, pair.value, str(pair.key))) for pair in pairs]
    return _sinks(source)


def _info(source: Assembled, info: Message, key: str) -> Ref:
    if info.has("coo_sparse"):
        raise UnsupportedOperators("tensorflow", [UnsupportedItem(key, "SparseTensor", "it is a sparse tensor")])
    ref = ref_of(str(info.name or ""), source.file)
    source.graph.node(ref, f"signature {source.signature_name}")
    return ref


def _sinks(source: Assembled) -> list[tuple[str, Ref]]:
    """Of a bare graph: tensors that no node reads. A graph that trains has too many of them to guess."""
    graph = source.graph
    read = {ref.node for node in graph.nodes.values() for ref in node.inputs}
    found = [node for node in graph.nodes.values() if node.name not in read and node.op not in PASSIVE]
    if not found:
        found = [node for node in graph.nodes.values() if node.name not in read and node.op in PLACEHOLDERS]
    trains = [node for node in graph.nodes.values() if node.op in TRAINING or node.op.startswith(("Apply", "Resource"))]
    if trains and source.kind != "saved_model" and any(node.op in ("Assign", "AssignVariableOp") for node in trains):
        near = [node.name for node in found if node.op not in TRAINING and not node.op.startswith("Apply")]
        raise InvalidOptions(
            f"{source.file!r} is a graph with its training: which tensors are the outputs has to be said",
            file=source.file, hint=f"Name them in the option 'outputs', such as {', '.join(near[:8]) or 'logits:0'}.",
        )  # fmt: skip
    if not found:
        raise MalformedModel(f"{source.file!r} computes nothing", file=source.file)
    return [(f"{node.name}:0", Ref(node.name)) for node in found if node.op not in TRAINING]


def _tensor(source: Assembled, name: str, option: str) -> Ref:
    """A tensor the user means: a signature's key, ``node:0``, or a node for its first output."""
    if source.signature is not None:
        for pairs in (source.signature.outputs, source.signature.inputs):
            for pair in pairs:
                if pair.key == name:
                    return _info(source, pair.value, name)
    ref = ref_of(name, source.file) if name.rpartition(":")[2].isdecimal() or ":" not in name else Ref(name)
    if ref.node not in source.graph.nodes:
        close = get_close_matches(ref.node, list(source.graph.nodes), 3)
        raise InvalidOptions(
            f"the option '{option}' names {name!r}, but the graph has no such tensor",
            hint=f"Close to it: {', '.join(close)}." if close else "Tensors are named node:0.",
        )
    return ref


# --- inputs -----------------------------------------------------------------------------------------------------------


def _signature_inputs(source: Assembled) -> dict[str, Ref]:
    """By key, in the order of the function's own arguments where the file still shows it."""
    assert source.signature is not None
    found = {str(pair.key): _info(source, pair.value, str(pair.key)) for pair in source.signature.inputs}
    found = dict(sorted(found.items()))
    order = _order(source.graph, found)
    return {key: found[key] for key in order} if order is not None else found


def _order(graph: Graph, inputs: dict[str, Ref]) -> list[str] | None:
    """The order in which the signature's wrapper hands its arguments on to the function itself."""
    keys = {ref.node: key for key, ref in inputs.items()}
    for node in graph.nodes.values():
        if node.op not in ("PartitionedCall", "StatefulPartitionedCall"):
            continue
        if not keys.keys() <= {ref.node for ref in node.inputs}:
            continue
        called = attr(node, "f", "func")
        function = graph.library.get(str(called.name)) if called is not None else None
        if function is None or len(function.arguments) != len(node.inputs):
            continue
        argument = {name: keys[ref.node] for name, ref in zip(function.arguments, node.inputs, strict=True)
                    if ref.node in keys}  # fmt: skip
        for inner in function.graph.nodes.values():
            order = [argument[ref.node] for ref in inner.inputs if ref.node in argument]
            if inner.op.endswith("PartitionedCall") and sorted(order) == sorted(inputs):
                return order
    return None


def _placeholders(graph: Graph, outputs: Sequence[Ref], stops: set[Ref]) -> list[Ref]:
    """Placeholders, and what input pipelines yield, that the outputs need, in the file's order."""
    found: dict[Ref, None] = {}
    seen: set[str] = set()
    stack = list(outputs)
    while stack:
        ref = stack.pop()
        if ref in stops:
            continue
        node = graph.nodes.get(ref.node)
        if node is not None and (node.op in PLACEHOLDERS or node.op in SOURCES):
            found[Ref(ref.node, ref.index)] = None
        if node is None or node.name in seen or node.op in SOURCES:
            continue
        seen.add(node.name)
        stack.extend(node.inputs)
    order = {name: place for place, name in enumerate(graph.nodes)}
    return sorted(found, key=lambda ref: (order[ref.node], ref.index))


def _reached(graph: Graph, outputs: Sequence[Ref], stops: set[str]) -> Iterable[tuple[Graph, Node]]:
    """Every node that the outputs hang on, control edges and called functions included."""
    seen: set[tuple[str, str]] = set()
    stack = [(graph, ref.node) for ref in outputs]
    while stack:
        place, name = stack.pop()
        node = place.nodes.get(name)
        if node is None or (place.name, name) in seen or (place is graph and name in stops):
            continue
        seen.add((place.name, name))
        yield place, node
        if node.op in SOURCES:
            continue
        stack.extend((place, ref.node) for ref in node.inputs)
        stack.extend((place, control) for control in node.controls)
        for message in node.attrs.values():
            called = [message.func, *message.list.func] if message.has("func") or message.has("list") else []
            for item in called:
                function = graph.library.get(str(item.name or ""))
                if function is not None and ("", function.name) not in seen:
                    seen.add(("", function.name))
                    stack.extend((function.graph, inner) for inner in function.graph.nodes)


def _input(source: Assembled, ref: Ref, name: str) -> Input:
    node = source.graph.node(ref, name)
    dtype, shape = _declared(node, ref)
    info = _signature_info(source, ref)
    if info is not None:
        dtype = plain(info.dtype) if info.has("dtype") else dtype
        stated = _dims(info.tensor_shape) if info.has("tensor_shape") else None
        shape = shape if shape is not None and (stated is None or None not in shape) else stated or shape
    if dtype not in ONNX or dtype == "DT_STRING":
        reason = "it takes text" if dtype == "DT_STRING" else f"its element type {dtype} has no counterpart in ONNX"
        raise UnsupportedOperators(
            "tensorflow", [UnsupportedItem(name, node.op, reason)],
            hint="Cut the graph behind it with the option 'inputs'.",
        )  # fmt: skip
    return Input(name, ref, ONNX[dtype], shape)


def _signature_info(source: Assembled, ref: Ref) -> Message | None:
    if source.signature is None:
        return None
    return next((p.value for p in source.signature.inputs if ref_of(str(p.value.name), source.file) == ref), None)


def _declared(node: Node, ref: Ref) -> tuple[str, Dims | None]:
    """Type and shape as the node states them."""
    types = attr(node, "output_types", "list") or attr(node, "component_types", "list")
    if types is not None and ref.index < len(types.type):
        shapes = attr(node, "output_shapes", "list") or attr(node, "shapes", "list")
        shape = shapes.shape[ref.index] if shapes is not None and ref.index < len(shapes.shape) else None
        return plain(types.type[ref.index]), _dims(shape) if shape is not None else None
    dtype = plain(attr(node, "dtype", "type") or attr(node, "T", "type") or "DT_FLOAT")
    shape = attr(node, "shape", "shape")
    listed = attr(node, "_output_shapes", "list")
    if (shape is None or shape.unknown_rank) and listed is not None and ref.index < len(listed.shape):
        shape = listed.shape[ref.index]
    return dtype, _dims(shape) if shape is not None else None


def _dims(shape: Message) -> Dims | None:
    if shape.unknown_rank:
        return None
    return [int(dim.size or 0) if (dim.size or 0) >= 0 else None for dim in shape.dim]


def _apply(found: list[Input], options: Options) -> None:
    """The user's shapes and types; free axes get names: the first is the batch."""
    by_name = {item.name: item for item in found} | {item.name.removesuffix(":0"): item for item in found}
    for name in (*options.input_shapes, *options.input_dtypes):
        if name not in by_name:
            raise InvalidOptions(
                f"the model has no input {name!r}",
                hint=f"Inputs are: {', '.join(repr(item.name) for item in found) or 'none'}.",
            )
    for name, shape in options.input_shapes.items():
        item = by_name[name]
        if item.shape is not None and (
            len(item.shape) != len(shape)
            or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(item.shape, shape, strict=True))
        ):
            raise InvalidOptions(f"the input {name!r} has the shape {item.shape}; the option gives {shape}", input=name)
        item.shape = [a if a is not None else b for a, b in zip(shape, item.shape or shape, strict=True)]
    for name, word in options.input_dtypes.items():
        if word not in WORDS:
            raise InvalidOptions(
                f"the option 'input_dtypes' gives {name!r} the type {word!r}", input=name,
                hint=f"Types: {', '.join(WORDS)}.",
            )  # fmt: skip
        by_name[name].dtype = WORDS[word]
    for item in found:
        if item.shape is None:
            raise InvalidOptions(
                f"the file does not say how many axes the input {item.name!r} has", input=item.name,
                hint=f"Give its shape in the option 'input_shapes', such as {{\"{item.name}\": [null, 224, 224, 3]}}.",
            )  # fmt: skip
        item.shape = [_named(item, axis, dim) for axis, dim in enumerate(item.shape)]


def _named(item: Input, axis: int, dim: int | str | None) -> int | str:
    if dim is not None:
        return dim
    word = "".join(char if char.isalnum() else "_" for char in item.name.removesuffix(":0"))
    return "batch" if axis == 0 else f"{word}_{axis}"
