"""A Paddle program as plain records, the same for the old protobuf programs and for PIR: knows no bytes and no ONNX.

PIR operators come in the old operators' words: type, slots and attributes as the old dialect calls them, so that one
reading function serves both. Values go by name; PIR's numbered ones are called ``%12``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

# VarType.Type of the protobuf, and the names that PIR gives the same types.
DTYPES = {
    0: ir.DataType.BOOL, 1: ir.DataType.INT16, 2: ir.DataType.INT32, 3: ir.DataType.INT64, 4: ir.DataType.FLOAT16,
    5: ir.DataType.FLOAT, 6: ir.DataType.DOUBLE, 20: ir.DataType.UINT8, 21: ir.DataType.INT8,
    22: ir.DataType.BFLOAT16, 23: ir.DataType.COMPLEX64, 24: ir.DataType.COMPLEX128,
    32: ir.DataType.FLOAT8E4M3FN, 33: ir.DataType.FLOAT8E5M2,
}  # fmt: skip
WORDS = {
    "bool": ir.DataType.BOOL, "int16": ir.DataType.INT16, "int32": ir.DataType.INT32, "int64": ir.DataType.INT64,
    "float16": ir.DataType.FLOAT16, "float32": ir.DataType.FLOAT, "float64": ir.DataType.DOUBLE,
    "uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8, "bfloat16": ir.DataType.BFLOAT16,
    "complex64": ir.DataType.COMPLEX64, "complex128": ir.DataType.COMPLEX128,
}  # fmt: skip
TENSOR, FEED, FETCH, ARRAY, OTHER = "tensor", "feed", "fetch", "array", "other"


@dataclass(slots=True)
class Var:
    """A variable: ``dims`` with -1 for free axes, None where the program does not say."""

    name: str
    kind: str = TENSOR
    dtype: ir.DataType | None = None
    dims: tuple[int, ...] | None = None
    lod_level: int = 0
    persistable: bool = False


@dataclass(slots=True)
class Operator:
    """``type`` is the registry's name, ``shown`` what the file calls it; ``blocks`` are the regions of PIR.

    ``inplace`` is the input slot whose value changes as well, where the operator says so.
    """

    type: str
    name: str
    inputs: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, list[str]] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    shown: str = ""
    inplace: str = ""

    def reads(self) -> Iterator[str]:
        """Names of all values it takes; of PIR's regions also what they take from around them."""
        for names in self.inputs.values():
            yield from names
        for block in self.blocks:
            yield from block.captured()

    def writes(self) -> Iterator[str]:
        for names in self.outputs.values():
            yield from names
        yield from self.inputs.get(self.inplace, ())


@dataclass(slots=True)
class Block:
    """``args`` are the values that a region of PIR is given."""

    ops: list[Operator] = field(default_factory=list)
    args: list[str] = field(default_factory=list)

    def captured(self) -> list[str]:
        own = {*self.args, *(name for op in self.ops for name in op.writes())}
        return [name for op in self.ops for name in op.reads() if name not in own]


@dataclass(slots=True)
class Program:
    """``feeds`` are variables in the order of their columns, ``fetches`` pairs (value, name for the user)."""

    blocks: list[Block]
    vars: dict[str, Var]
    feeds: list[str]
    fetches: list[tuple[str, str]]
    version: str
    pir: bool = False

    @property
    def parameters(self) -> list[Var]:
        """What is stored, in the order of the combined file: by name."""
        found = [var for var in self.vars.values() if var.persistable and var.kind == TENSOR]
        return sorted(found, key=lambda var: var.name.encode())
