"""Tables that an initialisation fills, of numbers or strings: every key is compared with what is looked up."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.held import Held
from workers.formats.tflite.read.layer import I32, Layer, Out, Value, reads
from workers.formats.tflite.read.resources import handle, named
from workers.hub.graph import GraphBuilder


@reads("HASHTABLE")
def hashtable(g: GraphBuilder, layer: Layer) -> Out:
    """A name in place of a table."""
    return handle(f"table {layer.i('table_id')}")


@reads("HASHTABLE_IMPORT")
def hashtable_import(g: GraphBuilder, layer: Layer) -> list[Out]:
    """Inputs: the table, keys, values. A table is filled once, before the first run."""
    name, keys, values = named(layer, "table"), layer.held(1), layer.held(2)
    if not layer.scope.initialising or keys.array is None or values.array is None:
        raise layer.unsupported("it fills its table with what is computed; ONNX models have no state")
    if len(keys.shape) != 1 or keys.shape != values.shape:
        raise layer.malformed(f"it has keys of shape {list(keys.shape)} and values of {list(values.shape)}")
    layer.scope.tables.setdefault(name, (keys, values))
    return []


def _table(layer: Layer) -> tuple[Held, Held]:
    found = layer.scope.tables.get(named(layer, "table"))
    if found is None:
        raise layer.unsupported("nothing in the file fills its table")
    return found


@reads("HASHTABLE_FIND")
def hashtable_find(g: GraphBuilder, layer: Layer) -> Value:
    """Inputs: the table, what is looked up, and what is given where the table lacks it."""
    keys, values = _table(layer)
    wanted, default, count = layer.x(g, 1), layer.x(g, 2), keys.shape[0]
    if keys.dtype != wanted.dtype or values.dtype != default.dtype:
        raise layer.malformed("its table has keys and values of other types")
    if not count:
        return g.Expand(g.Reshape(default, np.zeros(0, np.int64)), g.Shape(wanted))
    same = cast(g, g.Equal(g.Unsqueeze(wanted, [-1]), keys.value(g)), I32)
    found = g.Greater(g.ReduceMax(same, [-1], keepdims=0), np.int32(0))
    place = g.Where(found, g.ArgMax(same, axis=-1, keepdims=0), np.asarray(count, np.int64))
    return g.Gather(g.Concat(values.value(g), g.Reshape(default, [1]), axis=0), place)


@reads("HASHTABLE_SIZE")
def hashtable_size(g: GraphBuilder, layer: Layer) -> Value:
    return g.Identity(np.asarray([_table(layer)[0].shape[0]], np.int64))
