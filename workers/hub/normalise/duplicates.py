"""Equal initialisers are stored once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from workers.hub.elements import Array, elements, in_order
from workers.hub.normalise.change import changed
from workers.inspect.pages import let_go, span_of
from workers.options import Options
from workers.report.schema import Change

Kind = tuple[ir.DataType, tuple[int, ...]]

PROBES, PROBE = 4, 64
"""So many stretches of so many bytes, evenly spread, tell most tensors apart without reading them."""
CHUNK = 1 << 20
WIDEST = 16
"""Bytes of the widest element: every place that is read from is a multiple."""


def merge_equal(model: ir.Model, options: Options) -> list[Change]:
    """Let one initialiser serve all uses of those with the same type, shape and bytes; names of the first survive.

    Only those that agree in type, shape and a sample of their bytes are read in full.
    """
    kinds: dict[Kind, list[ir.Value]] = defaultdict(list)
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is not None and tensor.dtype != ir.DataType.STRING and not value.is_graph_output():
            kinds[tensor.dtype, tuple(tensor.shape.numpy())].append(value)
    merged = []
    for values in kinds.values():
        alike: dict[bytes, list[ir.Value]] = defaultdict(list)
        for value in values if len(values) > 1 else ():
            array = _elements(value)
            seen = alike[_sample(array)]
            kept = next((other for other in seen if _equal(array, _elements(other))), None)
            if kept is None:
                seen.append(value)  # and not its data, which may have been made for this
                continue
            value.replace_all_uses_with(kept)
            merged.append(value.name or "")
            del model.graph.initializers[value.name or ""]
    return changed("equal-initialisers", "Equal initialisers are stored once.", merged)


def _elements(value: ir.Value) -> Array:
    assert value.const_value is not None  # asked above
    return elements(value.const_value)


def _sample(array: Array) -> bytes:
    """The stretches that are compared first; the whole of a small tensor."""
    if array.nbytes <= PROBES * PROBE:
        return array.tobytes()
    read = _reader(array)
    places = np.linspace(0, array.nbytes - PROBE, PROBES).astype(np.int64) // WIDEST * WIDEST
    sample = b"".join(read(int(start), PROBE) for start in places)
    let_go(array)  # the kernel maps the neighbours of what is looked at
    return sample


def _equal(a: Array, b: Array) -> bool:
    """Chunk by chunk, so that unequal ones are told early and nothing of their size is made."""
    left, right = _reader(a), _reader(b)
    return all(left(at, CHUNK) == right(at, CHUNK) for at in range(0, a.nbytes, CHUNK))


def _reader(array: Array) -> Callable[[int, int], bytes]:
    """Gives bytes from a place on. What lies in a file is read from there: mapped pages would count as our memory."""
    span = span_of(array) if in_order(array) else None
    if span is None:
        width, ordered = array.itemsize, array.dtype.newbyteorder("<")
        return lambda start, size: array.flat[start // width : (start + size) // width].astype(ordered).tobytes()
    mapping, offset = span
    return lambda start, size: os.pread(mapping.source, min(size, array.nbytes - start), offset + start)
