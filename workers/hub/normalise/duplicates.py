"""Equal initialisers are stored once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.hub.normalise.change import changed
from workers.hub.save import raw_bytes
from workers.inspect.pages import let_go, span_of
from workers.options import Options
from workers.report.schema import Change

Flat = npt.NDArray[Any]
Kind = tuple[ir.DataType, tuple[int, ...]]

PROBES, PROBE = 16, 64
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
            seen = alike[_sample(_flat(value))]
            kept = next((other for other in seen if _equal(_flat(value), _flat(other))), None)
            if kept is None:
                seen.append(value)  # and not its data, which may have been made for this
                continue
            value.replace_all_uses_with(kept)
            merged.append(value.name or "")
            del model.graph.initializers[value.name or ""]
    return changed("equal-initialisers", "Equal initialisers are stored once.", merged)


def _flat(value: ir.Value) -> Flat:
    """The elements in order: as they lie where they can be seen one after the other, else their bytes."""
    tensor = value.const_value
    assert tensor is not None  # asked above
    if isinstance(tensor, ir.Tensor) and tensor.dtype.bitwidth >= 8:
        array = tensor.numpy()
        row = array.reshape(-1)
        if not row.flags.c_contiguous and np.may_share_memory(row, array) and row.dtype.isnative:
            return row
    return raw_bytes(tensor)


def _sample(data: Flat) -> bytes:
    """The stretches that are compared first; the whole of a small tensor."""
    if data.nbytes <= PROBES * PROBE:
        return data.tobytes()
    read = _reader(data)
    places = np.linspace(0, data.nbytes - PROBE, PROBES).astype(np.int64) // WIDEST * WIDEST
    sample = b"".join(read(int(start), PROBE) for start in places)
    let_go(data)  # the kernel maps the neighbours of what is looked at
    return sample


def _equal(a: Flat, b: Flat) -> bool:
    """Chunk by chunk, so that unequal ones are told early and nothing of their size is made."""
    left, right = _reader(a), _reader(b)
    return all(left(at, CHUNK) == right(at, CHUNK) for at in range(0, a.nbytes, CHUNK))


def _reader(data: Flat) -> Callable[[int, int], bytes]:
    """Gives bytes from a place on. What lies in a file is read from there: mapped pages would count as our memory."""
    span = span_of(data) if data.flags.c_contiguous else None
    if span is None:
        width = data.itemsize
        return lambda start, size: data[start // width : (start + size) // width].tobytes()
    mapping, offset = span
    return lambda start, size: os.pread(mapping.source, min(size, data.nbytes - start), offset + start)
