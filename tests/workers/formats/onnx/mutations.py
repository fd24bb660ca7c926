"""How ONNX uploads are damaged for ``tests/fuzzing.py``: as bytes, and as what their messages say.

Every one goes all the way, as ONNX's and onnxruntime's own code may end the process: read, normalised, checked, saved
and loaded by onnxruntime, in a process of its own.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, helper

from tests.fuzzing import Files, Seed, mutate_bytes
from tests.workers.formats.onnx.seeds import models
from workers.errors import ConversionError
from workers.formats.contract import ReadRequest
from workers.hub.protos import graphs_of, nodes_of, tensors_of
from workers.inspect.upload import Upload
from workers.options import Options

SECONDS = 20
SIZES = (0, 1, -1, -2, 2, 3, 5, 7, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 1e30, -1e30, float("nan"), float("inf"), float("-inf"), 1e-30)
WORDS = ("", "SAME_UPPER", "SAME_LOWER", "VALID", "linear", "cubic", "nearest", "constant", "reflect", "edge", "wrap",
         "add", "max", "sum", "none", "mean", "forward", "bidirectional", "ij,jk->ik", "...i->i", "i->", ",,->",
         "\u202e", "x" * 5000, "\0", "../../etc/passwd")  # fmt: skip
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview", "ai.onnx.training", "evil.ops", "local")
OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain})
PLACES = ("model.onnx", "weights", "/etc/passwd", "../x", "-1", "0", "9" * 30, str(2**62), "")
WIDTHS: dict[int, int] = {TensorProto.INT64: 8, TensorProto.FLOAT: 4, TensorProto.INT32: 4}
TYPES = [*range(28), 99, -1]


def seeds() -> Iterator[Seed]:
    for proto in models():
        yield {"model.onnx": proto.SerializeToString()}, {}


def outcome(upload: Upload, options: dict[str, Any]) -> str:
    """As ``tests.fuzzing.outcome``, of the whole way to onnxruntime; a process that dies is a fault."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        try:
            said = _way(upload, options)
        except BaseException:
            import traceback

            said = "!" + traceback.format_exc()[-3000:]
        os.write(sending, said.encode(errors="replace")[:60_000])
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status), f"the process died of {signal.Signals(os.WTERMSIG(status)).name}"
    assert not said.startswith("!"), said
    return said


def _way(upload: Upload, options: dict[str, Any]) -> str:
    from workers.formats.onnx.read import read
    from workers.hub.check import check, session
    from workers.hub.normalise import normalise
    from workers.hub.save import save

    try:
        chosen = Options(**options)
        hub, _ = normalise(read(ReadRequest(upload, chosen)).model, chosen)
        path = Path(upload.root) / "hub.onnx"
        save(hub, path)
        check(hub)
        session(path, threads=1)
    except ConversionError as error:
        assert error.detail and str(upload.root) not in error.detail
        return error.type
    return "model"


