"""Parameters whose names fit no symbol, as gluon's save_parameters writes them, matched by order, kind and shape."""

from __future__ import annotations

from collections.abc import Mapping

from workers.errors import MissingFile
from workers.formats.mxnet.file import StoredArray
from workers.formats.mxnet.slots import KINDS, PARAMETERS
from workers.formats.mxnet.symbol import Node, Symbol

Layer = dict[str, str]


def by_order(symbol: Symbol, params: Mapping[str, StoredArray], file: str) -> dict[str, StoredArray]:
    """The arrays under the names of the symbol's variables: the n-th block's arrays are the n-th layer's.

    Raises MissingFile (for a proper export) unless blocks and layers agree one by one in kinds and shapes.
    """
    blocks: dict[str, Layer] = {}
    for name in params:
        prefix, _, kind = name.rpartition(".")
        blocks.setdefault(prefix, {})[kind] = name
    layers = _layers(symbol)
    if len(blocks) != len(layers):
        raise _unmatched(file, f"it has {len(blocks)} blocks with parameters, the symbol {len(layers)} layers")
    matched: dict[str, StoredArray] = {}
    for (prefix, block), (layer, node) in zip(blocks.items(), layers, strict=True):
        if set(block) != set(layer):
            raise _unmatched(
                file, f"block {prefix!r} has {', '.join(block)} where layer {node.name!r} has {', '.join(layer)}"
            )
        for kind, variable in layer.items():
            array = params[block[kind]]
            if not _agrees(node, kind, array.shape):
                raise _unmatched(file, f"{block[kind]!r} of shape {list(array.shape)} does not fit {node.name!r}")
            matched[variable] = array
    return matched


def _layers(symbol: Symbol) -> list[tuple[Layer, Node]]:
    """Layers with parameters in the file's order, kind of parameter -> variable; shared parameters count once."""
    found: list[tuple[Layer, Node]] = []
    seen: set[int] = set()
    for node in symbol.nodes:
        layer: Layer = {}
        for kind, slot in zip(KINDS.get(node.op, ()), PARAMETERS.get(node.op, ()), strict=False):
            source = node.inputs[slot][0] if slot < len(node.inputs) else -1
            if source >= 0 and symbol.nodes[source].is_variable and source not in seen:
                seen.add(source)
                layer[kind] = symbol.nodes[source].name
        if layer:
            found.append((layer, node))
    return found


def _agrees(node: Node, kind: str, shape: tuple[int, ...]) -> bool:
    """Whether an array can be this parameter: the number of outputs is the one thing that the symbol always says."""
    units = node.attrs.get("num_filter") or node.attrs.get("num_hidden") or node.attrs.get("input_dim")
    if units is None or not units.strip().isdecimal() or not shape:
        return True
    if node.op.lower().endswith("deconvolution") and kind == "weight":
        return len(shape) > 1
    return shape[0] == int(units)


def _unmatched(file: str, reason: str) -> MissingFile:
    return MissingFile(
        f"{file!r} was not saved with this symbol: no name fits, and by order it cannot be matched, as {reason}",
        file=file,
        hint="Upload the parameter file that was saved with the symbol; of a gluon network, both files of export().",
    )
