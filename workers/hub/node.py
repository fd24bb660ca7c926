"""A reading view of one node: what conditions, rules and writers ask of it, typed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.hub.provenance import layer_of, layer_type_of

Dim = int | str | None
Array = npt.NDArray[np.generic]


def shape_of(value: ir.Value) -> tuple[Dim, ...] | None:
    """The shape with free axes as their symbol or None; None when not even the rank is known."""
    if value.shape is None:
        return None
    return tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape)


def constant_of(value: ir.Value | None) -> Array | None:
    """The array behind an initialiser (zero-copy where it can be), or None for anything computed."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


class Node:
    """``node.i("axis", 1)``, ``node.const(1)``, ``node.shape(0)``: shorthand over ``onnx_ir.Node``.

    The attribute getters are named after the fields of ONNX's AttributeProto: i, f, s, ints, floats, strings.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: ir.Node) -> None:
        self.raw = raw

    @property
    def op(self) -> str:
        return self.raw.op_type

    @property
    def key(self) -> str:
        """The operator's name in a registry: bare for ONNX's own domain, else ``domain::Op``."""
        return self.raw.op_type if self.raw.domain in ("", "ai.onnx") else f"{self.raw.domain}::{self.raw.op_type}"

    @property
    def name(self) -> str:
        return self.raw.name or self.raw.op_type

    @property
    def layer(self) -> str:
        return layer_of(self.raw)

    @property
    def layer_type(self) -> str:
        return layer_type_of(self.raw)

    @property
    def inputs(self) -> Sequence[ir.Value | None]:
        """All inputs; an omitted optional one is None. Trailing omitted ones may be absent: use ``input(i)``."""
        return self.raw.inputs

    @property
    def outputs(self) -> Sequence[ir.Value]:
        return self.raw.outputs

    def input(self, index: int) -> ir.Value | None:
        """Input ``index``, None when omitted."""
        return self.raw.inputs[index] if index < len(self.raw.inputs) else None

    def x(self, index: int = 0) -> ir.Value:
        """Input ``index``, which must be there."""
        value = self.input(index)
        if value is None:
            raise ValueError(f"{self.name} ({self.op}) has no input {index}")
        return value

    def has(self, attribute: str) -> bool:
        return attribute in self.raw.attributes

    def i(self, name: str, default: int = 0) -> int:
        attribute = self.raw.attributes.get(name)
        return default if attribute is None else attribute.as_int()

    def f(self, name: str, default: float = 0.0) -> float:
        attribute = self.raw.attributes.get(name)
        return default if attribute is None else attribute.as_float()

    def s(self, name: str, default: str = "") -> str:
        attribute = self.raw.attributes.get(name)
        return default if attribute is None else attribute.as_string()

    def ints(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        attribute = self.raw.attributes.get(name)
        return tuple(default) if attribute is None else tuple(attribute.as_ints())

    def floats(self, name: str, default: Sequence[float] = ()) -> tuple[float, ...]:
        attribute = self.raw.attributes.get(name)
        return tuple(default) if attribute is None else tuple(attribute.as_floats())

    def strings(self, name: str) -> tuple[str, ...]:
        attribute = self.raw.attributes.get(name)
        return () if attribute is None else tuple(attribute.as_strings())

    def graph(self, name: str) -> ir.Graph:
        """A sub-graph attribute (``then_branch``, ``body``)."""
        return self.raw.attributes[name].as_graph()

    def const(self, index: int) -> Array | None:
        """Input ``index`` as an array when it is an initialiser."""
        return constant_of(self.input(index))

    def shape(self, index: int = 0) -> tuple[Dim, ...] | None:
        value = self.input(index)
        return None if value is None else shape_of(value)

    def out_shape(self, index: int = 0) -> tuple[Dim, ...] | None:
        return shape_of(self.raw.outputs[index])

    def dtype(self, index: int = 0) -> ir.DataType | None:
        value = self.input(index)
        return None if value is None else value.dtype

    @property
    def rank(self) -> int | None:
        """Rank of the first input, None when unknown."""
        shape = self.shape(0)
        return None if shape is None else len(shape)
