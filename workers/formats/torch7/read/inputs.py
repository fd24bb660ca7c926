"""What a network takes: how many tensors in which tables, of which shapes and element types; no file says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.formats.torch7.objects import Object, Table
from workers.formats.torch7.read.container import WRAPPERS
from workers.formats.torch7.read.derive import derived, example
from workers.formats.torch7.read.graph import input_count, producers
from workers.formats.torch7.read.layer import F32, I64
from workers.formats.torch7.read.memory import Data, Ref
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim
from workers.options import Options

# One tensor; a table of so many structures; a table of as many tensors as the user gives shapes.
Structure: TypeAlias = "str | list[Structure] | None"
OPEN = "table"
DEPTH = 60
DTYPES = {
    "float32": F32, "int64": I64, "int32": ir.DataType.INT32, "float64": ir.DataType.DOUBLE,
    "float16": ir.DataType.FLOAT16, "uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8,
}  # fmt: skip
CHAINS = frozenset({"nn.Sequential", *WRAPPERS})
BRANCHES = frozenset({"nn.ConcatTable", "nn.Concat", "nn.DepthConcat"})
PAIRS = frozenset({"nn.MM", "nn.MV", "nn.DotProduct", "nn.CosineDistance", "nn.PairwiseDistance", "nn.Bilinear",
                   "nn.Index", "nn.CSubTable", "nn.CDivTable"})  # fmt: skip
TABLES = frozenset({"nn.CAddTable", "nn.CMulTable", "nn.CMaxTable", "nn.CMinTable", "nn.JoinTable", "nn.FlattenTable",
                    "nn.MapTable", "nn.ReverseTable", "nn.ZipTable", "nn.BiSequencer", "nn.Sequencer"})  # fmt: skip
LEADS = frozenset({"nn.MixtureTable", "nn.CAddTensorTable", "nn.ZipTableOneToMany"})
PASSES = frozenset({"nn.Identity", "nn.Dropout", "nn.Copy", "nn.Contiguous", "nn.LookupTable", "nn.ReLU",
                    "nn.LookupTableMaskZero", "nn.Linear"})  # fmt: skip
TIME_FIRST = frozenset({"nn.SeqLSTM", "nn.SeqLSTMP", "nn.SeqGRU", "nn.SeqBRNN", "nn.Sequencer", "cudnn.RNN",
                        "cudnn.LSTM", "cudnn.GRU", "cudnn.RNNTanh", "cudnn.RNNReLU", "cudnn.BLSTM",
                        "cudnn.BGRU"})  # fmt: skip


def modules_of(module: Object) -> list[Object]:
    table = module.get("modules")
    found = [item for item in table.items() if isinstance(item, Object)] if isinstance(table, Table) else []
    inner = module.get("module")
    return found or ([inner] if isinstance(inner, Object) else [])


def structure(module: Object, depth: int = 0) -> Structure:
    """What flows into a module, told by the first ones in it."""
    if depth > DEPTH:
        return None
    kind, inner = module.class_name, modules_of(module)
    if kind in CHAINS and inner:
        return structure(next((item for item in inner if item.class_name not in ("nn.Identity",)), inner[0]), depth + 1)
    if kind in BRANCHES:
        return _merged([structure(item, depth + 1) for item in inner])
    if kind == "nn.ParallelTable":
        return [structure(item, depth + 1) for item in inner]
    if kind == "nn.gModule":
        return _graph(module)
    if kind == "nn.SelectTable":
        index = module.get("index")
        return [None] * index if isinstance(index, int) and 0 < index < 256 else OPEN
    if kind in PAIRS:
        return [None, None]
    if kind in LEADS:
        return [None, OPEN]
    return OPEN if kind in TABLES or kind == "nn.NarrowTable" else None


def _merged(found: Sequence[Structure]) -> Structure:
    """All branches get the same: the longest table wins."""
    lists = [item for item in found if isinstance(item, list)]
    if lists:
        if OPEN in found:
            return OPEN
        count = max(map(len, lists))
        return [_merged([item[place] for item in lists if place < len(item)]) for place in range(count)]
    return OPEN if OPEN in found else None


def _graph(module: Object) -> Structure:
    count = input_count(module)
    nodes = module.get("forwardnodes")
    tables = (
        [node.get("data") for node in nodes.items() if isinstance(node, Object)] if isinstance(nodes, Table) else []
    )
    known = [table for table in tables if isinstance(table, Table)]
    start = module.get("innode")
    first = start.get("data") if isinstance(start, Object) else None
    if not isinstance(first, Table):
        return None
    if count == 1:
        heads = [table for table in known if producers(table)[:1] == [first] and table.get("selectindex") is None]
        return _split(known, heads[0] if heads else first)
    result: list[Structure] = []
    for place in range(1, count + 1):
        heads = [t for t in known if producers(t)[:1] == [first] and t.get("selectindex") == place]
        result.append(_split(known, heads[0]) if heads else None)
    return result


def _split(known: Sequence[Table], node: Table) -> Structure:
    """A node whose value others select from holds a table."""
    picks = [t.get("selectindex") for t in known if producers(t) == [node] and isinstance(t.get("selectindex"), int)]
    if (picks and node.get("module") is None) or (picks and _is_identity(node)):
        return [None] * min(max(picks), 256)
    return None


def _is_identity(node: Table) -> bool:
    module = node.get("module")
    return isinstance(module, Object) and module.class_name == "nn.Identity"


# --- names, shapes, types -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inputs:
    """``form`` of the input with one None a tensor; names, shapes and element types in depth-first order."""

    form: Structure
    names: list[str]
    shapes: list[list[Dim]]
    dtypes: list[ir.DataType]
    derived: str = ""
    typed: frozenset[str] = frozenset()


def _leaves(form: Structure) -> int:
    return sum(map(_leaves, form)) if isinstance(form, list) else 1


def _settled(form: Structure, given: int) -> Structure:
    """Open tables as long as the user's shapes say."""
    if form == OPEN:
        return [None] * given if given > 1 else None
    if isinstance(form, list):
        rest = given - sum(_leaves(item) for item in form if item != OPEN)
        return [_settled(item, rest) if item is not None else None for item in form]
    return [None] * given if given > 1 else None


