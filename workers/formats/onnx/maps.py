"""The lists of dictionaries that scikit-learn's converter ends classifiers with: the numbers in them as a tensor."""

from __future__ import annotations

import onnx

from workers.errors import Unsupported, UnsupportedOperators
from workers.formats.contract import Note

DOMAIN = "ai.onnx.ml"


def unzip_maps(proto: onnx.ModelProto) -> list[Note]:
    """Give the tensor that a ZipMap makes dictionaries of under the dictionaries' name, in place.

    Its columns are the ZipMap's class labels in their order. Raises UnsupportedOperators for other maps.
    """
    notes, outputs = [], {value.name: value for value in proto.graph.output}
    for node in proto.graph.node:
        if (node.domain, node.op_type) != (DOMAIN, "ZipMap") or not node.input or not node.output:
            continue
        labels = [text.decode(errors="replace") for each in node.attribute for text in each.strings]
        labels += [str(number) for each in node.attribute for number in each.ints]
        node.domain, node.op_type = "", "Identity"
        del node.attribute[:]
        output = outputs.get(node.output[0])
        if output is not None:
            output.type.Clear()
            output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        told = f"{node.output[0]!r} is a tensor with a column a class ({', '.join(labels[:10])}), not dictionaries"
        notes.append(Note("maps", told, node.name or node.output[0]))
    _refuse_maps(proto)
    return notes


def _refuse_maps(proto: onnx.ModelProto) -> None:
    refused = [
        Unsupported(value.name, "map", "a dictionary as input or output has no counterpart in any target")
        for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info)
        if _is_map(value.type)
    ]
    if refused:
        raise UnsupportedOperators("onnx", refused)


def _is_map(type_: onnx.TypeProto) -> bool:
    kind = type_.WhichOneof("value")
    if kind in ("sequence_type", "optional_type"):
        return _is_map(getattr(type_, kind).elem_type)
    return kind in ("map_type", "opaque_type")
