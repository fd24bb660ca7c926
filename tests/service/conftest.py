"""One service for all tests that leave it well; those that break parts of it start their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.service.serving import Service
from workers.formats.caffe.file import LAYER, NET, blob, print_prototxt, write_caffemodel

MODELS = Path(__file__).parents[1] / "models" / "caffe"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")).running() as running:
        yield running


@pytest.fixture(scope="session")
def lenet() -> list[Path]:
    """A real model, with both of its files."""
    folder = MODELS / "lenet_v1"
    return [folder / "lenet.prototxt", folder / "lenet_iter_10000.caffemodel"]


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """A net of so many layers that each stage of its conversion can be caught at work; 120 MB."""
    folder = tmp_path_factory.mktemp("deep")
    yield write_deep(folder, layers=1200, width=160)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A net of thousands of small layers: reading it takes seconds."""
    return write_deep(tmp_path_factory.mktemp("long"), layers=2000, width=8)


def write_deep(folder: Path, layers: int, width: int) -> list[Path]:
    """``layers`` fully connected layers of ``width`` units, as deploy.prototxt and .caffemodel."""
    random = np.random.default_rng(0)
    net = [LAYER(name="data", type="Input", top=["data"], input_param={"shape": [{"dim": [1, width]}]})]
    below = "data"
    for index in range(layers):
        weight = random.standard_normal((width, width), np.float32) * np.float32((2 / width) ** 0.5)
        bias = np.zeros(width, np.float32)
        net.append(
            LAYER(name=f"fc{index}", type="InnerProduct", bottom=[below], top=[f"fc{index}"],
                  blobs=[blob(weight), blob(bias)], inner_product_param={"num_output": width})
        )  # fmt: skip
        net.append(LAYER(name=f"relu{index}", type="ReLU", bottom=[f"fc{index}"], top=[f"fc{index}"]))
        below = f"fc{index}"
    prototxt, caffemodel = folder / "deep.prototxt", folder / "deep.caffemodel"
    write_caffemodel(NET(name="deep", layer=net), caffemodel)
    for layer in net:
        del layer.blobs
    prototxt.write_text(print_prototxt(NET(name="deep", layer=net)))
    return [prototxt, caffemodel]
