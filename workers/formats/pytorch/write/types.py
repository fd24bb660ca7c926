"""What PyTorch and safetensors call ONNX's element types, and which of them PyTorch holds but cannot compute with."""

from __future__ import annotations

from typing import NamedTuple

import onnx_ir as ir

D = ir.DataType


class Type(NamedTuple):
    """``torch``: the dtype's name in ``torch``; ``stored``: its code in a safetensors header."""

    torch: str
    stored: str


# Four-bit integers travel in int8 and uint8: PyTorch has no tensors of them, and every value fits.
TYPES: dict[ir.DataType, Type] = {
    D.FLOAT: Type("float32", "F32"),
    D.DOUBLE: Type("float64", "F64"),
    D.FLOAT16: Type("float16", "F16"),
    D.BFLOAT16: Type("bfloat16", "BF16"),
    D.INT8: Type("int8", "I8"),
    D.INT16: Type("int16", "I16"),
    D.INT32: Type("int32", "I32"),
    D.INT64: Type("int64", "I64"),
    D.UINT8: Type("uint8", "U8"),
    D.UINT16: Type("uint16", "U16"),
    D.UINT32: Type("uint32", "U32"),
    D.UINT64: Type("uint64", "U64"),
    D.INT4: Type("int8", "I8"),
    D.UINT4: Type("uint8", "U8"),
    D.BOOL: Type("bool", "BOOL"),
    D.COMPLEX64: Type("complex64", "C64"),
    D.COMPLEX128: Type("complex128", "C128"),
    D.FLOAT8E4M3FN: Type("float8_e4m3fn", "F8_E4M3"),
    D.FLOAT8E4M3FNUZ: Type("float8_e4m3fnuz", "F8_E4M3FNUZ"),
    D.FLOAT8E5M2: Type("float8_e5m2", "F8_E5M2"),
    D.FLOAT8E5M2FNUZ: Type("float8_e5m2fnuz", "F8_E5M2FNUZ"),
}

FLOATS = frozenset({D.FLOAT, D.DOUBLE, D.FLOAT16, D.BFLOAT16})
FLOAT8 = frozenset({D.FLOAT8E4M3FN, D.FLOAT8E4M3FNUZ, D.FLOAT8E5M2, D.FLOAT8E5M2FNUZ})
COMPLEX = frozenset({D.COMPLEX64, D.COMPLEX128})
UNSIGNED = frozenset({D.UINT8, D.UINT16, D.UINT32, D.UINT64, D.UINT4})
INTEGERS = UNSIGNED | {D.INT8, D.INT16, D.INT32, D.INT64, D.INT4}

# PyTorch stores these but has next to no arithmetic for them: nodes compute in int64 and narrow the result again.
# Narrowing keeps the low bits, so sums and products wrap around exactly as unsigned ones do.
WIDE_UNSIGNED = frozenset({D.UINT16, D.UINT32, D.UINT64})

# Largest magnitude of each type: what a saturating conversion clamps to.
LARGEST = {D.FLOAT8E4M3FN: 448.0, D.FLOAT8E4M3FNUZ: 240.0, D.FLOAT8E5M2: 57344.0, D.FLOAT8E5M2FNUZ: 57344.0}
RANGE = {
    D.INT4: (-8, 7), D.UINT4: (0, 15), D.INT8: (-128, 127), D.UINT8: (0, 255),
    D.INT16: (-32768, 32767), D.UINT16: (0, 65535), D.INT32: (-(2**31), 2**31 - 1),
}  # fmt: skip


def torch_name(dtype: ir.DataType | None) -> str:
    """``torch.float32``; ValueError for a type that PyTorch has not (strings, four-bit floats)."""
    if dtype is None or dtype not in TYPES:
        raise ValueError(f"PyTorch has no element type {dtype}")
    return f"torch.{TYPES[dtype].torch}"
