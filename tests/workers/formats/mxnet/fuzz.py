"""Damages MXNet files and reads them: python -m tests.workers.formats.mxnet.fuzz [COUNT [SEED]].

Every run must end in a model or in one of the product's own errors, in time. Files are damaged as bytes (bits flipped,
pieces cut, doubled, moved) and as what they say (attributes, inputs, operators and numbers of a symbol exchanged).
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.workers.formats.cases import cases
from tests.workers.formats.mxnet.recorded import graphs
from workers.errors import ConversionError
from workers.formats.contract import ReadRequest
from workers.formats.mxnet.read import read
from workers.inspect.upload import Upload
from workers.options import Options

SECONDS, MEMORY = 20.0, 6 << 30
Files = dict[str, bytes]
WORDS = (
    "", "None", "True", "0", "1", "-1", "2", "-3", "7", "1e30", "-1e30", "nan", "inf", "(1, 1)", "(0, 0)", "(-1, -1)",
    "(3,)", "()", "[", "(1, 1, 1, 1, 1)", "99999999999", "9223372036854775807", "-9223372036854775808", "(2147483648,)",
    "0x10", "float16", "int32", "bool", "valid", "full", "same", "max", "lstm", "relu", "NHWC", "corner", "wrap",
)  # fmt: skip
NUMBERS = (-1, 0, 1, 2, 3, 255, 65535, 2**31, 2**63, 2**70)


def seeds() -> Iterator[tuple[Files, dict[str, Any]]]:
    """Sound uploads: all recorded models and every small graph of one operator."""
    for case in cases("mxnet"):
        yield {path.name: path.read_bytes() for path in case.files}, case.facts["options"]
    for graph in graphs():
        shapes = {key: list(array.shape) for key, array in next(graph.samples()).inputs.items()}
        with tempfile.TemporaryDirectory() as folder:
            files = graph.request(Path(folder)).upload.files
            yield {file.name: file.path.read_bytes() for file in files}, {"input_shapes": shapes}


# --- damage ----------------------------------------------------------------------------------------------------------


def flip(data: bytes, r: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 8))):
        place = r.randrange(min(len(data), 4096) if r.random() < 0.5 else len(data))
        damaged[place] = r.choice((damaged[place] ^ (1 << r.randrange(8)), 0, 255, r.randrange(256)))
    return bytes(damaged)


def cut(data: bytes, r: random.Random) -> bytes:
    return data[: r.randrange(len(data))]


def drop(data: bytes, r: random.Random) -> bytes:
    place = r.randrange(len(data))
    return data[:place] + data[place + r.choice((1, 4, 8, 100)) :]


def double(data: bytes, r: random.Random) -> bytes:
    place, size = r.randrange(len(data)), r.choice((1, 8, 64, 4096))
    return data[:place] + data[place : place + size] * r.choice((2, 3, 50)) + data[place + size :]


def integer(data: bytes, r: random.Random) -> bytes:
    """A length or a size in the head of a binary becomes another."""
    place = 8 * r.randrange(max(min(len(data), 512) // 8, 1))
    return data[:place] + (r.choice(NUMBERS) % 2**64).to_bytes(8, "little") + data[place + 8 :]


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, cut, drop, double, integer)


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


def damaged(files: Files, r: random.Random) -> Files:
    name = r.choice(sorted(files))
    data = files[name]
    if name.endswith(".json") and r.random() < 0.75:
        try:
            return {**files, name: rewrite(data, r)}
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return {**files, name: flip(data, r)}  # a first change left nothing for the second one to change
    return {**files, name: r.choice(BYTES)(data, r)}


# --- runs ------------------------------------------------------------------------------------------------------------


def outcome(files: Files, options: dict[str, Any], folder: Path) -> str:
    """``model``, or the type of the error; any other exception goes through."""
    paths = []
    for name, data in files.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    try:
        read(ReadRequest(Upload.of(*paths), Options(**options)))
    except ConversionError as error:
        assert error.detail and str(folder) not in error.detail
        return error.type
    return "model"


def run(count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Outcomes by their type, and what must not have happened, each with the seed that repeats it."""
    sound = list(seeds())
    seen: Counter[str] = Counter()
    wrong = []
    for index in range(seed, seed + count):
        r = random.Random(index)
        files, options = r.choice(sound)
        start = time.monotonic()
        try:
            seen[outcome(damaged(files, r), options, folder)] += 1
        except Exception:
            wrong.append(f"seed {index}: {traceback.format_exc().strip()}")
        if time.monotonic() - start > SECONDS:
            wrong.append(f"seed {index}: took {time.monotonic() - start:.1f} seconds")
    return seen, wrong


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    arguments = [*sys.argv[1:], *("10000", "0")[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory() as place:
        outcomes, faults = run(int(arguments[0]), int(arguments[1]), Path(place))
    print(dict(outcomes), f"{len(faults)} faults", *faults[:50], sep="\n")
    sys.exit(bool(faults))
