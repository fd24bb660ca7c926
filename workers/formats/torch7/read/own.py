"""Modules of the user's own classes that a function stands for: the input, or a table's tensors, then the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.formats.custom import Call
from workers.formats.torch7.read.layer import Layer, flows
from workers.formats.torch7.read.memory import Data, Ref

if TYPE_CHECKING:
    from workers.formats.torch7.read.network import Run

WEIGHTS = ("weight", "bias")


@flows.by_users
def own(call: Call, run: Run, layer: Layer, data: Data) -> Data:
    """Settings are the module's fields that are numbers, flags or words."""
    xs = [data] if isinstance(data, Ref) else layer.table(data)
    weights = [layer.weight(run.g, key) for key in WEIGHTS if layer.tensor(key) is not None]
    fields = layer.module.fields.entries.items()
    settings = {str(key): value for key, value in fields if isinstance(value, bool | int | float | str)}
    results = call(run.g, layer, [x.read() for x in xs], weights, settings)
    refs: list[Data] = [Ref(value) for value in results]
    return refs[0] if len(refs) == 1 else refs