def mutate(files: Files, rng: random.Random) -> Files:
    """Mostly keeps the messages whole and changes their meaning in one to three places."""
    raw = files["model.onnx"]
    if rng.random() < 0.1:
        return {"model.onnx": mutate_bytes(raw, rng)}
    proto = onnx.ModelProto.FromString(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(CHANGES)(proto, rng)
    return files | {"model.onnx": proto.SerializeToString()}


def _graph(proto: onnx.ModelProto, rng: random.Random) -> GraphProto:
    return proto.graph if rng.random() < 0.6 else rng.choice(list(graphs_of(proto)))


def _names(graph: GraphProto) -> list[str]:
    names = [value.name for value in (*graph.input, *graph.output)] + [tensor.name for tensor in graph.initializer]
    return [*names, *(name for node in graph.node for name in (*node.input, *node.output)), "", "nowhere"]


def _node(proto: onnx.ModelProto, rng: random.Random) -> NodeProto:
    nodes = list(nodes_of(proto))
    return rng.choice(nodes) if nodes else proto.graph.node.add()


def wiring(proto: onnx.ModelProto, rng: random.Random) -> None:
    """An input or output of a node, or an output of a graph, is another value: cycles, doubles, gaps."""
    graph, node = _graph(proto, rng), _node(proto, rng)
    name = rng.choice(_names(graph))
    kind = rng.randrange(6)
    ends = node.input if kind < 3 else node.output
    if kind == 5 and graph.output:
        rng.choice(graph.output).name = name
    elif ends and rng.random() < 0.7:
        ends[rng.randrange(len(ends))] = name
    elif ends and rng.random() < 0.4:
        del ends[rng.randrange(len(ends))]
    else:
        ends.extend([name] * rng.choice((1, 1, 1, 3, 300)))


def attribute(proto: onnx.ModelProto, rng: random.Random) -> None:
    """Another value, another type, no such attribute, or one that refers to a function's."""
    node = _node(proto, rng)
    schema = _schema(node)
    known = [*schema.attributes] if schema else ["axis"]
    if node.attribute and rng.random() < 0.6:
        entry = rng.choice(node.attribute)
        if rng.random() < 0.2:
            node.attribute.remove(entry)
            return
    else:
        entry = node.attribute.add(name=rng.choice(known or ["axis"]), type=rng.choice((1, 2, 3, 6, 7)))
        if schema and entry.name in schema.attributes and rng.random() < 0.8:
            entry.type = schema.attributes[entry.name].type.value
    _revalue(entry, rng)


def _schema(node: NodeProto) -> Any:
    domain = "" if node.domain == "ai.onnx" else node.domain
    return onnx.defs.get_schema(node.op_type, domain=domain) if onnx.defs.has(node.op_type, domain) else None


def _revalue(entry: AttributeProto, rng: random.Random) -> None:
    if rng.random() < 0.1:
        entry.type = rng.choice(AttributeProto.AttributeType.values())
    elif rng.random() < 0.05:
        entry.ref_attr_name = rng.choice(("axis", "alpha", entry.name))
    elif entry.type == AttributeProto.INT:
        entry.i = rng.choice(SIZES)
    elif entry.type == AttributeProto.FLOAT:
        entry.f = rng.choice(FLOATS)
    elif entry.type == AttributeProto.STRING:
        entry.s = rng.choice((rng.choice(WORDS).encode(), rng.randbytes(4)))
    elif entry.type == AttributeProto.INTS:
        _relist(entry.ints, SIZES, rng)
    elif entry.type == AttributeProto.FLOATS:
        _relist(entry.floats, FLOATS, rng)
    elif entry.type == AttributeProto.STRINGS:
        _relist(entry.strings, [word.encode() for word in WORDS], rng)
    elif entry.type == AttributeProto.TENSOR:
        _retensor(entry.t, rng)


def _relist(items: Any, values: Any, rng: random.Random) -> None:
    if items and rng.random() < 0.6:
        items[rng.randrange(len(items))] = rng.choice(values)
    elif items and rng.random() < 0.4:
        del items[rng.randrange(len(items)) :]
    else:
        items.extend(rng.choice(values) for _ in range(rng.choice((1, 1, 2, 5, 40))))


def tensor(proto: onnx.ModelProto, rng: random.Random) -> None:
    tensors = list(tensors_of(proto))
    if tensors:
        _retensor(rng.choice(tensors), rng)


def _retensor(entry: TensorProto, rng: random.Random) -> None:
    """Sizes, type, the bytes' number, their place, or the values."""
    kind = rng.randrange(8)
    if kind == 0:
        _relist(entry.dims, SIZES, rng)
    elif kind == 1:
        entry.data_type = rng.choice(TYPES)
    elif kind == 2:
        entry.raw_data = entry.raw_data[: rng.randrange(max(1, len(entry.raw_data)))] + rng.randbytes(rng.randrange(9))
    elif kind == 3:
        entry.ClearField("raw_data")
        entry.data_location = TensorProto.EXTERNAL
        for key in rng.sample(("location", "offset", "length", "checksum", "location"), rng.randrange(1, 5)):
            entry.external_data.add(key=key, value=rng.choice(PLACES))
    elif kind == 4:
        entry.name = rng.choice(("", "x", "y", "w", "\0"))
    elif kind == 5:
        entry.int64_data.extend(rng.choice(SIZES) for _ in range(3))
    elif entry.raw_data:
        _renumber(entry, rng)
    elif entry.int64_data:
        entry.int64_data[rng.randrange(len(entry.int64_data))] = rng.choice(SIZES)


def _renumber(entry: TensorProto, rng: random.Random) -> None:
    size = WIDTHS.get(entry.data_type, 1)
    data = bytearray(entry.raw_data)
    for _ in range(rng.choice((1, 1, 4))):
        at = rng.randrange(max(1, len(data) // size)) * size
        data[at : at + size] = (rng.choice(SIZES) % 256**size).to_bytes(size, "little")[: len(data) - at]
    entry.raw_data = bytes(data)


def value(proto: onnx.ModelProto, rng: random.Random) -> None:
    """Types and sizes of what goes in, comes out, or stands in between."""
    graph = _graph(proto, rng)
    infos = [*graph.input, *graph.input, *graph.output, *graph.value_info]
    if not infos or rng.random() < 0.1:
        graph.value_info.add(name=rng.choice(_names(graph)))
        infos = list(graph.value_info)
    info = rng.choice(infos)
    kind = rng.randrange(8)
    if kind == 0:
        _rename(info, graph, rng)
    elif kind == 1:
        info.type.Clear()
    elif kind == 2:
        inner = helper.make_tensor_type_proto(rng.choice(TYPES), rng.choice((None, [], [2, 3])))
        info.type.CopyFrom(rng.choice((helper.make_sequence_type_proto, helper.make_optional_type_proto))(inner))
    elif kind == 3:
        info.type.tensor_type.elem_type = rng.choice(TYPES)
    elif kind == 4 and info.type.HasField("tensor_type"):
        info.type.tensor_type.ClearField("shape")
    else:
        dims = info.type.tensor_type.shape.dim
        if dims and rng.random() < 0.8:
            dim = rng.choice(dims)
            dim.Clear()
        else:
            dim = dims.add()
        if rng.random() < 0.8:
            dim.dim_value = rng.choice(SIZES)
        elif rng.random() < 0.7:
            dim.dim_param = rng.choice(("n", "batch", "", "-1", "\0", "n" * 3000))


def _rename(info: ValueInfoProto, graph: GraphProto, rng: random.Random) -> None:
    info.name = rng.choice(_names(graph))


def operator(proto: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(proto, rng)
    if rng.random() < 0.6:
        node.op_type = rng.choice(OPERATORS)
    elif rng.random() < 0.5:
        node.op_type = rng.choice([function.name for function in proto.functions] or ["", "Magic"])
        node.domain = "local"
    else:
        node.domain = rng.choice(DOMAINS)


def order(proto: onnx.ModelProto, rng: random.Random) -> None:
    """Nodes doubled, dropped, moved; a graph inside itself."""
    graph = _graph(proto, rng)
    if not graph.node:
        return
    kind, at = rng.randrange(4), rng.randrange(len(graph.node))
    copy = NodeProto()
    copy.CopyFrom(graph.node[at])
    if kind == 0:
        del graph.node[at]
    elif kind == 1:
        graph.node.add().CopyFrom(copy)
    elif kind == 2:
        del graph.node[at]
        graph.node.insert(rng.randrange(len(graph.node) + 1), copy)
    else:
        inner = GraphProto()
        inner.CopyFrom(graph)
        name = rng.choice(("body", "then_branch", "else_branch"))
        graph.node[at].attribute.add(name=name, type=AttributeProto.GRAPH).g.CopyFrom(inner)


def versions(proto: onnx.ModelProto, rng: random.Random) -> None:
    kind = rng.randrange(5)
    if kind == 0:
        proto.ir_version = rng.choice((1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 99, 2**40))
    elif kind == 1 and proto.opset_import:
        rng.choice(proto.opset_import).version = rng.choice((0, -1, *range(1, 30), 2**40))
    elif kind == 2:
        del proto.opset_import[:]
    elif kind == 3:
        proto.opset_import.add(domain=rng.choice(DOMAINS), version=rng.choice((1, 7, 21, 25)))
    elif proto.opset_import:
        rng.choice(proto.opset_import).domain = rng.choice(DOMAINS)


def function(proto: onnx.ModelProto, rng: random.Random) -> None:
    """Functions that call themselves or each other, lack inputs or opsets, or stand there twice."""
    if not proto.functions:
        made = helper.make_function("local", "Own", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [])
        proto.functions.append(made)
        proto.opset_import.add(domain="local", version=1)
    entry = rng.choice(proto.functions)
    kind = rng.randrange(7)
    if kind == 0:
        caller = rng.choice(proto.functions)
        caller.node.append(helper.make_node(entry.name, list(entry.input), ["own"], domain=entry.domain))
    elif kind == 1:
        del entry.opset_import[:]
    elif kind == 2:
        proto.functions.add().CopyFrom(entry)
    elif kind == 3:
        _relist(entry.input, ("a", "b", "", "x"), rng)
    elif kind == 4:
        _relist(entry.output, ("a", "b", "", "nowhere"), rng)
    elif kind == 5:
        entry.name, entry.domain = rng.choice((("Relu", ""), ("Own", ""), ("", ""), ("Conv", "ai.onnx")))
    else:
        entry.attribute.extend(["axis", "axis"])


def sparse(proto: onnx.ModelProto, rng: random.Random) -> None:
    """A stored tensor becomes a sparse one."""
    graph = _graph(proto, rng)
    if not graph.initializer:
        return
    entry = graph.sparse_initializer.add(dims=[rng.choice(SIZES) for _ in range(rng.randrange(3))])
    entry.values.CopyFrom(rng.choice(graph.initializer))
    entry.indices.CopyFrom(helper.make_tensor("i", TensorProto.INT64, [2], [rng.choice(SIZES), rng.choice(SIZES)]))
    if rng.random() < 0.7:
        graph.initializer.remove(next(t for t in graph.initializer if t.name == entry.values.name))


Change = Callable[[onnx.ModelProto, random.Random], None]
CHANGES: tuple[Change, ...] = (
    wiring, wiring, attribute, attribute, attribute, tensor, tensor, value, value, value, operator, operator, order,
    versions, function, sparse,
)  # fmt: skip
