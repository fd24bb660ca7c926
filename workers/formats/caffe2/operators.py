"""One operator of a net as plain data: its blobs, and its arguments by name, each with exactly one kind of value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.errors import LimitExceeded, MalformedModel
from workers.inspect.schema import Message

OPERATORS = 500_000
NESTED = 16

# Fills that say their values, and those that draw them.
GIVEN = {
    "GivenTensorFill": "FLOAT", "GivenTensorDoubleFill": "DOUBLE", "GivenTensorBoolFill": "BOOL",
    "GivenTensorInt16Fill": "INT16", "GivenTensorIntFill": "INT32", "GivenTensorInt64Fill": "INT64",
    "GivenTensorFp16Fill": "FLOAT16",
}  # fmt: skip
RANDOM = ("XavierFill", "MSRAFill", "GaussianFill", "UniformFill", "UniformIntFill", "UniqueUniformFill",
          "Float16UniformFill")  # fmt: skip
FILLS = frozenset({
    *GIVEN, *RANDOM, "GivenTensorStringFill", "GivenTensorByteStringToUInt8Fill", "ConstantFill", "RangeFill",
    "DiagonalFill", "Float16ConstantFill", "Int8GivenTensorFill", "Int8GivenIntTensorFill",
})  # fmt: skip
# Operators of inference that are only named after gradients.
PASSED_ON = ("StopGradient", "ScaleGradient")
# Caffe2's numbers of element types, and ONNX's, by which value_info.json says them.
ELEMENTS = {
    1: "FLOAT", 2: "INT32", 3: "BYTE", 4: "STRING", 5: "BOOL", 6: "UINT8", 7: "INT8", 8: "UINT16", 9: "INT16",
    10: "INT64", 12: "FLOAT16", 13: "DOUBLE",
}  # fmt: skip
ONNX_ELEMENTS = {
    1: "FLOAT", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64", 9: "BOOL", 10: "FLOAT16",
    11: "DOUBLE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operator:
    """``name`` is given or made from the first output; ``nets`` are those of its arguments, with their names."""

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    args: Mapping[str, Message]
    gradient: bool
    nets: Mapping[str, Net]

    def fixed_shape(self) -> tuple[int, ...] | None:
        """The ``shape`` of a fill, where it is said and makes sense."""
        arg = self.args.get("shape")
        if arg is None or self.inputs:
            return None
        shape = tuple(int(size) for size in arg.ints)
        return shape if all(size >= 0 for size in shape) else None

    def fill_type(self) -> str:
        """The element type that a fill says, '' for none."""
        arg = self.args.get("dtype")
        return ELEMENTS.get(int(arg.i), "") if arg is not None and arg.has("i") else GIVEN.get(self.type, "")


@dataclass(frozen=True, slots=True)
class Net:
    """A net inside an argument (a step, a branch, a loop's body)."""

    name: str
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def operators_of(record: Message, file: str, depth: int = 0) -> tuple[Operator, ...]:
    """The operators of a NetDef in their order. Raises MalformedModel for one without a type or with twins among its
    arguments, LimitExceeded for more than a model can have."""
    if len(record.op) > OPERATORS:
        raise LimitExceeded("nodes", f"{file!r} has {len(record.op):,} operators", limit=OPERATORS, file=file)
    taken: set[str] = set()
    return tuple(_operator(op, file, depth, taken) for op in record.op)


def _operator(record: Message, file: str, depth: int, taken: set[str]) -> Operator:
    kind = str(record.type)
    if not kind:
        raise MalformedModel(f"{file!r} has an operator without a type", file=file)
    base = str(record.name) or next((name for name in record.output if name), "") or kind
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}:{count}"
    taken.add(name)
    args: dict[str, Message] = {}
    nets: dict[str, Net] = {}
    for arg in record.arg:
        if arg.name in args and arg != args[arg.name]:
            raise MalformedModel(f"operator {name!r} ({kind}) has the argument {arg.name!r} twice", file=file)
        args[arg.name] = arg
        if arg.has("n"):
            nets[arg.name] = net_of(arg.n, file, depth + 1)
    gradient = bool(record.is_gradient_op) or (kind.endswith("Gradient") and kind not in PASSED_ON)
    return Operator(kind, name, tuple(record.input), tuple(record.output), args, gradient, nets)


def net_of(record: Message, file: str, depth: int = 1) -> Net:
    if depth > NESTED:
        raise LimitExceeded("depth", f"nets of {file!r} are nested deeper than {NESTED}", limit=NESTED, file=file)
    return Net(
        str(record.name), operators_of(record, file, depth), tuple(record.external_input),
        tuple(record.external_output),
    )  # fmt: skip
