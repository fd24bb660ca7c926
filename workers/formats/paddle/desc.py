"""ProgramDesc, the protobuf program of fluid 1.x and Paddle 2.x (``__model__``, ``.pdmodel``) -> plain records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workers.errors import LimitExceeded, MalformedModel, UnsupportedVersion
from workers.formats.paddle.program import (
    ARRAY,
    DTYPES,
    FEED,
    FETCH,
    OTHER,
    TENSOR,
    Block,
    Operator,
    Program,
    Var,
)
from workers.formats.paddle.schema import PROGRAM
from workers.inspect.budget import BUDGET
from workers.inspect.protobuf import decode, scan
from workers.inspect.schema import Message

KINDS = {7: TENSOR, 8: OTHER, 9: FEED, 10: FETCH, 13: ARRAY, 18: ARRAY}
# AttrType -> the field that holds the value.
FIELDS = {
    0: "i", 1: "f", 2: "s", 3: "ints", 4: "floats", 5: "strings", 6: "b", 7: "bools", 8: "block_idx", 9: "l",
    10: "blocks_idx", 11: "longs", 12: "float64s", 13: "var_name", 14: "vars_name", 15: "float64", 16: "scalar",
    17: "scalars",
}  # fmt: skip
ZERO: dict[str, Any] = {"i": 0, "f": 0.0, "s": "", "b": False, "block_idx": 0, "l": 0, "float64": 0.0, "var_name": ""}
NOISE = frozenset({"op_callstack", "op_role", "op_role_var", "op_namescope", "op_device", "with_quant_attr"})


def is_program(head: bytes) -> bool:
    """Whether a file that begins like this is a ProgramDesc: a block 0 of variables (or operators) comes first."""
    for number, wire, value in scan(head):
        if (number, wire) != (1, 2):
            return False
        seen = []
        for inner, kind, piece in scan(value):
            seen.append((inner, kind))
            if (inner, kind) in ((3, 2), (4, 2)):
                first = next(iter(scan(piece)), None)
                return seen[0] == (1, 0) and first is not None and first[1] == 2
            if len(seen) > 4 or kind not in (0, 2):
                return False
        return False
    return False


def read_program(data: memoryview, file: str) -> Program:
    """Raises MalformedModel for bytes that are no program, LimitExceeded for one that is too large."""
    if len(data) > BUDGET.skeleton:
        raise LimitExceeded("size", f"{file!r} is a program of {len(data):,} bytes", limit=BUDGET.skeleton, file=file)
    message = decode(data, PROGRAM, file=file)
    if not len(message.blocks):
        raise MalformedModel(f"{file!r} is a Paddle program without blocks", file=file)
    program_vars: dict[str, Var] = {}
    for block in message.blocks:
        for var in block.vars:
            program_vars.setdefault(var.name or "", _var(var))
    blocks = [Block(list(_operators(block, index))) for index, block in enumerate(message.blocks)]
    feeds, fetches = _ends(blocks[0], file)
    return Program(blocks, program_vars, feeds, fetches, _version(message))


def _version(message: Message) -> str:
    number = message.version.version or 0
    if number < 0 or number > 3_999_999:
        raise UnsupportedVersion(f"the program is of the version {number}, which no Paddle has written")
    if number == 0:
        return "fluid 1.x or a development build (ProgramDesc)"
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000} (ProgramDesc)"


def _var(message: Message) -> Var:
    kind = KINDS.get(message.type.type if message.type.type is not None else -1, OTHER)
    holder = message.type.lod_tensor if kind != ARRAY else message.type.tensor_array
    tensor = holder.tensor
    known = tensor.data_type is not None
    return Var(
        message.name or "", kind, DTYPES.get(tensor.data_type) if known else None,
        tuple(tensor.dims) if known else None, holder.lod_level or 0, bool(message.persistable),
    )  # fmt: skip


def _operators(block: Message, index: int) -> Iterator[Operator]:
    for place, op in enumerate(block.ops):
        inputs = {slot.parameter or "": list(slot.arguments) for slot in op.inputs if len(slot.arguments)}
        outputs = {slot.parameter or "": list(slot.arguments) for slot in op.outputs if len(slot.arguments)}
        kind = op.type or ""
        first = next((name for names in outputs.values() for name in names), "")
        attrs = {attr.name: _attribute(attr) for attr in op.attrs if attr.name not in NOISE}
        yield Operator(kind, first or f"{kind}_{index}_{place}", inputs, outputs, attrs, shown=kind)


def _attribute(attr: Message) -> Any:
    field = FIELDS.get(attr.type if attr.type is not None else 0, "i")
    if field == "scalar":
        return _scalar(attr.scalar)
    value = attr[field]
    if field == "scalars":
        return [_scalar(item) for item in value]
    if value is None:
        return ZERO[field]
    return [float(item) for item in value] if field in ("floats", "float64s") else value


def _scalar(scalar: Message) -> Any:
    """BOOLEAN 1, LONG 2, FLOAT64 3, COMPLEX128 4."""
    if scalar.type == 1:
        return bool(scalar.b)
    return scalar.i or 0 if scalar.type == 2 else scalar.r or 0.0


def _ends(main: Block, file: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Inputs and outputs in the order of their columns; feed and fetch operators go."""
    feeds: dict[int, str] = {}
    fetches: dict[int, str] = {}
    rest = []
    for op in main.ops:
        if op.type not in ("feed", "fetch"):
            rest.append(op)
            continue
        names = op.outputs.get("Out", []) if op.type == "feed" else op.inputs.get("X", [])
        table = feeds if op.type == "feed" else fetches
        column = op.attrs.get("col", len(table))
        if len(names) != 1 or not isinstance(column, int) or column in table:
            raise MalformedModel(f"{file!r} has a {op.type} operator without one variable and column", file=file)
        table[column] = names[0]
    main.ops = rest
    ordered = [fetches[column] for column in sorted(fetches)]
    return [feeds[column] for column in sorted(feeds)], [(name, name) for name in ordered]
