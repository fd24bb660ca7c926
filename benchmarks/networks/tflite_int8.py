"""ResNet-152 of random weights in eight-bit integers as a ``.tflite`` of about 60 MB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.networks import Network
from benchmarks.networks.tflite import DEPTHS, written


def generate(folder: Path, depths: Sequence[int] = DEPTHS) -> Network:
    """Write the file into ``folder`` unless it is there."""
    return written(folder / "resnet152_int8.tflite", "ResNet-152 in eight bits", depths, quantised=True)
