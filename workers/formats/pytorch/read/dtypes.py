"""Element types: which one two operands meet in (torch's promotion rules), and casting to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.layer import FLOATS, cast
from workers.formats.pytorch.read.layer import BF16, BOOL, F16, F32, F64, I64
from workers.formats.pytorch.read.symbols import Sym, emit, kind_of
from workers.hub.graph import GraphBuilder, Value

_KINDS = {"bool": 0, "int": 1, "float": 2}
_DEFAULTS = (BOOL, I64, F32)


def category(dtype: ir.DataType | None) -> int:
    """0 bool, 1 integer, 2 floating point."""
    return 0 if dtype == BOOL else 2 if dtype in FLOATS or dtype is None else 1


def wider(a: ir.DataType | None, b: ir.DataType | None) -> ir.DataType:
    """The type that tensors of both types are promoted to."""
    if a == b or b is None:
        return a or F32
    if a is None:
        return b
    if category(a) != category(b):
        return a if category(a) > category(b) else b
    if {a, b} == {F16, BF16}:
        return F32
    if category(a) == 2:
        return max(a, b, key=(F16, BF16, F32, F64).index)
    return ir.DataType.from_numpy(np.promote_types(a.numpy(), b.numpy()))


def result_type(*operands: Any) -> ir.DataType:
    """Torch's rule: tensors with axes decide; those without, and then numbers, only by a higher category."""
    found: ir.DataType | None = None
    for level in (_with_axes(operands), _without_axes(operands), _numbers(operands)):
        together: ir.DataType | None = None
        for dtype in level:
            together = dtype if together is None else wider(together, dtype)
        if together is not None and (found is None or category(together) > category(found)):
            found = together
    return found or F32


def _with_axes(operands: Any) -> list[ir.DataType]:
    return [x.dtype or F32 for x in operands if isinstance(x, ir.Value) and (x.shape is None or len(x.shape))]


def _without_axes(operands: Any) -> list[ir.DataType]:
    return [x.dtype or F32 for x in operands if isinstance(x, ir.Value) and x.shape is not None and not len(x.shape)]


def _numbers(operands: Any) -> list[ir.DataType]:
    return [_DEFAULTS[_KINDS[kind_of(x)]] for x in operands if isinstance(x, bool | int | float | Sym)]


def operand(g: GraphBuilder, x: Any, dtype: ir.DataType) -> Value:
    """A tensor or number as a tensor of ``dtype``."""
    return cast(g, x, dtype) if isinstance(x, ir.Value) else emit(g, x, dtype)


def together(g: GraphBuilder, *operands: Any) -> list[Value]:
    """All operands in the type that they are promoted to."""
    dtype = result_type(*operands)
    return [operand(g, x, dtype) for x in operands]


def floating(g: GraphBuilder, x: Value) -> Value:
    """Integers and booleans as float32, as torch's mathematical functions take them."""
    return x if x.dtype in FLOATS or x.dtype is None else g.Cast(x, to=F32)
