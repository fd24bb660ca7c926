"""One pass over a network: every module is run on what flows into it, as Torch's ``forward`` would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
import onnx_ir as ir

from workers.errors import LimitExceeded, Unsupported, UnsupportedLayer
from workers.formats.contract import Progress
from workers.formats.torch7.objects import Object
from workers.formats.torch7.read.layer import I64, Layer, Scope, Value, flows
from workers.formats.torch7.read.memory import Data, Missing, Put, Ref, Take, View, is_missing
from workers.hub.graph import GraphBuilder

DEPTH, NODES = 120, 200_000
# Operators that hand on their first input's elements: an input that becomes an index through them is of integers.
_MOVES = frozenset({"Reshape", "Transpose", "Slice", "Gather", "Squeeze", "Unsqueeze", "Concat", "Split", "Identity",
                    "Expand", "Tile"})  # fmt: skip


class IsIndex(Exception):
    """A graph input turned out to hold indices: it must be of integers from the start."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(*names)
        self.names = tuple(names)


class Run:
    """The state of one pass. ``indices``: names of the inputs whose element type the user did not give."""

    def __init__(self, scope: Scope, progress: Progress, open_types: frozenset[str] = frozenset()) -> None:
        self.g = GraphBuilder("torch7")
        self.scope = scope
        self.refused: list[Unsupported] = []
        self.open_types = open_types
        self.pools: dict[int, tuple[Value, Value]] = {}
        self.unpooled: frozenset[int] = frozenset()
        self.states: dict[int, list[Data]] = {}
        self._progress, self._watching = progress, False
        self._depth = 0

    def watch(self, names: Sequence[str]) -> Iterator[str]:
        """The names one after the other, told to who watches: only those of the outermost container with several."""
        tell = not self._watching and len(names) > 1
        self._watching = self._watching or tell
        for count, name in enumerate(names):
            if tell:
                self._progress(count, len(names), name)
            yield name

    def finish(self, name: str) -> None:
        """A network of one module has one step."""
        if not self._watching:
            self._progress(0, 1, name)

    def module(self, module: Object, data: Data, name: str) -> Data:
        """What a module makes of ``data``. Modules that cannot be read are collected; below them nothing is."""
        if is_missing(data):
            return Missing()
        rule = flows.find(module.class_name, name)
        if rule is None:
            self.refuse(Unsupported(name, module.class_name, flows.why_not(module.class_name)))
            return Missing()
        self._bound(name)
        layer = Layer(module, name, self.scope)
        self._depth += 1
        try:
            with self.g.layer(name, module.class_name):
                return rule(self, layer, data)
        except UnsupportedLayer as error:
            self.refuse(error.item)
            return Missing()
        except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
            raise layer.malformed(f"its input does not fit it: {_plain(error)}") from error
        finally:
            self._depth -= 1

    def refuse(self, item: Unsupported) -> None:
        if item not in self.refused:
            self.refused.append(item)

    def _bound(self, name: str) -> None:
        if self._depth >= DEPTH:
            raise LimitExceeded(
                "depth", f"modules of {self.scope.file!r} are nested more than {DEPTH} deep", limit=DEPTH,
                file=self.scope.file, layer=name,
            )  # fmt: skip
        if len(self.g.made) > NODES:
            raise LimitExceeded(
                "nodes", f"{self.scope.file!r} makes more than {NODES:,} nodes", limit=NODES, file=self.scope.file,
                layer=name, hint="Recurrent layers are unrolled: give a shorter sequence in 'input_shapes'.",
            )  # fmt: skip

    # --- memory -------------------------------------------------------------------------------------------------------

    def view(self, layer: Layer, base: Ref, take: Take, put: Put) -> Ref:
        """A view whose later readings and writings belong to ``layer``."""

        def taken(x: Value) -> Value:
            with self.g.layer(layer.name, layer.type):
                return take(x)

        def written(x: Value, new: Value) -> Value:
            with self.g.layer(layer.name, layer.type):
                return put(x, new)

        return View(base, taken, written)

    def same_elements(self, layer: Layer, base: Ref, take: Take) -> Ref:
        """A view that has all elements of its base in their order, in another shape."""
        shape = layer.shape(base.read())
        return self.view(layer, base, take, lambda _, new: layer.reshape(self.g, new, shape))

    # --- indices ------------------------------------------------------------------------------------------------------

    def index(self, x: Value, base: int = 1) -> Value:
        """Lua's indices, which count from ``base``, as int64 from 0 on; inputs may count from 0 if the user says so."""
        sources = list(_sources(x))
        if x.dtype != I64:
            wanted = [str(value.name) for value in sources if str(value.name) in self.open_types]
            if wanted:
                raise IsIndex(wanted)
            x = self.g.Cast(x, to=int(I64))
        if base == 0 or (sources and not self.scope.one_based):
            return x
        return self.g.Sub(x, base)


def _sources(x: Value) -> Iterator[Value]:
    """The graph inputs whose very elements ``x`` holds."""
    seen: set[Value] = set()
    waiting = [x]
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        node = value.producer()
        if value.is_graph_input():
            yield value
        elif node is not None and node.op_type in _MOVES:
            count = len(node.inputs) if node.op_type == "Concat" else 1
            waiting += [item for item in node.inputs[:count] if item is not None]
        elif node is not None and node.op_type == "Cast":
            waiting += [item for item in node.inputs if item is not None]


def _plain(error: Exception) -> str:
    """The inference error without the node dump in front of it."""
    return str(error).strip().splitlines()[-1][:300]


def outputs(data: Data) -> list[Value]:
    """The tensors in a result, tables opened depth first."""
    if isinstance(data, list):
        return [value for item in data for value in outputs(item)]
    return [data.read()] if isinstance(data, Ref) else []


def prune(graph: ir.Graph) -> None:
    """Drop the initialisers that nothing uses."""
    used = {value for node in graph.all_nodes() for value in node.inputs}
    for name, value in list(graph.initializers.items()):
        if value not in used and not value.is_graph_output():
            del graph.initializers[name]
