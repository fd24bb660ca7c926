"""TensorFlow's element types: their names in files, in ONNX and in numpy."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

F32, F64, F16, BF16 = ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16
I64, I32, BOOL, U8, I8 = (
    ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL, ir.DataType.UINT8, ir.DataType.INT8,
)  # fmt: skip

# Quantised types are stored and handed on as the integers they are made of.
ONNX: dict[str, ir.DataType] = {
    "DT_FLOAT": F32, "DT_DOUBLE": F64, "DT_INT32": I32, "DT_UINT8": U8, "DT_INT16": ir.DataType.INT16, "DT_INT8": I8,
    "DT_STRING": ir.DataType.STRING, "DT_INT64": I64, "DT_BOOL": BOOL, "DT_BFLOAT16": BF16,
    "DT_UINT16": ir.DataType.UINT16, "DT_HALF": F16, "DT_UINT32": ir.DataType.UINT32, "DT_UINT64": ir.DataType.UINT64,
    "DT_QINT8": I8, "DT_QUINT8": U8, "DT_QINT32": I32, "DT_QINT16": ir.DataType.INT16,
    "DT_QUINT16": ir.DataType.UINT16,
}  # fmt: skip
NUMPY: dict[str, np.dtype[Any]] = {
    "DT_FLOAT": np.dtype("<f4"), "DT_DOUBLE": np.dtype("<f8"), "DT_INT32": np.dtype("<i4"), "DT_UINT8": np.dtype("u1"),
    "DT_INT16": np.dtype("<i2"), "DT_INT8": np.dtype("i1"), "DT_INT64": np.dtype("<i8"), "DT_BOOL": np.dtype("?"),
    "DT_BFLOAT16": np.dtype(ml_dtypes.bfloat16), "DT_UINT16": np.dtype("<u2"), "DT_HALF": np.dtype("<f2"),
    "DT_UINT32": np.dtype("<u4"), "DT_UINT64": np.dtype("<u8"), "DT_COMPLEX64": np.dtype("<c8"),
    "DT_COMPLEX128": np.dtype("<c16"), "DT_QINT8": np.dtype("i1"), "DT_QUINT8": np.dtype("u1"),
    "DT_QINT32": np.dtype("<i4"), "DT_QINT16": np.dtype("<i2"), "DT_QUINT16": np.dtype("<u2"),
}  # fmt: skip
# What users may write in the option input_dtypes.
WORDS = {
    "float32": F32, "float64": F64, "float16": F16, "bfloat16": BF16, "int64": I64, "int32": I32, "bool": BOOL,
    "uint8": U8, "int8": I8, "int16": ir.DataType.INT16, "uint16": ir.DataType.UINT16,
}  # fmt: skip


def plain(name: str | int) -> str:
    """A type's name without the mark of a reference; a number that the table has not stays what it is."""
    return str(name).removesuffix("_REF")
