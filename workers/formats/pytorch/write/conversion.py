"""Element types: casts, with the saturation that ONNX wants for eight-bit floats."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import COMPLEX, FLOAT8, LARGEST, TYPES, D, torch_name
from workers.hub.node import Node


def _castable(node: Node) -> bool | str:
    target = ir.DataType(node.i("to")) if node.op == "Cast" else node.dtype(1)
    if target is None:
        return True
    if target not in TYPES:
        return f"PyTorch has no tensors of {target.name}"
    if node.dtype() in COMPLEX and target not in COMPLEX:
        return "PyTorch would drop the imaginary part"
    return True


@writes("Cast", "CastLike", only_if=_castable)
def cast(net: NetWriter, node: Node) -> None:
    target = ir.DataType(node.i("to")) if node.op == "Cast" else node.dtype(1)
    x = net.plain(node.x(0))
    if target is None:  # a CastLike inside a body, whose types are known only at run time
        net.set(node, f"{x}.to({net.plain(node.x(1))}.dtype)")
        return
    if node.dtype() is target:
        net.alias_of(node.outputs[0], node.x(0))
        return
    net.set(node, converted(net, x, target, source=node.dtype(), saturate=bool(node.i("saturate", 1))))


def converted(
    net: NetWriter, x: str, target: ir.DataType, *, source: ir.DataType | None = None, saturate: bool = True
) -> str:
    """``x`` in another type. Four-bit integers keep the low bits; torch turns too large eight-bit floats into NaN."""
    if target is D.INT4:
        return f"(({x}.to(torch.int32) + 8) % 16 - 8).to(torch.int8)"
    if target is D.UINT4:
        return f"({x}.to(torch.int32) % 16).to(torch.uint8)"
    if target not in FLOAT8:
        return f"{x}.to({torch_name(target)})"
    wide = x if source in (D.FLOAT, None) else f"{x}.to(torch.float32)"
    if saturate:
        return text.call(net.helper("to_float8"), wide, torch_name(target), f"{LARGEST[target]}")
    if target is D.FLOAT8E4M3FN:
        return text.call(net.helper("to_float8_e4m3fn"), wide)
    return f"{wide}.to({torch_name(target)})"
