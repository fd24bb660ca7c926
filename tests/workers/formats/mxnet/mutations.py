"""How MXNet uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what a symbol says.

Attributes, inputs, operators and numbers of a symbol are exchanged.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from tests.workers.formats.mxnet.recorded import graphs

WORDS = (
    "", "None", "True", "0", "1", "-1", "2", "-3", "7", "1e30", "-1e30", "nan", "inf", "(1, 1)", "(0, 0)", "(-1, -1)",
    "(3,)", "()", "[", "(1, 1, 1, 1, 1)", "99999999999", "9223372036854775807", "-9223372036854775808", "(2147483648,)",
    "0x10", "float16", "int32", "bool", "valid", "full", "same", "max", "lstm", "relu", "NHWC", "corner", "wrap",
)  # fmt: skip


def seeds() -> Iterator[Seed]:
    """Sound uploads: all recorded models and every small graph of one operator."""
    yield from recorded("mxnet")
    for graph in graphs():
        shapes = {key: list(array.shape) for key, array in next(graph.samples()).inputs.items()}
        with tempfile.TemporaryDirectory() as folder:
            files = graph.request(Path(folder)).upload.files
            yield {file.name: file.path.read_bytes() for file in files}, {"input_shapes": shapes}


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed."""
    victim = rng.choice(sorted(files))
    data = files[victim]
    if victim.endswith(".json") and rng.random() < 0.75:
        try:
            return {**files, victim: rewrite(data, rng)}
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            pass  # a first change left nothing for the second one to change
    return {**files, victim: mutate_bytes(data, rng)}


def rewrite(text: bytes, r: random.Random) -> bytes:
    """A symbol that says something else, in valid JSON."""
    graph = json.loads(text)
    for _ in range(r.choice((1, 1, 2, 5))):
        node = r.choice(graph["nodes"])
        r.choice((_attribute, _attribute, _attribute, _input, _operator, _structure))(graph, node, r)
    return json.dumps(graph).encode()


def _attribute(graph: dict[str, Any], node: dict[str, Any], r: random.Random) -> None:
    attrs = node.setdefault("attrs", node.get("attr") or node.get("param") or {})
    others = [key for other in graph["nodes"] for key in (other.get("attrs") or {})] or ["axis"]
    key = r.choice(sorted(attrs)) if attrs and r.random() < 0.8 else r.choice(others)
    if r.random() < 0.15:
        attrs.pop(key, None)
    else:
        attrs[key] = r.choice(WORDS)


def _input(graph: dict[str, Any], node: dict[str, Any], r: random.Random) -> None:
    entry = [r.randrange(len(graph["nodes"])), r.choice((0, 0, 0, 1, 2, 70000)), 0]
    inputs = node.setdefault("inputs", [])
    change = r.random()
    if inputs and change < 0.5:
        inputs[r.randrange(len(inputs))] = entry
    elif inputs and change < 0.7:
        inputs.pop(r.randrange(len(inputs)))
    else:
        inputs.insert(r.randrange(len(inputs) + 1), entry)


def _operator(graph: dict[str, Any], node: dict[str, Any], r: random.Random) -> None:
    others = [other["op"] for other in graph["nodes"]]
    node["op"] = r.choice([*others, "Reshape", "Concat", "RNN", "Custom", "sum", "broadcast_add", "_foreach", "null"])


def _structure(graph: dict[str, Any], node: dict[str, Any], r: random.Random) -> None:
    change = r.randrange(6)
    if change == 0:
        graph["heads"] = [[r.randrange(len(graph["nodes"])), r.choice((0, 0, 1)), 0]]
    elif change == 1:
        graph["attrs"] = {"mxnet_version": ["int", r.choice((800, 904, 905, 1100, 10901))],
                          "is_np_shape": ["int", r.randrange(2)]}  # fmt: skip
    elif change == 2:
        node[r.choice(("op", "name", "inputs", "attrs"))] = r.choice((None, 1, [], {}, "x", [[0]], -1))
    elif change == 3:
        graph[r.choice(("nodes", "heads", "attrs"))] = r.choice((None, 1, [], {}, "x", [None]))
    elif change == 4:
        node.pop(r.choice(sorted(node)))
    else:
        node["subgraphs"] = [{key: graph[key] for key in ("nodes", "heads") if key in graph}]
        node["subgraphs"] = json.loads(json.dumps(node["subgraphs"]))
