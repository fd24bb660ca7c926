"""The .tflite file and nothing else: bytes -> records of sub-graphs, operators and tensors; knows no ONNX.

A flatbuffer of the schema's version 3 (identifier TFL3). Data of tensors stays in the mapped file. Buffers of models
over 2 GB lie behind the flatbuffer, at absolute offsets; a zip of metadata may be appended to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from workers.errors import MalformedModel, UnsupportedVersion
from workers.formats.tflite.schema import OPERATORS, TENSOR_TYPES, Field, option_tables
from workers.inspect.flatbuffer import FlatBuffer, Table
from workers.inspect.upload import UploadedFile

Array = npt.NDArray[Any]
T = TypeVar("T")
IDENTIFIER = b"TFL3"
CUSTOM = OPERATORS.index("CUSTOM")
# Slots of the tables that carry the graph.
MODEL = {"version": 0, "codes": 1, "subgraphs": 2, "description": 3, "buffers": 4, "metadata": 6, "signatures": 7}
SUBGRAPH = {"tensors": 0, "inputs": 1, "outputs": 2, "operators": 3, "name": 4}


@dataclass(frozen=True, slots=True)
class Quantization:
    """``real = scale * (stored - zero_point)``, one of each a slice of axis ``axis``, or one for the whole tensor.

    ``block``: values along the last axis that share a scale, 0 where there are no blocks; ``scales`` is then the index
    of the tensor that holds them.
    """

    scale: Array
    zero_point: Array
    axis: int = 0
    block: int = 0
    scales: int = -1

    @property
    def per_channel(self) -> bool:
        return self.scale.size > 1


@dataclass(frozen=True, slots=True)
class Dimension:
    """One level of a sparse tensor: dense with ``size``, or compressed with ``segments`` and ``indices``."""

    size: int
    segments: Array | None = None
    indices: Array | None = None


@dataclass(frozen=True, slots=True)
class Sparsity:
    order: tuple[int, ...]
    block_map: tuple[int, ...]
    dims: tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """``shape`` is the size at the time of writing, ``signature`` the same with -1 for free axes (or None).

    ``data`` is empty for tensors that are computed or fed.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None
    data: memoryview
    quantization: Quantization | None
    is_variable: bool = False
    sparsity: Sparsity | None = None
    external: bool = False

    @property
    def is_constant(self) -> bool:
        return len(self.data) > 0 or (0 in self.shape and not self.is_variable and self.signature is None)


@dataclass(frozen=True, slots=True)
class Operator:
    """``type`` is the builtin operator's name or, where ``custom``, that of the custom one."""

    type: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]
    custom: bool = False
    custom_options: memoryview = field(default_factory=lambda: memoryview(b""))
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SubGraph:
    index: int
    name: str
    tensors: Sequence[Tensor]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """An entry point: its key, and its inputs' and outputs' names with the tensors they stand for."""

    key: str
    subgraph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Model:
    file: str
    version: int
    description: str
    subgraphs: tuple[SubGraph, ...]
    signatures: tuple[Signature, ...]
    metadata: tuple[str, ...]


def is_tflite(head: bytes) -> bool:
    return head[4:8] == IDENTIFIER


def load(file: UploadedFile) -> Model:
    """The file as records. Raises MalformedModel for bytes that contradict the schema, else UnsupportedVersion."""
    buffer = FlatBuffer(file.map(), file=file.name)
    root = buffer.root()
    version = int(root.scalar(MODEL["version"], "u32"))
    if version not in (2, 3):
        raise UnsupportedVersion(
            f"{file.name!r} follows version {version} of the TensorFlow Lite schema; versions 2 and 3 are read",
            file=file.name,
        )
    return _Loader(buffer, root, file.name).model(version)


