"""ResNet-152 with random weights as ``predict_net.pb`` + ``init_net.pb`` of about 300 MB: five bytes a number."""

from __future__ import annotations

from pathlib import Path

from benchmarks.networks import Network
from tests.workers.formats.caffe2.nets import write_resnet

DEPTHS = (3, 8, 36, 3)


def generate(folder: Path) -> Network:
    """Write both files into ``folder`` unless they are there."""
    files = (folder / "predict_net.pb", folder / "init_net.pb")
    if not files[-1].exists():
        write_resnet(folder, DEPTHS)
    return Network("ResNet-152", files, {"input_shapes": {"data": [1, 3, 224, 224]}})
