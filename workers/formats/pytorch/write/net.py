"""The module under construction: variables, statements of ``forward``, submodules and weights.

A writing function asks for its inputs as expressions (``net.x(node, 0)``, ``net.ints(node, 1)``) and gives its result
back (``net.set(node, expression)``, ``net.layer(node, "nn.ReLU")``). Submodules get their final paths only when all are
known; until then an expression holds a token in their place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.integers import Int, Ints, from_constant
from workers.formats.pytorch.write.library import helpers
from workers.formats.pytorch.write.names import TAKEN, components, identifier
from workers.formats.pytorch.write.types import FLOATS, WIDE_UNSIGNED, torch_name
from workers.formats.pytorch.write.weights import Weight, weight_of
from workers.hub.naming import unique
from workers.hub.node import Node, constant_of, shape_of
from workers.hub.provenance import layer_of

TOKEN = re.compile("«([0-9]+)»")
LONGEST_INLINE = 48
HIGHEST_BIT = "-0x8000000000000000"

# ``fc1.weight`` of an ONNX model belongs to a module fc1.
OWNED = frozenset({"weight", "bias", "running_mean", "running_var"})

# Inside a source layer of more than MANY steps a module for each activation would only blow up the module's tree.
MANY = 3
FUNCTIONAL = {
    "nn.CELU": "F.celu", "nn.ELU": "F.elu", "nn.GELU": "F.gelu", "nn.Hardsigmoid": "F.hardsigmoid",
    "nn.Hardswish": "F.hardswish", "nn.LeakyReLU": "F.leaky_relu", "nn.LogSoftmax": "F.log_softmax",
    "nn.Mish": "F.mish", "nn.ReLU": "torch.relu", "nn.ReLU6": "F.relu6", "nn.SELU": "F.selu",
    "nn.Sigmoid": "torch.sigmoid", "nn.Softmax": "torch.softmax", "nn.Softplus": "F.softplus",
    "nn.Softshrink": "F.softshrink", "nn.Softsign": "F.softsign", "nn.Tanh": "torch.tanh",
    "nn.Threshold": "F.threshold",
}  # fmt: skip


@dataclass(slots=True)
class Member:
    """A submodule, parameter or buffer. ``make`` is the right-hand side in ``__init__``; ``state`` its tensors."""

    path: tuple[str, ...]
    word: str
    make: str
    state: dict[str, Weight] = field(default_factory=dict)
    kind: str = "module"
    uses: int = 1


class NetWriter:
    """Collects what ``model.py`` will say. One instance a model; sub-graphs write into the same ``forward``."""

    def __init__(self, graph: ir.Graph, emit: Callable[[NetWriter, Node], None]) -> None:
        self.graph = graph
        self.emit = emit
        self.members: list[Member] = []
        self.statements: list[tuple[int, str]] = []
        self.helpers: set[str] = set()
        # A variable that in-place operators take over is in the end called after the last of its values.
        self.renamed: dict[str, str] = {}
        # Variables of Python integers: they hold no memory.
        self.sizes: set[str] = set()
        self.depth = 0
        # How the present node's operands of wide unsigned types are given: as int64, with the highest bit flipped.
        self.carried = False
        self.flipped = False
        self._taken = set(TAKEN) | set(helpers())
        self._names: dict[ir.Value, str] = {}
        self._ints: dict[ir.Value, Ints] = {}
        self._shared: set[str] = set()
        self._modules: dict[tuple[object, ...], int] = {}
        self._merged: dict[ir.Value, ir.Value] = {}
        self.pads_ahead: dict[ir.Value, tuple[int, ...]] = {}
        self.skipped: set[ir.Node] = set()
        for value in graph.inputs:
            self._names[value] = self.fresh(value.name or "input")
            self._shared.add(self._names[value])

        self._sizes = Counter(layer_of(node) for node in graph.all_nodes())

    # --- names ----------------------------------------------------------------------------------------------------

    def fresh(self, name: str) -> str:
        """A variable that nothing else is called."""
        return unique(identifier(name), self._taken)

    def name_of(self, value: ir.Value) -> str:
        """The variable of ``value``; one is made for a value that has none yet."""
        if value not in self._names:
            self._names[value] = self.fresh(value.name or "x")
        return self._names[value]

    def alias(self, value: ir.Value, expression: str) -> None:
        """``value`` is the same as ``expression``, a variable or member: no statement is needed."""
        self._names[value] = expression
        self._shared.add(expression)

    def alias_of(self, value: ir.Value, other: ir.Value) -> None:
        """``value`` is ``other`` under another name."""
        if other in self._ints:
            self._ints[value] = self._ints[other]
        else:
            self.alias(value, self.plain(other))

    def bind_ints(self, value: ir.Value, ints: Ints) -> None:
        """Carry ``value`` as Python integers; long expressions become variables first."""
        items = []
        for item in ints.items:
            if len(item.text) > LONGEST_INLINE and not item.text.isidentifier():
                name = self.fresh(value.name or "size")
                self.sizes.add(name)
                self.line(f"{name} = {item.text}")
                item = Int(name, item.natural)
            items.append(item)
        self._ints[value] = Ints(tuple(items), ints.scalar, ints.dtype)

    def as_ints(self, value: ir.Value | None) -> Ints | None:
        """``value`` as Python integers if it is carried so, or is a small integer constant."""
        if value is None:
            return None
        array = constant_of(value)
        if array is not None and value.dtype is not None:
            return from_constant(array, value.dtype)
        return self._ints.get(value)

    def is_ints(self, value: ir.Value | None) -> bool:
        """Whether ``value`` was computed as Python integers."""
        return value in self._ints

    # --- inputs as expressions ------------------------------------------------------------------------------------

    def plain(self, value: ir.Value) -> str:
        """``value`` as an expression of a tensor (or list, for a sequence), in its own element type."""
        if value in self._ints:
            ints = self._ints[value]
            dtype = None if ints.dtype is ir.DataType.INT64 else torch_name(ints.dtype)
            if ints.scalar:
                return text.call("torch.tensor", ints.text, dtype=dtype)
            dtype = dtype if ints.items else torch_name(ints.dtype)
            return text.call("torch.tensor", ints.text, dtype=dtype, device=self.device)
        if value in self._names:
            return self._names[value]
        if constant_of(value) is not None:
            return self.weight(value)
        return self.name_of(value)

    def tensor(self, value: ir.Value) -> str:
        """As ``plain``, widened to int64 where PyTorch cannot compute with the unsigned type."""
        plain = self.plain(value)
        if not self.carried or value.dtype not in WIDE_UNSIGNED:
            return plain
        flip = self.flipped and value.dtype is ir.DataType.UINT64
        return f"({plain}.to(torch.int64) ^ {HIGHEST_BIT})" if flip else f"{plain}.to(torch.int64)"

    def x(self, node: Node, index: int = 0) -> str:
        """Input ``index`` as a tensor."""
        return self.tensor(node.x(index))

    def opt(self, node: Node, index: int) -> str | None:
        """Input ``index`` as a tensor, None when it is left out."""
        value = node.input(index)
        return None if value is None else self.tensor(value)

    def scalar(self, value: ir.Value | None, rank: int | None = None) -> str | None:
        """A literal for a constant of one element whose rank does not exceed ``rank``; else None."""
        if value is None:
            return None
        ints = self._ints.get(value)
        if ints is not None and ints.scalar:
            return str(ints.items[0])
        array = constant_of(value)
        if array is None or array.size != 1 or value in self._names:
            return None
        if array.ndim > (0 if rank is None else rank) or (self.flipped and value.dtype is ir.DataType.UINT64):
            return None
        return text.number(array.reshape(())[()])

    def ints(self, node: Node, index: int) -> str:
        """Input ``index`` as a Python list of integers."""
        value = node.x(index)
        known = self.as_ints(value)
        if known is not None:
            return f"[{', '.join(item.text for item in known.items)}]"
        return f"{self.plain(value)}.tolist()"

    def items(self, node: Node, index: int) -> tuple[Int, ...] | None:
        """Input ``index`` as Python integers one by one, None when their number is unknown."""
        value = node.input(index)
        known = self.as_ints(value)
        if known is not None:
            return known.items
        shape = None if value is None else shape_of(value)
        if value is None or shape is None or len(shape) > 1 or (shape and not isinstance(shape[0], int)):
            return None
        if not shape:
            return (Int(f"int({self.plain(value)})"),)
        return tuple(Int(f"int({self.plain(value)}[{i}])") for i in range(int(str(shape[0]))))

    def integer(self, node: Node, index: int) -> str:
        """Input ``index``, one number, as a Python integer."""
        known = self.as_ints(node.input(index))
        return str(known.items[0]) if known is not None else f"int({self.plain(node.x(index))})"

    @property
    def device(self) -> str | None:
        """The expression of the device that the module computes on."""
        for value in self.graph.inputs:
            if isinstance(value.type, ir.TensorType | None):
                return f"{self._names[value]}.device"
        return None

    # --- results --------------------------------------------------------------------------------------------------

    def line(self, statement: str) -> None:
        self.statements.append((self.depth, statement))

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """``head`` and an indented block; an empty one says ``pass``."""
        self.line(head)
        self.depth += 1
        before = len(self.statements)
        yield
        if len(self.statements) == before:
            self.line("pass")
        self.depth -= 1

    def set(self, node: Node, expression: str, index: int = 0) -> None:
        """Assign output ``index``; an only one takes over the variable of the first input where that ends here.

        So ``forward`` lets go of what it has used, and PyTorch computes in memory that is still in the cache.
        """
        value = self._merged.get(node.outputs[index], node.outputs[index])
        expression = self._narrowed(value, expression)
        if len(node.outputs) == 1 and self._ends(node):
            self._names[value] = self._names[node.x(0)]
            self.renamed[self._names[value]] = value.name or ""
        self.line(f"{self.name_of(value)} = {expression}")

    def set_all(self, node: Node, expression: str) -> None:
        """Assign all outputs from an expression that gives a tuple; those that nothing reads go to ``_``."""
        self.line(f"{', '.join(self.target(value) for value in node.outputs)} = {expression}")
        for value in node.outputs:
            name = self.target(value)
            narrowed = self._narrowed(value, name)
            if narrowed != name != "_":
                self.line(f"{name} = {narrowed}")

    def _narrowed(self, value: ir.Value, expression: str) -> str:
        """A result in int64 back in its own unsigned type."""
        if not self.carried or value.dtype not in WIDE_UNSIGNED:
            return expression
        inner = expression if re.fullmatch(r"\w+", expression) else f"({expression})"
        if self.flipped and value.dtype is ir.DataType.UINT64:
            inner = f"({inner} ^ {HIGHEST_BIT})"
        return f"{inner}.to({torch_name(value.dtype)})"

    def merge(self, node: ir.Node, follower: ir.Node) -> None:
        """What is set for ``node`` is already the result of ``follower``, its only reader, which is not written."""
        self._merged[node.outputs[0]] = follower.outputs[0]
        self.skipped.add(follower)

    def target(self, value: ir.Value) -> str:
        """The variable to assign ``value`` to, ``_`` when nothing reads it."""
        return self.name_of(value) if value.uses() or value.is_graph_output() else "_"

    def used(self, node: Node, index: int) -> bool:
        """Whether output ``index`` is there and read by anything."""
        if index >= len(node.outputs):
            return False
        value = node.outputs[index]
        return bool(value.name) and bool(value.uses() or value.is_graph_output())

    def helper(self, name: str) -> str:
        """Have the helper function in the file, and call it by this name."""
        assert name in helpers(), name
        self.helpers.add(name)
        return name

    def _ends(self, node: Node) -> bool:
        """Whether ``node`` is the last to read its first input, so that the variable can be used again."""
        value, output = node.input(0), node.outputs[0]
        if value is None or not all(isinstance(each.type, ir.TensorType) for each in (value, output)):
            return False
        name = self._names.get(value, "")
        producer = value.producer()
        return (
            name.isidentifier()
            and name not in self._shared
            and producer is not None
            and producer.graph is node.raw.graph
            and len(value.uses()) == 1
            and not value.is_graph_output()
            and not output.is_graph_output()
        )

    # --- members --------------------------------------------------------------------------------------------------

    def module(self, node: Node, constructor: str, word: str, state: Mapping[str, Weight] | None = None) -> str:
        """A submodule named after the node's layer; the same weights in the same constructor are one submodule.

        Norms that all start from ones and zeros are not the same: trained further, they part.
        """
        state = dict(state or {})
        dtype = next((_dtype(weight.dtype) for weight in state.values() if weight.dtype in FLOATS), None)
        if dtype is not None:
            constructor = f"{constructor[:-1]}, dtype={dtype})"
        key = (constructor, *((name, weight.key) for name, weight in state.items()))
        if state and key in self._modules and any(weight.telling for weight in state.values()):
            return _token(self._modules[key])
        self.members.append(Member(self.path_of(node, state), word, constructor, state))
        self._modules[key] = len(self.members) - 1
        return _token(len(self.members) - 1)

    def layer(
        self,
        node: Node,
        function: str,
        *arguments: Any,
        word: str = "act",
        state: Mapping[str, Weight] | None = None,
        x: str | None = None,
        **keywords: Any,
    ) -> None:
        """A submodule and its call: ``y = self.conv1(x)``; a plain function call inside a layer of many steps."""
        x = x or self.x(node)
        functional = None if state else FUNCTIONAL.get(function)
        if functional is not None and self._sizes[layer_of(node.raw)] > MANY:
            self.set(node, text.call(functional, x, *arguments, **keywords))
            return
        constructor = text.call(function, *arguments, **keywords)
        self.set(node, f"{self.module(node, constructor, word, state)}({x})")

    def weight(self, value: ir.Value, *, trainable: bool = False, weight: Weight | None = None) -> str:
        """An initialiser that is used by an expression: a parameter where training would change it, else a buffer."""
        if value in self._names:
            return self._names[value]
        weight = weight or weight_of(value)
        path = tuple(part for part in re.split(r"[/.]", value.name or "") if part) or ("weight",)
        kind = "parameter" if trainable and value.dtype in FLOATS else "buffer"
        empty = text.call("torch.empty", weight.shape, dtype=_dtype(weight.dtype))
        self.members.append(Member(path, "weight", empty, {"": weight}, kind))
        self.alias(value, _token(len(self.members) - 1))
        return self._names[value]

    def parameter(self, node: Node, index: int) -> str:
        """Input ``index`` as a tensor that is trained when it is a weight."""
        value = node.x(index)
        if constant_of(value) is not None:
            self.weight(value, trainable=True)
        return self.tensor(value)

    @staticmethod
    def path_of(node: Node, state: Mapping[str, Weight]) -> tuple[str, ...]:
        """Where the node's submodule belongs: its source layer; in an ONNX model, what its weights are named after."""
        if node.layer_type == node.op:
            for weight in state.values():
                owner, _, kind = weight.source.rpartition(".")
                if owner and kind in OWNED:
                    return components(owner, "")
        return components(node.layer, node.op)

    # --- sub-graphs -----------------------------------------------------------------------------------------------

    def nodes(self, graph: ir.Graph) -> None:
        """Write all nodes of a (sub-)graph at the present place."""
        for raw in graph:
            self.emit(self, Node(raw))


def _token(member: int) -> str:
    return f"«{member}»"


def _dtype(dtype: ir.DataType) -> str | None:
    return None if dtype is ir.DataType.FLOAT else torch_name(dtype)
