"""Small graphs written by hand: nodes as keyword arguments, attributes by what they are in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.workers.formats.cases import upload_of
from workers.formats.contract import Reading, ReadRequest
from workers.formats.tensorflow.read import read
from workers.formats.tensorflow.schema import GRAPH
from workers.inspect.protobuf_write import encode
from workers.options import Options

Node = dict[str, Any]
TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "int64": "DT_INT64", "bool": "DT_BOOL"}


def _attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int):
        return {"i": value}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, str):
        return {"type": value} if value.startswith("DT_") else {"s": value.encode()}
    if isinstance(value, np.ndarray):
        return {"tensor": {"dtype": TYPES[value.dtype.name], "tensor_shape": dims(value.shape),
                           "tensor_content": value.tobytes()}}  # fmt: skip
    if isinstance(value, tuple):
        return {"shape": dims(value)}
    return {"list": {"i": value}} if isinstance(value, list) else dict(value)


def dims(shape: tuple[int | None, ...]) -> dict[str, Any]:
    return {"dim": [{"size": -1 if size is None else size} for size in shape]}


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Node:
    attr = [{"key": key, "value": _attribute(value)} for key, value in attributes.items()]
    return {"name": name, "op": op, "input": list(inputs), "attr": attr}


def placeholder(name: str, *shape: int | None, dtype: str = "DT_FLOAT") -> Node:
    return node(name, "Placeholder", dtype=dtype, shape=shape)


def const(name: str, value: Any, dtype: Any = np.float32) -> Node:
    array = np.asarray(value, dtype)
    return node(name, "Const", value=array, dtype=TYPES[array.dtype.name])


def graph(*nodes: Node, functions: Any = ()) -> bytes:
    return encode(GRAPH(node=list(nodes), library={"function": list(functions)}, versions={"producer": 1882}))


def read_files(folder: Path, files: Mapping[str, bytes], **options: Any) -> Reading:
    return read(ReadRequest(upload_of(folder, files), Options.model_validate(options)))


def read_graph(folder: Path, *nodes: Node, functions: Any = (), **options: Any) -> Reading:
    return read_files(folder, {"graph.pb": graph(*nodes, functions=functions)}, **options)


def operators(reading: Reading) -> list[str]:
    """The operators of the model, those of nested graphs included."""
    return [inner.op_type for inner in reading.model.graph.all_nodes()]
