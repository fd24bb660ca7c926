"""How Caffe2 uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what their nets say.

Arguments, blobs, types, shapes and nested nets are exchanged, in valid protocol buffers and texts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.fuzzing import Files, Seed, mutate_bytes, mutate_text, recorded
from tests.workers.formats.caffe2.recorded import small_nets
from workers.errors import ConversionError
from workers.formats.caffe2.file import is_minidb, minidb, read_minidb, read_net, write_net
from workers.formats.caffe2.schema import BLOB
from workers.inspect.protobuf_write import encode
from workers.inspect.schema import Message

INTEGERS = (-(2**63), -(2**31), -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 10, 100, 65536, 2**31 - 1, 2**31, 2**62)
FLOATS = (float("nan"), float("inf"), float("-inf"), -1e30, -1.0, 0.0, 1e-30, 0.5, 1.0, 2.0, 1e30)
TEXTS = (b"", b"NHWC", b"NCHW", b"reflect", b"edge", b"float", b"int32", b"C", b"x", b"\xff\xfe")
WORDS = (b"-1", b"0", b"1", b"2", b"99999999999", b"1e30", b"nan", b'"NHWC"', b'"Conv"', b"op", b"{", b"}", b"i:")
TYPES = (
    "Conv", "Reshape", "Concat", "FC", "Slice", "Split", "Gather", "ATen", "Cast", "Relu", "Softmax", "If", "While",
    "RecurrentNetwork", "GivenTensorFill", "ConstantFill", "Int8Conv", "Squeeze", "Transpose", "TopK", "SpatialBN",
    "ConvGradient", "MaxPool", "Tile", "Expand", "LSTMUnit", "GenerateProposals",
)  # fmt: skip


def seeds() -> Iterator[Seed]:
    """Sound uploads: all recorded models and every small net of one operator."""
    yield from recorded("caffe2")
    for net in small_nets():
        yield net.files(), net.options()


def mutate(files: Files, rng: random.Random) -> Files:
    """One file of the upload changed."""
    victim = rng.choice(sorted(files))
    data = files[victim]
    if victim.endswith(".pbtxt"):
        return {**files, victim: mutate_text(data, rng, WORDS)}
    if rng.random() < 0.25 or not data:
        return {**files, victim: mutate_bytes(data, rng)}
    try:
        changed = _database(data, rng) if is_minidb(data[:4096], len(data)) else _net(data, rng)
    except (ConversionError, IndexError, KeyError, TypeError, ValueError, OverflowError):
        changed = mutate_bytes(data, rng)
    return {**files, victim: changed}


def _net(data: bytes, rng: random.Random) -> bytes:
    net = read_net(data, "")
    for _ in range(rng.choice((1, 1, 2, 5))):
        _change(net, rng)
    return write_net(net)


def _database(data: bytes, rng: random.Random) -> bytes:
    """A predictor with other records: segments, sizes, and what its net says."""
    database = read_minidb(memoryview(data), "")
    records: dict[str, Message] = {}
    for name, blobs in database.blobs.items():
        for place, blob in enumerate(blobs):
            if rng.random() < 0.1:
                blob.tensor[rng.choice(("dims", "data_type", "segment"))] = rng.choice(
                    ([rng.choice(INTEGERS)], rng.choice(("INT32", "STRING", 99)), {"begin": rng.choice(INTEGERS)})
                )
            records[f"{name}#%{place}"] = blob
    if database.meta is not None:
        for entry in database.meta.nets:
            if rng.random() < 0.5:
                _change(entry.value, rng)
        records = {"!!META_NET_DEF": BLOB(name="!", type="std::string", content=encode(database.meta)), **records}
    return minidb(records)


def _change(net: Message, rng: random.Random) -> None:
    op = rng.choice(net.op)
    rng.choice((_argument, _argument, _argument, _blob, _type, _order, _ends))(net, op, rng)


def _argument(net: Message, op: Message, rng: random.Random) -> None:
    args = op.arg
    if not args or rng.random() < 0.15:
        donors = [arg for other in net.op for arg in other.arg]
        if donors:
            args.append(rng.choice(donors))
        return
    arg = rng.choice(args)
    if arg.has("n") and rng.random() < 0.7 and arg.n.op:
        _change(arg.n, rng)
        return
    change = rng.random()
    if change < 0.1:
        args.remove(arg)
    elif change < 0.2:
        arg.name = rng.choice(("axis", "kernel", "shape", "order", "pads", "value", "dtype", "values", "x"))
    else:
        _value(arg, rng)


def _value(arg: Message, rng: random.Random) -> None:
    """Another value, mostly of the same kind."""
    kinds: dict[str, Any] = {
        "i": rng.choice(INTEGERS), "f": rng.choice(FLOATS), "s": rng.choice(TEXTS),
        "ints": [rng.choice(INTEGERS) for _ in range(rng.randrange(5))],
        "floats": np.asarray([rng.choice(FLOATS) for _ in range(rng.randrange(5))], "<f4"),
        "strings": [rng.choice(TEXTS) for _ in range(rng.randrange(3))],
    }  # fmt: skip
    mine = [kind for kind in kinds if arg.has(kind)]
    kind = rng.choice(mine) if mine and rng.random() < 0.85 else rng.choice(sorted(kinds))
    if kind == "ints" and len(arg.ints) and rng.random() < 0.8:
        values = list(arg.ints)
        values[rng.randrange(len(values))] = rng.choice(INTEGERS)
        arg.ints = values
    else:
        arg[kind] = kinds[kind]


def _blob(net: Message, op: Message, rng: random.Random) -> None:
    names = [name for other in net.op for name in (*other.input, *other.output)] or ["x"]
    side = op.input if rng.random() < 0.7 else op.output
    change = rng.random()
    if side and change < 0.5:
        side[rng.randrange(len(side))] = rng.choice(names)
    elif side and change < 0.75:
        side.pop(rng.randrange(len(side)))
    else:
        side.insert(rng.randrange(len(side) + 1), rng.choice((*names, "", "new")))


def _type(net: Message, op: Message, rng: random.Random) -> None:
    op.type = rng.choice((*TYPES, *(str(other.type) for other in net.op)))


def _order(net: Message, op: Message, rng: random.Random) -> None:
    change = rng.randrange(3)
    if change == 0:
        net.op.remove(op)
    elif change == 1:
        net.op.insert(rng.randrange(len(net.op) + 1), op)
    else:
        rng.shuffle(net.op)


def _ends(net: Message, op: Message, rng: random.Random) -> None:
    side = net.external_input if rng.random() < 0.5 else net.external_output
    if side and rng.random() < 0.5:
        side.pop(rng.randrange(len(side)))
    else:
        side.append(rng.choice((*op.input, *op.output, "nothing")))
