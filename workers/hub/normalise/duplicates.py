"""Equal initialisers are stored once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.hub.normalise.change import changed
from workers.hub.save import raw_bytes, span_of
from workers.options import Options
from workers.report.schema import Change

Bytes = npt.NDArray[np.uint8]
Kind = tuple[ir.DataType, tuple[int, ...]]

PROBES, PROBE = 16, 64
"""So many stretches of so many bytes, evenly spread, tell most tensors apart without reading them."""
CHUNK = 1 << 20


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
        alike: dict[bytes, list[tuple[ir.Value, Bytes]]] = defaultdict(list)
        for value in values if len(values) > 1 else ():
            assert value.const_value is not None  # asked above
            data = raw_bytes(value.const_value)
            seen = alike[_sample(data)]
            kept = next((other for other, theirs in seen if _equal(data, theirs)), None)
            if kept is None:
                seen.append((value, data))
                continue
            value.replace_all_uses_with(kept)
            merged.append(value.name or "")
            del model.graph.initializers[value.name or ""]
    return changed("equal-initialisers", "Equal initialisers are stored once.", merged)


def _sample(data: Bytes) -> bytes:
    """The stretches that are compared first; the whole of a small tensor."""
    if data.size <= PROBES * PROBE:
        return data.tobytes()
    read = _reader(data)
    return b"".join(read(int(start), PROBE) for start in np.linspace(0, data.size - PROBE, PROBES))


def _equal(a: Bytes, b: Bytes) -> bool:
    """Chunk by chunk, so that unequal ones are told early and nothing of their size is made."""
    left, right = _reader(a), _reader(b)
    return all(left(at, CHUNK) == right(at, CHUNK) for at in range(0, a.size, CHUNK))


def _reader(data: Bytes) -> Callable[[int, int], bytes]:
    """Gives bytes from a place on. What lies in a file is read from there: mapped pages would count as our memory."""
    span = span_of(data)
    if span is None:
        return lambda start, size: data[start : start + size].tobytes()
    mapping, offset = span
    return lambda start, size: os.pread(mapping.source, min(size, data.size - start), offset + start)
