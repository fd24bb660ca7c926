"""What is particular to the recorded MXNet models."""

from tests.workers.formats.cases import Expected

EXPECTED = Expected(
    fixed={
        "opzoo_reduce": "its slice_axis0 spells out a batch of two",
        "opzoo_shape": "its reshape5 spells out a batch of two",
    }
)
