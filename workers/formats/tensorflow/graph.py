"""Graphs as plain records: nodes with parsed inputs and attributes, functions, and the library they lie in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.tensorflow.schema import FUNCTION, FUNCTION_NAME
from workers.inspect.budget import BUDGET
from workers.inspect.protobuf import decode, scan
from workers.inspect.protobuf_write import varint
from workers.inspect.schema import Message


@dataclass(frozen=True, slots=True)
class Ref:
    """Output ``index`` of ``node``; inside functions ``port`` is an output's name, and ``index`` counts in it."""

    node: str
    index: int = 0
    port: str = ""

    def __str__(self) -> str:
        return f"{self.node}:{self.port}:{self.index}" if self.port else f"{self.node}:{self.index}"


@dataclass(slots=True)
class Node:
    """``inputs`` in order, ``controls`` the nodes that must run before; ``attrs`` are AttrValue messages by name."""

    name: str
    op: str
    inputs: tuple[Ref, ...]
    controls: tuple[str, ...] = ()
    attrs: dict[str, Message] = field(default_factory=dict)


@dataclass(slots=True)
class Function:
    """``arguments`` are named values inside ``graph``; ``outputs`` names them with the references they come from."""

    name: str
    graph: Graph
    arguments: tuple[str, ...]
    outputs: tuple[tuple[str, Ref], ...]
    attrs: dict[str, Message] = field(default_factory=dict)


@dataclass(slots=True)
class Graph:
    """Nodes by name, in the file's order; ``library`` holds the functions that they may call."""

    file: str
    nodes: dict[str, Node]
    library: Library = field(default_factory=lambda: Library(""))
    name: str = ""

    def node(self, ref: Ref, asked_by: str) -> Node:
        found = self.nodes.get(ref.node)
        if found is None:
            where = f" of function {self.name!r}" if self.name else ""
            raise MalformedModel(
                f"{asked_by!r} reads {ref.node!r}, which is no node{where} in {self.file!r}", file=self.file,
                layer=asked_by,
            )  # fmt: skip
        return found


class Library:
    """Functions by name, each read when it is asked for; the first of one name counts."""

    def __init__(self, file: str, budget: list[int] | None = None) -> None:
        self.file = file
        self.budget = budget if budget is not None else [BUDGET.nodes]
        self.entries: dict[str, Message | memoryview] = {}
        self.found: dict[str, Function] = {}

    def add(self, entry: Message | memoryview) -> None:
        """A function, as a message or as the bytes of one."""
        named = decode(_first(entry), FUNCTION_NAME, file=self.file) if isinstance(entry, memoryview) else entry
        self.entries.setdefault(str(named.signature.name or ""), entry)

    def get(self, name: str) -> Function | None:
        entry = self.entries.get(name)
        if name not in self.found and entry is not None:
            whole = decode(entry, FUNCTION, file=self.file) if isinstance(entry, memoryview) else entry
            self.found[name] = _function(whole, self.file, self, self.budget)
        return self.found.get(name)


def _first(entry: memoryview) -> memoryview:
    """The beginning of a function as far as its name: the signature stands first, and is a name at least."""
    for number, _, value in scan(entry):
        if number == 1 and isinstance(value, memoryview):
            return memoryview(b"\x0a" + varint(len(value)) + bytes(value))
    return entry[:0]


def graph_of(message: Message, file: str) -> Graph:
    """A GraphDef as records. Raises MalformedModel for nodes without a name or with one name twice."""
    budget = [BUDGET.nodes]
    library = Library(file, budget)
    graph = Graph(file, _nodes(message.node, file, budget), library)
    for entry in message.library.function:
        library.add(entry)
    return graph


def _nodes(entries: Iterable[Message], file: str, budget: list[int]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for entry in entries:
        budget[0] -= 1
        if budget[0] < 0:
            raise LimitExceeded(
                "nodes", f"{file!r} has more than {BUDGET.nodes:,} nodes", limit=BUDGET.nodes, file=file
            )
        if not entry.name or not entry.op:
            raise MalformedModel(f"{file!r} has a node without a name or without an operator", file=file)
        if entry.name in found:
            raise MalformedModel(f"{file!r} has two nodes called {entry.name!r}", file=file, layer=entry.name)
        inputs = [str(item) for item in entry.input]
        found[entry.name] = Node(
            entry.name, entry.op,
            tuple(ref_of(item, file) for item in inputs if not item.startswith("^")),
            tuple(item[1:] for item in inputs if item.startswith("^")),
            {pair.key: pair.value for pair in entry.attr},
        )  # fmt: skip
    return found


def ref_of(text: str, file: str) -> Ref:
    """``node``, ``node:index``, or, inside functions, ``node:port:index``."""
    parts = text.split(":")
    if len(parts) == 1:
        return Ref(parts[0])
    if not parts[-1].isdecimal() or len(parts) > 3 or len(parts[-1]) > 9:
        raise MalformedModel(f"{file!r}: {text[:200]!r} is no name of a tensor", file=file)
    return Ref(parts[0], int(parts[-1]), parts[1] if len(parts) == 3 else "")


def _function(entry: Message, file: str, library: Library, budget: list[int]) -> Function:
    signature = entry.signature
    name = str(signature.name or "")
    results: dict[str, str] = {pair.key: pair.value for pair in entry.ret}
    missing = [arg.name for arg in signature.output_arg if arg.name not in results]
    if missing:
        raise MalformedModel(
            f"the function {name!r} does not say where its output {missing[0]!r} comes from", file=file
        )
    outputs = tuple((str(arg.name), ref_of(results[arg.name], file)) for arg in signature.output_arg)
    arguments = tuple(str(arg.name) for arg in signature.input_arg)
    graph = Graph(file, _nodes(entry.node_def, file, budget), library, name)
    return Function(name, graph, arguments, outputs, {pair.key: pair.value for pair in entry.attr})


def attr(node: Node, name: str, field_name: str, default: Any = None) -> Any:
    """A field of an attribute, ``default`` when it is not given."""
    message = node.attrs.get(name)
    if message is None or not message.has(field_name):
        return default
    return message[field_name]
