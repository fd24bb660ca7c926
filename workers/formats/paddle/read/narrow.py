"""Numbers of a width for which onnxruntime has no kernels: computed in 32 bits.

Some operators are there for float32 alone: they get casts around them where a program computes in float64. What is
bfloat16 in a program is float32 from the start: Paddle's own CPU rounds after every layer, and the difference shows
how far a model stands that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.paddle.assemble import Assembled
from workers.formats.paddle.read.layer import BF16, F32, F64, Scope
from workers.hub.graph import GraphBuilder

SINGLE = frozenset({
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "Celu", "Conv", "ConvTranspose", "Cosh", "Elu",
    "Erf", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "InstanceNormalization", "LRN",
    "LeakyRelu", "Mish", "PRelu", "RNN", "Resize", "Selu", "Sinh", "Softplus", "Softsign", "Tan", "ThresholdedRelu",
})  # fmt: skip


def narrowed(g: GraphBuilder, scope: Scope) -> None:
    """Casts around what has no 64-bit kernel, in all graphs."""
    found = [node for node in g.graph.all_nodes() if node.op_type in SINGLE and node.inputs and _is_wide(node)]
    for node in found:
        _narrow(node)
    if found:
        kinds = ", ".join(sorted({node.op_type for node in found}))
        detail = f"onnxruntime computes {kinds} in float32 only; the numbers are float64 before and behind."
        scope.notes.append(Note("single-precision", detail))


def _is_wide(node: ir.Node) -> bool:
    return node.inputs[0] is not None and node.inputs[0].dtype == F64


def _cast(node: ir.Node, x: ir.Value, to: ir.DataType, name: str) -> ir.Node:
    made = ir.node("Cast", [x], {"to": int(to)}, name=name)
    made.metadata_props.update(node.metadata_props)
    made.outputs[0].name = name
    made.outputs[0].type, made.outputs[0].shape = ir.TensorType(to), x.shape
    return made


def _narrow(node: ir.Node) -> None:
    graph = node.graph
    assert graph is not None
    for place, x in enumerate(node.inputs):
        if x is not None and x.dtype == F64:
            before = _cast(node, x, F32, f"{node.name}_single_{place}")
            graph.insert_before(node, before)
            node.replace_input_with(place, before.outputs[0])
    for place, y in enumerate(node.outputs):
        if y.dtype == F64:
            behind = _cast(node, y, F64, f"{node.name}_double_{place}")
            uses = [use for use in y.uses() if use.node is not behind]
            wide = behind.outputs[0]
            for use in uses:
                use.node.replace_input_with(use.idx, wide)
            for outer, value in enumerate(graph.outputs):
                if value is y:
                    graph.outputs[outer] = wide
            wide.name, y.name = y.name, f"{node.name}_single"
            y.type = ir.TensorType(F32)
            graph.insert_after(node, behind)


# --- bfloat16 ---------------------------------------------------------------------------------------------------------


def without_bfloat16(source: Assembled) -> Assembled:
    """The program with float32 in place of bfloat16; its parameters are widened as they are used."""
    if not any(var.dtype == BF16 for var in source.program.vars.values()):
        return source
    variables = {name: replace(var, dtype=F32 if var.dtype == BF16 else var.dtype)
                 for name, var in source.program.vars.items()}  # fmt: skip
    note = Note("bfloat16", "The model computes in bfloat16; it was converted to compute in float32.", source.file)
    program = replace(source.program, vars=variables)
    return replace(source, program=program, notes=(*source.notes, note))


def widened(array: npt.NDArray[Any]) -> ir.LazyTensor | npt.NDArray[Any]:
    """A parameter of bfloat16 as float32, made when it is written; others as they are."""
    if array.dtype != BF16.numpy():
        return array
    return ir.LazyTensor(lambda: ir.Tensor(array.astype(np.float32)), dtype=F32, shape=ir.Shape(array.shape))
