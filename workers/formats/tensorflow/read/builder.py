"""The graph builder as TensorFlow's graphs need it: constants computed at once, sizes followed, layouts carried along.

``turned`` holds values that are transposes of others because a layer computes channels-first: what reads them is moved
in front of the transpose where that is possible (``layout``), so that none is left between layers. Of such pictures,
``flat`` holds the flattened ones, ``merged`` those with all axes but the channels in one, and ``spread`` those whose
blocks were moved to the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.dtypes import I32, I64
from workers.formats.tensorflow.read.contents import follow
from workers.formats.tensorflow.read.dims import Contents
from workers.hub.elements import Reordered, elements
from workers.hub.graph import Array, GraphBuilder, Operand, Value
from workers.hub.infer import infer
from workers.hub.legalise.fold import fold
from workers.hub.node import Dim, shape_of

SMALL = 1 << 16
"""Elements of a constant that is computed at once; larger ones are views, or are left to the normal form."""
FOLLOWED = 256
"""Elements of a tensor whose contents are followed."""
KEEPS = frozenset({"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli",
                   "Multinomial", "If", "Loop", "Scan"})  # fmt: skip
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Sqrt": np.sqrt, "Neg": np.negative,
    "Reciprocal": np.reciprocal,
}  # fmt: skip
Sink = Callable[["Builder", str, list["Value | None"], int, Mapping[str, Any]], "list[Value] | None"]


class Builder(GraphBuilder):
    """A GraphBuilder whose values may be constants, followed sizes, or transposes of a channels-first value."""

    def __init__(self, name: str = "model") -> None:
        super().__init__(name)
        self.root: Builder = self
        self.unknown = 0
        self.outer: Builder | None = None
        self.known: dict[Value, Contents] = {}
        self.turned: dict[Value, tuple[Value, tuple[int, ...]]] = {}
        self.spread: dict[Value, tuple[Value, tuple[int, ...]]] = {}
        self.merged: dict[Value, Value] = {}
        self.flat: dict[Value, tuple[Value, tuple[int, ...]]] = {}
        self.turns: dict[tuple[Value, tuple[int, ...]], Value] = {}

    def inner(self, name: str) -> Builder:
        """A builder for a sub-graph; constants go to the outermost graph, where all sub-graphs see them."""
        other = Builder(name)
        other._source, other._values, other._nodes = self._source, self._values, self._nodes
        other.root, other.outer, other.known, other.turned = self.root, self, self.known, self.turned
        other.flat, other.spread, other.merged = self.flat, self.spread, self.merged
        return other

    # --- constants ----------------------------------------------------------------------------------------------------

    def weight(self, name: str, array: Array | ir.LazyTensor | ir.StringTensor) -> Value:
        if self.root is not self:
            return self.root.weight(name, array)
        return super().weight(name, array)

    def constant(self, data: Any, dtype: Any = None) -> Value:
        if self.root is not self:
            outer, self.root._source = self.root._source, self._source
            try:
                return self.root.constant(data, dtype)
            finally:
                self.root._source = outer
        return super().constant(data, dtype)

    def lazy(self, name: str, make: Callable[[], Array], dtype: ir.DataType, shape: Sequence[int]) -> Value:
        """An initialiser whose elements are, row by row, those of ``make()``, which is called when it is written."""
        return self.weight(name, Reordered(make, dtype, shape, name))

    def is_const(self, value: Value | None) -> bool:
        return value is not None and value.const_value is not None and not value.is_graph_input()

    def contents(self, value: Value | None) -> Contents | None:
        """What is known of the elements of a small integer tensor."""
        if value is None:
            return None
        found = self.known.get(value)
        if found is None and self.is_const(value) and value.dtype in (I64, I32):
            shape = shape_of(value)
            if shape is not None and len(shape) < 2 and all(isinstance(d, int) and d <= FOLLOWED for d in shape):
                array = self.const(value)
                assert array is not None
                found = self.known[value] = Contents(tuple(int(i) for i in array.reshape(-1)), array.ndim == 0)
        return found

    def numbers(self, value: Value | None) -> tuple[int, ...] | None:
        """The elements of a small integer tensor, when all are known."""
        found = self.contents(value)
        return found.numbers if found is not None else None

    # --- nodes --------------------------------------------------------------------------------------------------------

    def ops(self, op_type: str, *inputs: Operand, outputs: int, domain: str = "", **attributes: Any) -> list[Value]:
        """A node, or what stands for it: a constant, a view of one, or the node moved in front of a transpose."""
        values = [self._operand(operand) for operand in inputs]
        if not domain:
            found = self._constant_result(op_type, values, outputs, attributes)
            if found is None:
                found = self._sunk(op_type, values, outputs, attributes)
            if found is not None:
                return found
        results = super().ops(op_type, *values, outputs=outputs, domain=domain, **attributes)
        if outputs == 1 and results[0].dtype in (I64, I32):
            self._follow(op_type, values, results[0], attributes)
        return results

    def _constant_result(
        self, op_type: str, values: list[Value | None], outputs: int, attributes: Mapping[str, Any]
    ) -> list[Value] | None:
        """The results when they are known: from constants, or from sizes that are followed."""
        present = [value for value in values if value is not None]
        if op_type in KEEPS or not present:
            return None
        if outputs == 1 and present[0].dtype in (I64, I32):
            contents = follow(op_type, [self.contents(value) for value in values], attributes)
            if contents is not None and contents.numbers is not None:
                dtype = np.int32 if self._type_of(op_type, values, attributes) == I32 else np.int64
                shape = () if contents.scalar else (len(contents.items),)
                if all(np.iinfo(dtype).min <= item <= np.iinfo(dtype).max for item in contents.numbers):
                    return [self.constant(np.array(contents.numbers, dtype).reshape(shape))]
        if not all(self.is_const(value) for value in present):
            return None
        if sum(value.const_value.size for value in present if value.const_value is not None) <= SMALL:
            return self._folded(op_type, values, outputs, attributes)
        return self._viewed(op_type, values, attributes)

    @staticmethod
    def _type_of(op_type: str, values: Sequence[Value | None], attributes: Mapping[str, Any]) -> ir.DataType | None:
        if op_type == "Cast":
            return ir.DataType(attributes["to"])
        return values[0].dtype if values[0] is not None else None

    def _folded(
        self, op_type: str, values: list[Value | None], outputs: int, attributes: Mapping[str, Any]
    ) -> list[Value] | None:
        quick = _at_once(op_type, [self.const(value) for value in values])
        if quick is not None:
            return [self.constant(quick)]
        node = ir.Node("", op_type, values, _attributes(attributes), num_outputs=outputs, name="folded")
        for index, output in enumerate(node.outputs):
            output.name = f"folded_{index}"
        try:
            infer(node)
            if any(_size(output) > SMALL for output in node.outputs):
                return None
            arrays = fold(node)
        except (NotImplementedError, RuntimeError):
            arrays = None
        finally:
            for index in range(len(values)):
                node.replace_input_with(index, None)
        if arrays is None or any(array.dtype == object for array in arrays):
            return None
        return [self.constant(array) for array in arrays]

    def _viewed(self, op_type: str, values: list[Value | None], attributes: Mapping[str, Any]) -> list[Value] | None:
        """A large constant in another shape stays one, computed when it is written."""
        source = values[0]
        if source is None or source.const_value is None or source.dtype is None:
            return None
        shape = [int(dim) for dim in source.const_value.shape.numpy()]
        tensor, name = source.const_value, source.name or "weight"
        if op_type == "Transpose":
            perm = attributes.get("perm") or list(reversed(range(len(shape))))
            sizes = [shape[axis] for axis in perm]
            return [self.lazy(name, lambda: elements(tensor).reshape(shape).transpose(perm), source.dtype, sizes)]
        if op_type in ("Reshape", "Squeeze", "Unsqueeze"):
            node = ir.Node("", op_type, values, _attributes(attributes), num_outputs=1, name="viewed")
            node.outputs[0].name = "viewed"
            infer(node)
            found = shape_of(node.outputs[0])
            for index in range(len(values)):
                node.replace_input_with(index, None)
            fixed = [dim for dim in found or () if isinstance(dim, int)]
            if found is not None and len(fixed) == len(found):
                return [self.lazy(name, lambda: elements(tensor), source.dtype, fixed)]
        return None

    def _follow(self, op_type: str, values: list[Value | None], result: Value, attributes: Mapping[str, Any]) -> None:
        contents = follow(op_type, [self.contents(value) for value in values], attributes)
        if op_type == "Shape" and values[0] is not None:
            dims = self._named(values[0])
            if dims is not None:
                contents = Contents(dims[attributes.get("start", 0) : attributes.get("end")])
        if contents is not None and len(contents.items) <= FOLLOWED:
            self.known[result] = contents

    def _named(self, value: Value) -> tuple[Dim, ...] | None:
        """The shape of a value; sizes that are not known get a name here, so that arithmetic with them is followed."""
        dims = shape_of(value)
        if dims is None or None not in dims:
            return dims
        found: list[Dim] = []
        for dim in dims:
            if dim is None:
                self.root.unknown += 1
                dim = f"size_{self.root.unknown}"
            found.append(dim)
        value.shape = ir.Shape(found)
        return tuple(found)

    # --- layouts ------------------------------------------------------------------------------------------------------

    def _sunk(
        self, op_type: str, values: list[Value | None], outputs: int, attributes: Mapping[str, Any]
    ) -> list[Value] | None:
        if op_type == "Transpose" and values[0] is not None:
            return self._transposed(values[0], attributes)
        if not any(value in self.turned for value in values if value is not None):
            return None
        from workers.formats.tensorflow.read.layout import SINKS

        sink = SINKS.get(op_type)
        return sink(self, op_type, values, outputs, attributes) if sink is not None else None

    def _transposed(self, x: Value, attributes: Mapping[str, Any], *, keep: bool = False) -> list[Value]:
        """Transposes one after the other are one, or none; one that only moves axes of size 1 is a reshape."""
        perm = tuple(attributes.get("perm") or reversed(range(self.rank(x))))
        producer = x.producer()
        if producer is not None and producer.op_type == "Transpose" and producer.inputs[0] is not None:
            before = tuple(producer.attributes["perm"].as_ints())
            x, perm = producer.inputs[0], tuple(before[axis] for axis in perm)
        if perm == tuple(range(len(perm))):
            return [x]
        found = None if keep else self._as_reshape(x, perm)
        return [found if found is not None else self._transpose(x, perm)]

    def _as_reshape(self, x: Value, perm: tuple[int, ...]) -> Value | None:
        dims = shape_of(x)
        if dims is None or len(dims) != len(perm) or self.is_const(x):
            return None
        moved = [dims[axis] for axis in perm]
        moving = [axis for axis in perm if dims[axis] != 1]
        if moving != sorted(moving) or sum(not isinstance(dim, int) for dim in moved) > 1 or 0 in moved:
            return None
        node = x.producer()
        source = node.inputs[0] if node is not None and node.op_type == "Reshape" else x
        if (x, perm) not in self.turns:
            target = [dim if isinstance(dim, int) else -1 for dim in moved]
            self.turns[x, perm] = self.reshaped(super().ops("Reshape", source, target, outputs=1)[0], moved)
        return self.turns[x, perm]

    def _transpose(self, x: Value, perm: tuple[int, ...]) -> Value:
        builder: Builder | None = self
        while builder is not None:
            if (x, perm) in builder.turns:
                return builder.turns[x, perm]
            builder = builder.outer
        if sorted(perm) != list(range(self.rank(x))):
            raise ValueError(f"perm {perm} does not fit {self.rank(x)} axes")
        result = super().ops("Transpose", x, outputs=1, perm=list(perm))[0]
        self.turns[x, perm] = result
        return result

    def turn(self, x: Value, perm: Sequence[int]) -> Value:
        """The transpose of a value that a layer computed channels-first; what reads it may be moved in front."""
        if self.is_const(x):
            return self.ops("Transpose", x, outputs=1, perm=list(perm))[0]
        result = self._transposed(x, {"perm": list(perm)}, keep=True)[0]
        producer = result.producer()
        if producer is not None and producer.op_type == "Transpose" and producer.inputs[0] is not None:
            self.turned.setdefault(result, (producer.inputs[0], tuple(producer.attributes["perm"].as_ints())))
        return result

    def reshaped(self, value: Value, shape: Sequence[Dim]) -> Value:
        """Say what shape a computed value has, as far as more is known than was inferred."""
        value.shape = ir.Shape(shape)
        return value


def _at_once(op_type: str, arrays: Sequence[Array | None]) -> Array | None:
    """Floating-point arithmetic, most of what is folded, by numpy itself; None for anything else."""
    function = ARITHMETIC.get(op_type)
    if function is None or any(array is None or array.dtype not in (np.float32, np.float64) for array in arrays):
        return None
    with np.errstate(all="ignore"):
        return np.asarray(function(*arrays))


def _attributes(attributes: Mapping[str, Any]) -> list[ir.Attr]:
    return [ir.convenience.convert_attribute(key, value) for key, value in attributes.items() if value is not None]


def _size(value: Value) -> int:
    shape = shape_of(value)
    return int(np.prod([dim if isinstance(dim, int) else 1 for dim in shape], dtype=np.int64)) if shape else 0
