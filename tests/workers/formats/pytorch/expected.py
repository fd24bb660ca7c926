"""What is particular to PyTorch's recorded models."""

from __future__ import annotations

from tests.workers.formats.cases import Expected

EXPECTED = Expected(
    steps={
        # One step of the quint8 output: fbgemm accumulates in integers, QDQ in floats.
        "ts_quantised_static": 0.1,
    },
)
