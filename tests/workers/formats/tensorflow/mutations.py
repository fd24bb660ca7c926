"""How TensorFlow uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what a graph says.

Attributes, inputs, operators, constants and functions of a graph are exchanged; the message stays a sound one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from tests.fuzzing import Files, Seed, mutate_bytes, recorded
from tests.workers.formats.tensorflow import recorded as operators
from workers.errors import ConversionError
from workers.formats.tensorflow.schema import GRAPH, META_GRAPH, SAVED_MODEL
from workers.inspect.protobuf import decode
from workers.inspect.protobuf_write import encode
from workers.inspect.schema import Message

NUMBERS = (0, 1, -1, 2, 3, 5, 64, 1000, -(2**31), 2**31 - 1, 2**40, -(2**63), 2**63 - 1)
KINDS = {".pb": GRAPH, ".meta": META_GRAPH}


def seeds() -> Iterator[Seed]:
    """Sound uploads: all recorded models and every recorded operator."""
    yield from recorded("tensorflow")
    for case in operators.recorded():
        yield {"graph.pb": case.graph}, {"inputs": list(case.inputs), "outputs": list(case.outputs)}


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed."""
    victim = rng.choice(sorted(files))
    kind = SAVED_MODEL if victim.endswith("saved_model.pb") else KINDS.get(victim[victim.rfind(".") :])
    if kind is not None and rng.random() < 0.8:
        try:
            message = decode(files[victim], kind)
            graphs = {"SavedModel": lambda: message.meta_graphs[0].graph_def, "MetaGraphDef": lambda: message.graph_def}
            graph = graphs.get(kind.name, lambda: message)()
            for _ in range(rng.choice((1, 1, 2, 5))):
                rewrite(graph, rng)
            return {**files, victim: encode(message)}
        except (ConversionError, ValueError, OverflowError, KeyError, IndexError, TypeError):
            pass  # a first change left nothing for the second one to change
    return {**files, victim: mutate_bytes(files[victim], rng)}


def rewrite(graph: Message, r: random.Random) -> None:
    """One change in the graph or in one of its functions."""
    functions = graph.library.function
    nodes = r.choice(functions).node_def if functions and r.random() < 0.6 else graph.node
    node = r.choice(nodes or graph.node)
    r.choice((_attribute, _attribute, _number, _input, _operator, _structure))(nodes, node, r)


def _attribute(nodes: list[Message], node: Message, r: random.Random) -> None:
    pairs = list(node.attr)
    others = [pair for other in r.sample(nodes, min(8, len(nodes))) for pair in other.attr]
    if pairs and r.random() < 0.3:
        pairs.remove(r.choice(pairs))
    elif pairs and others and r.random() < 0.6:
        r.choice(pairs).value = r.choice(others).value
    elif others:
        pairs.append(r.choice(others))
    node.attr = pairs


def _number(nodes: list[Message], node: Message, r: random.Random) -> None:
    """A number in an attribute or a constant."""
    for pair in r.sample(list(node.attr), len(node.attr)):
        value = pair.value
        if value.has("i"):
            value.i = r.choice(NUMBERS)
        elif value.has("list") and len(value.list.i):
            numbers = list(value.list.i)
            numbers[r.randrange(len(numbers))] = r.choice(NUMBERS)
            value.list.i = numbers if r.random() < 0.8 else numbers[:-1]
        elif value.has("tensor"):
            _tensor(value.tensor, r)
        elif value.has("shape") and value.shape.dim:
            r.choice(value.shape.dim).size = r.choice(NUMBERS)
        else:
            continue
        return


def _tensor(tensor: Message, r: random.Random) -> None:
    if tensor.tensor_shape.dim and r.random() < 0.4:
        r.choice(tensor.tensor_shape.dim).size = r.choice(NUMBERS)
    elif len(tensor.int_val):
        tensor.int_val = [r.choice(NUMBERS) % 2**31 for _ in tensor.int_val]
    elif tensor.has("tensor_content"):
        content = bytearray(bytes(tensor.tensor_content))
        at = r.randrange(0, max(len(content) - 3, 1), 4)
        content[at : at + 4] = np.array(r.choice(NUMBERS) % 2**32, np.uint32).tobytes()
        tensor.tensor_content = bytes(content)
    else:
        tensor.dtype = r.choice(("DT_INT32", "DT_FLOAT", "DT_INT64", "DT_STRING", "DT_BOOL", "DT_HALF"))


def _input(nodes: list[Message], node: Message, r: random.Random) -> None:
    inputs = list(node.input)
    other = r.choice(nodes)
    if inputs and r.random() < 0.3:
        inputs.remove(r.choice(inputs))
    elif inputs and r.random() < 0.7:
        name = r.choice(list(other.input) or [other.name])
        inputs[r.randrange(len(inputs))] = r.choice(
            (name, other.name, f"{other.name}:{r.choice((0, 1, 7))}", "nothing")
        )
    else:
        inputs.append(other.name)
    node.input = inputs


def _operator(nodes: list[Message], node: Message, r: random.Random) -> None:
    node.op = r.choice(
        (r.choice(nodes).op, "Identity", "Add", "While", "If", "Switch", "Merge", "Enter", "Exit", "Nothing")
    )


def _structure(nodes: list[Message], node: Message, r: random.Random) -> None:
    if r.random() < 0.5 and len(nodes) > 1:
        nodes.remove(node)
    else:
        node.name = r.choice(nodes).name if r.random() < 0.5 else f"{node.name}_x"
