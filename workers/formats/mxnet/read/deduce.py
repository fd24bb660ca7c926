"""Shapes of inputs that only the layer that takes them tells: MXNet infers shapes in both directions."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.mxnet.read.layer import Layer, Value
from workers.formats.mxnet.slots import RECURRENT
from workers.hub.node import Dim

_LENGTHS = ("SequenceMask", "SequenceLast", "SequenceReverse", "_npx_sequence_mask")
_ALIKE = (
    "elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div", "_plus", "_minus", "_mul", "_div", "_Plus",
    "_Minus", "_Mul", "_Div", "_add", "_sub", "_maximum", "_minimum", "_power", "_grad_add", "add_n", "ElementWiseSum",
)  # fmt: skip


def deduce(layer: Layer, slot: int, xs: Sequence[Value], unknown: set[Value]) -> list[Dim] | None:
    """The shape of input ``slot``, or None when this type of layer does not tell it."""
    if layer.type in _ALIKE:
        other = next((x for x in xs if x not in unknown), None)
        return None if other is None else list(layer.shape(other))
    if slot == 0 or xs[0] in unknown:
        return None
    if layer.type in RECURRENT and slot >= 2:
        return _state(layer, slot, xs[0])
    if layer.type in _LENGTHS and slot == 1:
        layer.rank(xs[0], *range(2, 33))
        return [layer.shape(xs[0])[1 - layer.axis(layer.integer("axis", 0), 2)]]
    return None


def _state(layer: Layer, slot: int, data: Value) -> list[Dim]:
    """[layers * directions, batch, units]; behind the states stand the lengths of the sequences."""
    layer.rank(data, 3)
    batch = layer.shape(data)[1]
    states = 2 if layer.word("mode", "") == "lstm" else 1
    if slot >= 2 + states:
        return [batch]
    return [layer.integer("num_layers") * (2 if layer.flag("bidirectional", False) else 1), batch,
            layer.integer("state_size")]  # fmt: skip
