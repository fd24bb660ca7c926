"""MXNet's graph files: the JSON of a symbol <-> plain records, exactly as they stand in the file.

A node has an operator (``null`` for a variable), a name, attributes whose values are all strings, and inputs given as
[node, output] or [node, output, version]. The version counts mutations and means nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.errors import LimitExceeded, MalformedModel

SIZE, NODES, DEPTH = 64 << 20, 500_000, 64
Entry = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Node:
    """``attrs`` are the operator's parameters and the user's hints (``__lr_mult__``) alike."""

    op: str
    name: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Entry, ...] = ()
    subgraphs: tuple[Symbol, ...] = ()

    @property
    def is_variable(self) -> bool:
        return self.op == "null"


@dataclass(frozen=True, slots=True)
class Symbol:
    """``version`` is 10901 for MXNet 1.9.1; files before 0.9 have none and count as 800."""

    nodes: tuple[Node, ...]
    heads: tuple[Entry, ...]
    version: int = 800
    np_shape: bool = False


def read_symbol(data: memoryview, file: str) -> Symbol:
    """The graph of a symbol file.

    Raises MalformedModel for anything that is no such JSON, LimitExceeded for one that is too large or too deep.
    """
    if len(data) > SIZE:
        raise LimitExceeded("size", f"{file!r} has {len(data)} bytes of JSON", limit=SIZE, file=file)
    return _Reader(file).symbol(_json(data, file))


def _json(data: memoryview, file: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise MalformedModel(f"{file!r} has the same key twice in one JSON object", file=file)
        return found

    def refuse(word: str) -> Any:
        raise MalformedModel(f"{file!r} has {word}, which is no JSON", file=file)

    try:
        text = bytes(data).decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except UnicodeDecodeError:
        raise MalformedModel(f"{file!r} is not UTF-8 text", file=file) from None
    except RecursionError:
        raise LimitExceeded("depth", f"the JSON of {file!r} is nested too deeply", limit=DEPTH, file=file) from None
    except ValueError as error:
        raise MalformedModel(
            f"{file!r} is not valid JSON: {error}", file=file, hint="Upload the *-symbol.json as MXNet saved it."
        ) from None


class _Reader:
    """Checks the JSON of one file while turning it into records; counts nodes over all sub-graphs."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.nodes = 0

    def malformed(self, reason: str) -> MalformedModel:
        return MalformedModel(f"{self.file!r} is not a sound MXNet symbol: {reason}", file=self.file)

    def symbol(self, graph: Any, depth: int = 0, version: int = 800, np_shape: bool = False) -> Symbol:
        """A graph; a sub-graph without words of its own is of its parent's version."""
        if depth > DEPTH:
            raise LimitExceeded("depth", f"the sub-graphs of {self.file!r} are nested too deeply", limit=DEPTH,
                                file=self.file)  # fmt: skip
        if not isinstance(graph, dict) or not isinstance(graph.get("nodes"), list):
            raise self.malformed("it has no list of nodes")
        nodes = graph["nodes"]
        self.nodes += len(nodes)
        if self.nodes > NODES:
            raise LimitExceeded("nodes", f"{self.file!r} has {self.nodes} nodes", limit=NODES, file=self.file)
        if not isinstance(graph.get("heads"), list) or not graph["heads"]:
            raise self.malformed("it has no heads, that is, no outputs")
        flags, count = graph.get("attrs"), len(nodes)
        heads = tuple(self.entry(head, "a head", count) for head in graph["heads"])
        version = self.flag(flags, "mxnet_version", version)
        np_shape = bool(self.flag(flags, "is_np_shape", int(np_shape)))

        def inner(subgraph: Any) -> Symbol:
            return self.symbol(subgraph, depth + 1, version, np_shape)

        read = tuple(self.node(node, index, count, inner) for index, node in enumerate(nodes))
        return Symbol(read, heads, version, np_shape)

    def node(self, node: Any, index: int, count: int, inner: Callable[[Any], Symbol]) -> Node:
        if not isinstance(node, dict):
            raise self.malformed(f"node {index} is no JSON object")
        op, name = node.get("op"), node.get("name")
        if not isinstance(op, str) or not isinstance(name, str):
            raise self.malformed(f"node {index} has no operator or no name")
        inputs, subgraphs = node.get("inputs", []), node.get("subgraphs", [])
        if not isinstance(inputs, list) or not isinstance(subgraphs, list):
            raise self.malformed(f"the inputs of node {index} ({name!r}) are no list")
        return Node(
            op,
            name,
            self.attributes(node, name),
            tuple(self.entry(entry, f"an input of node {name!r}", count) for entry in inputs),
            tuple(inner(graph) for graph in subgraphs),
        )

    def attributes(self, node: Mapping[str, Any], name: str) -> dict[str, str]:
        """Today's ``attrs``; until 0.11 ``attr``; before 0.9 ``param`` for the operator's and ``attr`` for hints."""
        merged: dict[str, str] = {}
        for key in ("attr", "attrs", "param"):
            part = node.get(key) or {}
            if not isinstance(part, dict):
                raise self.malformed(f"{key} of node {name!r} is no JSON object")
            for word, value in part.items():
                if not isinstance(value, str):
                    raise self.malformed(f"{word!r} of node {name!r} is not a string")
                merged[word] = value
        return merged

    def entry(self, entry: Any, what: str, count: int) -> Entry:
        if not isinstance(entry, list) or len(entry) not in (2, 3) or any(type(part) is not int for part in entry):
            raise self.malformed(f"{what} is not [node, output, version]")
        if not 0 <= entry[0] < count or not 0 <= entry[1] < 65536:
            raise self.malformed(f"{what} names node {entry[0]}, output {entry[1]}; there are {count} nodes")
        return entry[0], entry[1]

    def flag(self, flags: Any, key: str, default: int) -> int:
        """A graph attribute, written as ["int", value]."""
        value = flags.get(key) if isinstance(flags, dict) else None
        if isinstance(value, list) and len(value) == 2 and type(value[1]) is int:
            return int(value[1])
        return default


def write_symbol(symbol: Symbol) -> str:
    """The JSON that MXNet 1.x writes. Nodes must be in topological order."""
    return json.dumps(_as_json(symbol), indent=2)


def _as_json(symbol: Symbol) -> dict[str, Any]:
    flags = {"mxnet_version": ["int", symbol.version], **({"is_np_shape": ["int", 1]} if symbol.np_shape else {})}
    return {
        "nodes": [_node_json(node) for node in symbol.nodes],
        "arg_nodes": [index for index, node in enumerate(symbol.nodes) if node.is_variable],
        "heads": [_entry_json(head) for head in symbol.heads],
        "attrs": flags,
    }


def _node_json(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"op": node.op, "name": node.name}
    if node.attrs:
        found["attrs"] = dict(node.attrs)
    found["inputs"] = [_entry_json(entry) for entry in node.inputs]
    if node.subgraphs:
        found["subgraphs"] = [_as_json(graph) for graph in node.subgraphs]
    return found


def _entry_json(entry: Sequence[int]) -> list[int]:
    return [*entry, 0]