class _Loader:
    """Walks the tables once; indices are checked as they are met."""

    def __init__(self, buffer: FlatBuffer, root: Table, file: str) -> None:
        self.buffer = buffer
        self.root = root
        self.file = file
        self.buffers = root.tables(MODEL["buffers"])
        self.names: list[tuple[str, int, bool]] = [self._code(table) for table in root.tables(MODEL["codes"])]

    def malformed(self, detail: str) -> MalformedModel:
        return MalformedModel(f"{self.file!r}: {detail}", file=self.file)

    def model(self, version: int) -> Model:
        root = self.root
        subgraphs = tuple(self._subgraph(i, table) for i, table in enumerate(root.tables(MODEL["subgraphs"])))
        if not subgraphs:
            raise self.malformed("it holds no graph")
        return Model(
            self.file, version, root.string(MODEL["description"]), subgraphs,
            tuple(self._signature(table, subgraphs) for table in root.tables(MODEL["signatures"])),
            tuple(table.string(0) for table in root.tables(MODEL["metadata"])),
        )  # fmt: skip

    def _code(self, table: Table) -> tuple[str, int, bool]:
        """Name, version and whether it is a custom operator. Old files know the one-byte code only."""
        old, new = int(table.scalar(0, "i8")), int(table.scalar(3, "i32"))
        code = max(old, new)
        version = int(table.scalar(2, "i32", 1))
        if code == CUSTOM:
            return table.string(1) or "CUSTOM", version, True
        if not 0 <= code < len(OPERATORS):
            return f"BUILTIN_{code}", version, False
        return OPERATORS[code], version, False

    def _signature(self, table: Table, subgraphs: tuple[SubGraph, ...]) -> Signature:
        key, index = table.string(2), int(table.scalar(4, "u32"))
        if index >= len(subgraphs):
            raise self.malformed(f"the signature {key!r} belongs to graph {index}, of which there are {len(subgraphs)}")
        count = len(subgraphs[index].tensors)

        def entries(slot: int) -> tuple[tuple[str, int], ...]:
            found = tuple((entry.string(0), int(entry.scalar(1, "u32"))) for entry in table.tables(slot))
            if any(place >= count for _, place in found):
                raise self.malformed(f"the signature {key!r} names a tensor that does not exist")
            return found

        return Signature(key, index, entries(0), entries(1))

    # --- graphs ---------------------------------------------------------------------------------------------------

    def _subgraph(self, index: int, table: Table) -> SubGraph:
        tensors = tuple(self._tensor(i, entry) for i, entry in enumerate(table.tables(SUBGRAPH["tensors"])))
        name = table.string(SUBGRAPH["name"])
        where = f"graph {index}"

        def indices(slot: str) -> tuple[int, ...]:
            found = _integers(table.vector(SUBGRAPH[slot], "i32"))
            if any(not 0 <= place < len(tensors) for place in found):
                raise self.malformed(f"the {slot} of {where} name tensors that do not exist")
            return found

        operators = tuple(
            self._operator(entry, len(tensors), f"operator {i} of {where}")
            for i, entry in enumerate(table.tables(SUBGRAPH["operators"]))
        )
        return SubGraph(index, name, tensors, indices("inputs"), indices("outputs"), operators)

    def _operator(self, table: Table, tensors: int, where: str) -> Operator:
        place = int(table.scalar(0, "u32"))
        if place >= len(self.names):
            raise self.malformed(f"{where} has the code {place}, of which there are {len(self.names)}")
        name, version, custom = self.names[place]

        def indices(slot: int, low: int) -> tuple[int, ...]:
            found = _integers(table.vector(slot, "i32"))
            if any(not low <= index < tensors for index in found):
                raise self.malformed(f"{where} ({name}) names tensors that do not exist")
            return found

        return Operator(
            name, version, indices(1, -1), indices(2, 0), self._options(table), custom,
            self._custom_options(table), indices(8, -1),
        )  # fmt: skip

    def _options(self, table: Table) -> dict[str, Any]:
        """Options by name; an operator carries those of the first union or of the second, or none."""
        for union, (kind, slot) in ((1, (3, 4)), (2, (11, 12))):
            number = int(table.scalar(kind, "u8"))
            tables = option_tables(union)
            options = table.table(slot) if 0 < number < len(tables) else None
            if options is not None:
                return {entry.name: _option(options, entry) for entry in tables[number]}
        return {}

    def _custom_options(self, table: Table) -> memoryview:
        offset, size = int(table.scalar(9, "u64")), int(table.scalar(10, "u64"))
        if offset > 1:
            return self._outside(offset, size)
        found = table.bytes(5)
        return memoryview(b"") if found is None else found

    def _outside(self, offset: int, size: int) -> memoryview:
        """Data behind the flatbuffer, at an absolute place."""
        if offset + size > self.buffer.size:
            raise self.malformed(
                f"it is truncated: data of {size:,} bytes should lie at byte {offset:,} of {self.buffer.size:,}"
            )
        return self.buffer.data[offset : offset + size]

    # --- tensors --------------------------------------------------------------------------------------------------

    def _tensor(self, index: int, table: Table) -> Tensor:
        kind = int(table.scalar(1, "i8"))
        name = table.string(3) or f"tensor_{index}"
        if not 0 <= kind < len(TENSOR_TYPES):
            raise self.malformed(f"tensor {name!r} has the element type {kind}, which does not exist")
        signature = table.vector(7, "i32")
        return Tensor(
            index, name, TENSOR_TYPES[kind], _integers(table.vector(0, "i32")),
            None if signature is None or not signature.size else _integers(signature),
            self._data(int(table.scalar(2, "u32")), name), self._quantization(table.table(4), name),
            bool(table.scalar(5, "bool", False)), self._sparsity(table.table(6), name),
            int(table.scalar(10, "u32")) > 0,
        )  # fmt: skip

    def _data(self, index: int, name: str) -> memoryview:
        """Buffer 0 is empty by definition. Offsets of 0 and 1 mean that the data stands in the buffer itself."""
        if index == 0:
            return memoryview(b"")
        if index >= len(self.buffers):
            raise self.malformed(f"tensor {name!r} lies in buffer {index}, of which there are {len(self.buffers)}")
        table = self.buffers[index]
        offset = int(table.scalar(1, "u64"))
        if offset > 1:
            return self._outside(offset, int(table.scalar(2, "u64")))
        found = table.bytes(0)
        return memoryview(b"") if found is None else found

    def _quantization(self, table: Table | None, name: str) -> Quantization | None:
        if table is None:
            return None
        if int(table.scalar(4, "u8")) == 2:
            return self._blocks(table.table(5), name)
        scale, zero_point = table.vector(2, "f32"), table.vector(3, "i64")
        if scale is None or scale.size == 0:
            return None
        zeros = np.zeros(scale.size, np.int64) if zero_point is None or not zero_point.size else zero_point
        if zeros.size == 1:
            zeros = np.broadcast_to(zeros, scale.shape)
        if zeros.shape != scale.shape or not np.isfinite(scale).all() or (scale < 0).any():
            raise self.malformed(f"the scales and zero points of tensor {name!r} make no sense")
        if scale.size == 1 and scale[0] == 0:
            return None
        return Quantization(scale, zeros, int(table.scalar(6, "i32")))

    def _blocks(self, table: Table | None, name: str) -> Quantization | None:
        if table is None:
            return None
        block, scales = int(table.scalar(2, "i32")), int(table.scalar(0, "i32"))
        if block < 1 or scales < 0:
            raise self.malformed(f"the blocks of tensor {name!r} make no sense")
        return Quantization(np.zeros(0, np.float32), np.zeros(0, np.int64), -1, block, scales)

    def _sparsity(self, table: Table | None, name: str) -> Sparsity | None:
        if table is None:
            return None
        order, block_map = _integers(table.vector(0, "i32")), _integers(table.vector(1, "i32"))
        dims = tuple(self._dimension(entry) for entry in table.tables(2))
        if len(dims) != len(order) or sorted(order) != list(range(len(order))):
            raise self.malformed(f"the sparse tensor {name!r} has {len(dims)} levels for the order {list(order)}")
        return Sparsity(order, block_map, dims)

    def _dimension(self, table: Table) -> Dimension:
        if int(table.scalar(0, "i8")) == 0:
            return Dimension(int(table.scalar(1, "i32")))
        return Dimension(0, self._indices(table, 2), self._indices(table, 4))

    def _indices(self, table: Table, slot: int) -> Array:
        kinds = {1: "i32", 2: "u16", 3: "u8"}
        kind, inner = kinds.get(int(table.scalar(slot, "u8"))), table.table(slot + 1)
        found = inner.vector(0, kind) if inner is not None and kind else None
        if found is None:
            raise self.malformed("a sparse tensor has no segments or indices")
        return found.astype(np.int64)


def _option(table: Table, entry: Field) -> Any:
    """One option by its kind; integers stay integers, vectors become tuples."""
    if entry.kind == "str":
        return table.string(entry.slot)
    if entry.kind.endswith("*"):
        found = table.vector(entry.slot, entry.kind[:-1])
        return () if found is None else tuple(found.tolist())
    value = table.scalar(entry.slot, entry.kind, None)
    convert: Callable[[float], Any] = float if entry.kind == "f32" else bool if entry.kind == "bool" else int
    return convert(entry.default if value is None else value)


def _integers(found: Array | None) -> tuple[int, ...]:
    return () if found is None else tuple(int(number) for number in found)
