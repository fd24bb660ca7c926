"""Small MXNet models made by hand: nodes of a symbol, written out with their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.formats.contract import Reading, ReadRequest
from workers.formats.mxnet.file import write_params
from workers.formats.mxnet.read import read
from workers.formats.mxnet.symbol import Entry, Node, Symbol, write_symbol
from workers.inspect.upload import Upload
from workers.options import Options

Array = npt.NDArray[Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


def node(op: str, name: str, *inputs: str | tuple[str, int], subgraphs: Sequence[Symbol] = (), **attrs: object) -> Any:
    """An operator whose inputs are names of nodes or variables, or (name, output)."""
    return op, name, inputs, {key: str(value) for key, value in attrs.items()}, tuple(subgraphs)


def symbol(
    *nodes: Any, heads: Sequence[str | tuple[str, int]] = (), version: int = 10901, np_shape: bool = False
) -> Symbol:
    """A graph; names that no node has are variables. Its outputs are ``heads``, or the last node's first."""
    made: list[Node] = []
    places: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in places:
            places[name] = len(made)
            made.append(Node("null", name))
        return places[name]

    def entry(source: str | tuple[str, int]) -> Entry:
        return (place(source), 0) if isinstance(source, str) else (place(source[0]), source[1])

    for op, name, inputs, attrs, subgraphs in nodes:
        entries = tuple(entry(source) for source in inputs)
        places[name] = len(made)
        made.append(Node(op, name, attrs, entries, subgraphs))
    return Symbol(tuple(made), tuple(entry(head) for head in heads or [nodes[-1][1]]), version, np_shape)


def save(folder: Path, graph: Symbol, params: Mapping[str, Array] | None = None, stem: str = "net") -> list[Path]:
    files = [folder / f"{stem}-symbol.json"]
    files[0].write_text(write_symbol(graph))
    if params is not None:
        files.append(folder / f"{stem}-0000.params")
        files[1].write_bytes(b"".join(write_params([(f"arg:{name}", array) for name, array in params.items()])))
    return files


def read_files(*files: Path, **options: Any) -> Reading:
    return read(ReadRequest(Upload.of(*files), Options(**options)))


def read_graph(folder: Path, graph: Symbol, params: Mapping[str, Array] | None = None, **options: Any) -> Reading:
    return read_files(*save(folder, graph, params), **options)
