"""How large the tensors of a model get, for drawn inputs, in onnxruntime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir

from workers.hub.save import save

AT_ONCE = 64
"""Tensors that are looked at in one run."""


def peaks(model: ir.Model, seed: int) -> dict[str, float]:
    """The largest magnitude of every float32 tensor that the main graph computes or is given, by name.

    Infinite where a tensor is not finite, and so beyond every type.
    """
    from workers.parity.draw import draw  # it builds on the hub, as this does
    from workers.parity.runtime import RuntimeRefused, Session

    names = [value.name for node in model.graph for value in node.outputs if value.name and _is_float(value)]
    reached: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save(model.clone(), path)
        samples = draw(model, seed=seed)[:2]
        for start in range(0, len(names), AT_ONCE):
            session = Session(path, expose=names[start : start + AT_ONCE])
            for sample in samples:
                try:
                    arrays = session.run(sample.inputs, names[start : start + AT_ONCE])
                except RuntimeRefused:
                    continue
                for name, array in {**sample.inputs, **arrays}.items():
                    peak = float(np.abs(array).max()) if array.size and array.dtype == np.float32 else 0.0
                    reached[name] = max(reached.get(name, 0.0), peak if np.isfinite(peak) else np.inf)
    return reached


def _is_float(value: ir.Value) -> bool:
    return value.dtype is ir.DataType.FLOAT and isinstance(value.type, ir.TensorType)
