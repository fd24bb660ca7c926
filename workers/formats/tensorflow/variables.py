"""Which stored array belongs to which variable: read off the operators that would restore it.

Names alone do not tell. A graph's restore operators do: RestoreV2 lists keys, and what it yields is assigned to
variables, directly (TF1) or inside the function that ``restore_op_name`` calls with the variables' handles (TF2).
"""

from __future__ import annotations

from collections.abc import Iterator

from workers.errors import MalformedModel
from workers.formats.tensorflow.bundle import Checkpoint, Stored
from workers.formats.tensorflow.graph import Graph, Node, Ref, attr
from workers.formats.tensorflow.schema import SCHEMA
from workers.formats.tensorflow.tensors import array_of
from workers.inspect.protobuf import decode

VARIABLES = ("VariableV2", "Variable", "VarHandleOp", "AutoReloadVariable")
ASSIGNS = ("Assign", "AssignVariableOp")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
Lists = dict[str, tuple[list[str], list[str]]]
PASSING = ("Identity", "IdentityN", "Cast")


def variables_of(graph: Graph, checkpoint: Checkpoint) -> dict[str, Stored]:
    """Values by the name of the variable's node; a variable that nothing restores is found by its own name."""
    found: dict[str, Stored] = {}
    for variable, stored in _restored(graph, checkpoint):
        found.setdefault(variable, stored)
    left = [node for node in graph.nodes.values() if node.op in VARIABLES and node.name not in found]
    names = _full_names(checkpoint.objects, graph.file) if left else {}
    for node in left:
        shared = bytes(attr(node, "shared_name", "s", b"")).decode("utf-8", "replace")
        for name in (node.name, shared):
            key = name if name in checkpoint.variables else names.get(name, "")
            if key in checkpoint.variables:
                found[node.name] = checkpoint.variables[key]
                break
    return found


def _full_names(objects: memoryview | None, file: str) -> dict[str, str]:
    """Checkpoint keys by the full name of the variable, as far as such names are unique."""
    found: dict[str, str] = {}
    twice = set()
    if objects is None:
        return found
    for entry in decode(objects, SCHEMA["TrackableObjectGraph"], file=file).nodes:
        for attribute in entry.attributes:
            if attribute.full_name:
                twice |= {attribute.full_name} & found.keys()
                found[attribute.full_name] = attribute.checkpoint_key or ""
    return {name: key for name, key in found.items() if name not in twice}


def _restored(graph: Graph, checkpoint: Checkpoint) -> Iterator[tuple[str, Stored]]:
    """(variable's node, values) of every assignment of a restored tensor, in the graph and in functions it calls."""
    for handle, stored in _assigned(graph, checkpoint):
        yield handle, stored
    for node in graph.nodes.values():
        name = attr(node, "f", "func")
        function = graph.library.get(str(name.name or "")) if name is not None and node.op in CALLS else None
        if function is None or not any(inner.op == "RestoreV2" for inner in function.graph.nodes.values()):
            continue
        places = {argument: place for place, argument in enumerate(function.arguments)}
        for handle, stored in _assigned(function.graph, checkpoint):
            place = places.get(handle, len(node.inputs))
            if place < len(node.inputs):
                yield node.inputs[place].node, stored


def _assigned(graph: Graph, checkpoint: Checkpoint) -> Iterator[tuple[str, Stored]]:
    lists: Lists = {}
    for node in graph.nodes.values():
        if node.op not in ASSIGNS or len(node.inputs) < 2:
            continue
        stored = _value(graph, node.inputs[1], checkpoint, lists)
        if stored is not None:
            yield _through(graph, node.inputs[0]).node, stored


def _through(graph: Graph, ref: Ref) -> Ref:
    """The reference behind operators that only hand on."""
    for _ in range(64):
        node = graph.nodes.get(ref.node)
        if node is None or node.op not in PASSING or ref.index >= len(node.inputs):
            return ref
        ref = node.inputs[ref.index]
    return ref


def _value(graph: Graph, ref: Ref, checkpoint: Checkpoint, lists: Lists) -> Stored | None:
    """The stored array that a reference hands on; ``lists`` keeps every restore operator's keys and slices."""
    ref = _through(graph, ref)
    node = graph.nodes.get(ref.node)
    if node is None or node.op not in ("RestoreV2", "Restore", "RestoreSlice"):
        return None
    if node.name not in lists:
        lists[node.name] = _texts(graph, node, 1), _texts(graph, node, 2)
    keys, slices = lists[node.name]
    if ref.index >= len(keys) or keys[ref.index] not in checkpoint.variables:
        return None
    stored = checkpoint.variables[keys[ref.index]]
    spec = slices[ref.index] if ref.index < len(slices) else ""
    return _part(stored, spec, graph.file) if spec.strip() else stored


def _texts(graph: Graph, node: Node, place: int) -> list[str]:
    """The strings of a constant input."""
    source = graph.nodes.get(_through(graph, node.inputs[place]).node) if place < len(node.inputs) else None
    value = attr(source, "value", "tensor") if source is not None and source.op == "Const" else None
    if value is None:
        return []
    return [bytes(item).decode("utf-8", "replace") for item in array_of(value, node.name, graph.file).reshape(-1)]


def _part(stored: Stored, spec: str, file: str) -> Stored:
    """A part of a partitioned variable: ``10 20 0,5:-`` is rows 0 to 4 of a [10, 20] array."""
    *_, places = spec.strip().split(" ")
    slices = []
    try:
        for size, place in zip(stored.shape, places.split(":"), strict=True):
            start, length = (0, size) if place == "-" else map(int, place.split(","))
            if not 0 <= start <= start + length <= size:
                raise ValueError
            slices.append(slice(start, start + length))
    except ValueError:
        raise MalformedModel(
            f"{file!r} restores {stored.name!r} from the part {spec!r}, which it has not", file=file
        ) from None
    shape = tuple(item.stop - item.start for item in slices)
    return Stored(stored.name, stored.dtype, shape, lambda: stored.load()[tuple(slices)])
