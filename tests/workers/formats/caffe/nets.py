"""Small Caffe nets written for one test: a prototxt and a caffemodel in a temporary folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.workers.formats.cases import run
from workers.formats.caffe.file import LAYER, NET, Message, blob, print_prototxt, write_caffemodel
from workers.formats.caffe.read import read
from workers.formats.contract import Reading, ReadRequest
from workers.inspect.upload import Upload
from workers.options import Options

Array = npt.NDArray[Any]


def layer(
    type: str,
    bottom: str | Sequence[str] = "x",
    top: str | Sequence[str] = "y",
    blobs: Sequence[Array] = (),
    **rest: Any,
) -> dict[str, Any]:
    """A layer's fields; called after its first top unless ``name`` says otherwise."""
    bottoms = [bottom] if isinstance(bottom, str) else list(bottom)
    tops = [top] if isinstance(top, str) else list(top)
    name = rest.pop("name", f"{type.lower()}_{tops[0] if tops else 'end'}")
    return {"name": name, "type": type, "bottom": bottoms, "top": tops, "blobs": [blob(b) for b in blobs], **rest}


def net(inputs: Mapping[str, Sequence[int]], *layers: dict[str, Any]) -> Message:
    entries = [
        {"name": name, "type": "Input", "top": [name], "input_param": {"shape": [{"dim": list(shape)}]}}
        for name, shape in inputs.items()
    ]
    return NET(name="test", layer=[LAYER(**entry) for entry in (*entries, *layers)])


def without_blobs(model: Message) -> Message:
    """The graph alone, as a deploy prototxt has it."""
    kept = [{f.name: v for f, v in entry.fields() if f.name != "blobs"} for entry in model.layer]
    return NET(name=model.name, layer=kept)


def save(folder: Path, model: Message) -> list[Path]:
    prototxt, caffemodel = folder / "deploy.prototxt", folder / "net.caffemodel"
    prototxt.write_text(print_prototxt(without_blobs(model)))
    write_caffemodel(model, caffemodel)
    return [prototxt, caffemodel]


def read_files(*paths: Path, **options: Any) -> Reading:
    return read(ReadRequest(Upload.of(*paths), Options(**options)))


def read_net(folder: Path, model: Message, **options: Any) -> Reading:
    return read_files(*save(folder, model), **options)


def compute(folder: Path, inputs: Mapping[str, Array], *layers: dict[str, Any], **options: Any) -> dict[str, Array]:
    """What the layers make of the inputs, read from files and run in onnxruntime."""
    reading = read_net(folder, net({name: array.shape for name, array in inputs.items()}, *layers), **options)
    return run(reading.model, inputs)


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> Array:
    return (np.random.default_rng([seed, *shape]).random(shape) + 0.5).astype(np.float32)
