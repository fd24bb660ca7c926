"""VGG-19 with random weights as a binary ``.t7`` of about 550 MB."""

from __future__ import annotations

from pathlib import Path

from benchmarks.networks import Network
from tests.workers.formats.torch7.nets import save, vgg19


def generate(folder: Path) -> Network:
    """Write the file into ``folder`` unless it is there."""
    path = folder / "vgg19.t7"
    if not path.exists():
        save(vgg19(), path)
    return Network("VGG-19", (path,), {"input_shapes": {"input_0": [1, 3, 224, 224]}})