def inputs(module: Object, options: Options) -> Inputs:
    """The network's inputs, called input_0, input_1, ...

    Raises InvalidOptions for shapes of inputs that do not exist, or that stand nowhere and cannot be told.
    """
    form = _settled(structure(module), len(options.input_shapes))
    names = [f"input_{index}" for index in range(_leaves(form))]
    for option, keys in (("input_shapes", options.input_shapes), ("input_dtypes", options.input_dtypes)):
        unknown = sorted(set(keys) - set(names))
        if unknown:
            raise InvalidOptions(
                f"the option {option!r} names {', '.join(map(repr, unknown))}, which is no input of the network",
                hint=f"Inputs: {', '.join(names)}.",
            )
    shapes, words = _shapes(module, names, options)
    dtypes = [_dtype(name, options.input_dtypes.get(name, "float32")) for name in names]
    return Inputs(form, names, shapes, dtypes, words, frozenset(options.input_dtypes))


def _dtype(name: str, word: str) -> ir.DataType:
    if word not in DTYPES:
        raise InvalidOptions(
            f"the option 'input_dtypes' gives {name!r} the type {word!r}", input=name,
            hint=f"Types: {', '.join(DTYPES)}.",
        )  # fmt: skip
    return DTYPES[word]


def _shapes(module: Object, names: Sequence[str], options: Options) -> tuple[list[list[Dim]], str]:
    """Given by the user, else derived from what the modules hold; the words say from what."""
    missing = [name for name in names if name not in options.input_shapes]
    if not missing:
        return [_named(name, options.input_shapes[name]) for name in names], ""
    found = derived(module) if len(names) == 1 else None
    if found is not None:
        return [[*found.shape]], found.words
    subject = "the shape of input" if len(missing) == 1 else "the shapes of inputs"
    stands = "stands" if len(missing) == 1 else "stand"
    shape = example(module) if len(names) == 1 else "1,..."
    raise InvalidOptions(
        f"{subject} {', '.join(map(repr, missing))} {stands} in no file: Torch7 saves none", input=missing[0],
        hint=f"Give it in the option 'input_shapes', e.g. {missing[0]}={shape}.",
    )  # fmt: skip


def _named(name: str, shape: Sequence[Dim]) -> list[Dim]:
    """Every free axis under a name; the first axis of all inputs is the batch."""
    return [("batch" if axis == 0 else f"{name}_{axis}") if size is None else size for axis, size in enumerate(shape)]


def freed(module: Object, given: Inputs, options: Options) -> list[list[Dim]]:
    """The shapes with the batch axis free, unless the user named axes or wants none: axis 1 where axis 0 is time."""
    if not options.dynamic_batch or any(not isinstance(size, int) for shape in given.shapes for size in shape):
        return given.shapes
    time_first = _time_first(module)
    batch: Dim = None
    result = []
    for shape in given.shapes:
        axis = 1 if time_first and len(shape) > 1 else 0
        if not shape:
            result.append(shape)
            continue
        batch = shape[axis] if batch is None else batch
        result.append([*shape[:axis], "batch", *shape[axis + 1 :]] if shape[axis] == batch else shape)
    return result


def _time_first(module: Object, depth: int = 0) -> bool:
    """Whether the input reaches, as it is, a recurrent layer that wants [time, batch, ...], or is split into steps."""
    if depth > DEPTH:
        return False
    for item in modules_of(module) if module.class_name in CHAINS else [module]:
        if item.class_name in CHAINS:
            return _time_first(item, depth + 1)
        if item.class_name == "nn.SplitTable":
            return item.get("dimension") == 1 and item.get("nInputDims") is None
        if item.class_name not in PASSES:
            first = item.get("batchfirst") or item.get("batchFirst")
            return item.class_name in TIME_FIRST and not first
    return False


def add(g: GraphBuilder, given: Inputs, shapes: Sequence[Sequence[Dim]], integers: frozenset[str]) -> Data:
    """The graph's inputs as the data that flows into the network."""
    waiting = list(zip(given.names, shapes, given.dtypes, strict=True))[::-1]

    def take(form: Structure) -> Data:
        if isinstance(form, list):
            return [take(item) for item in form]
        name, shape, dtype = waiting.pop()
        return Ref(g.input(name, shape, I64 if name in integers else dtype))

    return take(given.form)
