"""The graph builder: readers and legalisation rules make ONNX nodes through it, one call an operator.

``g.Conv(x, w, b, strides=[2, 2])`` adds a node and returns its output with type and shape inferred at once, so that a
reading function can ask ``g.shape(x)``. Every node made inside ``with g.layer(name, type)`` carries that source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.hub import IR_VERSION, OPSET, provenance
from workers.hub.infer import infer
from workers.hub.naming import unique
from workers.hub.node import Dim, constant_of, shape_of

BUILT = "workers.hub.built"
"""Marks a model in memory whose every node was inferred as it was made."""

Value = ir.Value
Array = npt.NDArray[Any]
Operand = Value | Array | Sequence[int] | Sequence[float] | int | float | None


class GraphBuilder:
    """Builds one graph, or (``before=``) inserts nodes into an existing one in front of a given node."""

    def __init__(self, name: str = "model", *, graph: ir.Graph | None = None, before: ir.Node | None = None) -> None:
        self.graph = graph if graph is not None else ir.Graph([], [], nodes=[], opset_imports={"": OPSET}, name=name)
        self.before = before
        self.made: list[ir.Node] = []
        self._source: tuple[str, str] = ("", "")
        self._values: set[str] = set()
        self._nodes: set[str] = set()
        self._constants: dict[tuple[Any, ...], Value] = {}
        if graph is not None:
            self._values, self._nodes = _names_in(graph)

    def ahead_of(self, node: ir.Node) -> GraphBuilder:
        """A builder of the same graph that inserts in front of ``node``; both keep each other's names unique."""
        other = GraphBuilder.__new__(GraphBuilder)
        other.graph, other.before, other.made = self.graph, node, []
        other._source, other._constants = ("", ""), {}
        other._values, other._nodes = self._values, self._nodes
        return other

    def inner(self, name: str) -> GraphBuilder:
        """A builder for a sub-graph of one of this graph's nodes; both keep each other's names unique."""
        other = GraphBuilder(name)
        other._source, other._values, other._nodes = self._source, self._values, self._nodes
        return other

    # --- what goes in and comes out -------------------------------------------------------------------------------

    def input(self, name: str, shape: Sequence[Dim], dtype: ir.DataType = ir.DataType.FLOAT) -> Value:
        """A graph input; a string or None in ``shape`` is a free axis."""
        value = ir.Value(name=self._value_name(name), shape=ir.Shape(shape), type=ir.TensorType(dtype))
        self.graph.inputs.append(value)
        return value

    def output(self, value: Value, name: str | None = None) -> None:
        """Make ``value`` a graph output called ``name``; a value that is an input or already an output gets a copy."""
        if value.is_graph_input() or value.is_graph_output() or value.is_initializer():
            value = self.op("Identity", value)
        if name is not None and value.name != name:
            self._give_way(name)
            value.name = self._value_name(name)
        self.graph.outputs.append(value)

    def model(self, producer: str = "onnxhub", metadata: Mapping[str, str] | None = None) -> ir.Model:
        """The finished model, not yet in normal form."""
        model = ir.Model(self.graph, ir_version=IR_VERSION, producer_name=producer, metadata_props=dict(metadata or {}))
        model.meta[BUILT] = True
        return model

    # --- constants ------------------------------------------------------------------------------------------------

    def weight(self, name: str, array: Array | ir.LazyTensor | ir.StringTensor) -> Value:
        """An initialiser that keeps ``array`` as it is: a view on a mapped file is not copied, a lazy one not made."""
        unique = self._value_name(name)
        tensor: ir.TensorProtocol = ir.Tensor(array, name=unique) if isinstance(array, np.ndarray) else array
        tensor.name = unique
        shape = ir.Shape([dim if isinstance(dim, int) else None for dim in tensor.shape])
        value = ir.Value(name=unique, shape=shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
        self.graph.register_initializer(value)
        return value

    def constant(self, data: Array | Sequence[int] | Sequence[float] | int | float, dtype: Any = None) -> Value:
        """A small initialiser, shared when the same data was asked for before.

        Python integers become int64, floats float32, unless ``dtype`` (a numpy dtype) says otherwise.
        """
        array = np.asarray(data, dtype)
        if dtype is None and not isinstance(data, np.ndarray | np.generic):
            array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32 if array.size else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        found = self._constants.get(key)
        if found is None:
            layer = self._source[0]
            found = self._constants[key] = self.weight(f"{layer}.const" if layer else "const", array)
        return found

    # --- nodes ----------------------------------------------------------------------------------------------------

    @contextmanager
    def layer(self, name: str, type: str) -> Iterator[None]:
        """Nodes made inside carry this source layer and are named after it."""
        outer, self._source = self._source, (name, type)
        try:
            yield
        finally:
            self._source = outer

    def ops(self, op_type: str, *inputs: Operand, outputs: int, domain: str = "", **attributes: Any) -> list[Value]:
        """Add a node with several outputs."""
        values = [self._operand(operand) for operand in inputs]
        while values and values[-1] is None:
            values.pop()
        name = unique(self._source[0] or op_type, self._nodes)
        node = ir.Node(
            domain,
            op_type,
            values,
            [_attribute(key, value) for key, value in attributes.items() if value is not None],
            num_outputs=outputs,
            name=name,
        )
        for index, output in enumerate(node.outputs):
            output.name = self._value_name(name if index == 0 else f"{name}_{index}")
        if self._source[0]:
            provenance.mark(node, *self._source)
        if self.before is None:
            self.graph.append(node)
        else:
            self.graph.insert_before(self.before, node)
        self.made.append(node)
        infer(node)
        return list(node.outputs)

    def op(self, op_type: str, *inputs: Operand, domain: str = "", **attributes: Any) -> Value:
        """Add a node with one output. Arrays and numbers among ``inputs`` become constants, None is left out."""
        return self.ops(op_type, *inputs, outputs=1, domain=domain, **attributes)[0]

    def __getattr__(self, op_type: str) -> Callable[..., Value]:
        if not op_type[:1].isupper():
            raise AttributeError(op_type)

        def add(*inputs: Operand, **attributes: Any) -> Value:
            return self.op(op_type, *inputs, **attributes)

        return add

    # --- questions ------------------------------------------------------------------------------------------------

    @staticmethod
    def shape(value: Value) -> tuple[Dim, ...]:
        """The value's shape; ValueError when not even its rank is known."""
        shape = shape_of(value)
        if shape is None:
            raise ValueError(f"the rank of {value.name!r} is unknown")
        return shape

    @classmethod
    def rank(cls, value: Value) -> int:
        return len(cls.shape(value))

    @staticmethod
    def const(value: Value | None) -> Array | None:
        """The array behind an initialiser, None for anything computed."""
        return constant_of(value)

    # --- names ----------------------------------------------------------------------------------------------------

    def rename(self, value: Value, name: str) -> Value:
        """Call a computed value ``name`` (made unique); graph inputs keep theirs."""
        if not value.is_graph_input() and not value.is_initializer() and value.name != name:
            self._values.discard(value.name or "")
            value.name = self._value_name(name)
        return value

    def _value_name(self, name: str) -> str:
        return unique(name, self._values)

    def _give_way(self, name: str) -> None:
        """Outputs keep the source's names: an inner value that took ``name`` before is renamed."""
        for node in self.graph if name in self._values else ():
            for value in node.outputs:
                if value.name == name and not value.is_graph_output():
                    value.name = self._value_name(f"{name}_inner")
                    self._values.discard(name)
                    return

    def _operand(self, operand: Operand) -> Value | None:
        if operand is None or isinstance(operand, ir.Value):
            return operand
        return self.constant(operand)


def _attribute(name: str, value: Any) -> ir.Attr:
    """The attribute by its Python type; onnx_ir's own answer takes its time to tell lists of numbers from types."""
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, int) for item in value):
            return ir.AttrInt64s(name, value)
        if all(isinstance(item, float) for item in value):
            return ir.AttrFloat32s(name, value)
    return ir.convenience.convert_attribute(name, value)


def _names_in(graph: ir.Graph) -> tuple[set[str], set[str]]:
    """The names of all values and of all nodes, sub-graphs included."""
    values = {value.name for value in graph.inputs if value.name} | set(graph.initializers)
    nodes = set()
    for node in graph.all_nodes():
        nodes.add(node.name or "")
        values.update(value.name for value in node.outputs if value.name)
    return values, nodes
