"""Small hub models for the writer, many in one net so that OpenCV is started once a family."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from tests.workers.formats.cases import run
from workers.formats.caffe.file import Message, read_caffemodel
from workers.formats.caffe.read import read
from workers.formats.caffe.write import write
from workers.formats.contract import ReadRequest, WriteRequest, Written
from workers.hub.graph import GraphBuilder
from workers.inspect.upload import Upload
from workers.options import Options
from workers.toolchains import ToolResult, find

Array = npt.NDArray[Any]
Shape = Sequence[int | str]


@dataclass(frozen=True, eq=False)
class Wanted:
    """One model: what it is built of, the Caffe layers that it becomes, and why OpenCV cannot run those (if so)."""

    name: str
    shapes: Sequence[Shape]
    build: Callable[..., ir.Value]
    layers: str
    low: float = -2.0
    high: float = 2.0
    opencv: str = ""

    @property
    def series(self) -> bool:
        return any(shape[:1] != shape[1:2] and shape[1:2] == ["batch"] for shape in self.shapes)


@dataclass
class Family:
    """Many models as one hub model and the Caffe net that was written of it."""

    inputs: dict[str, Array]
    hub: dict[str, Array]
    written: Written
    folder: Path
    back: dict[str, Array]
    opencv: ToolResult

    @property
    def files(self) -> list[Path]:
        return [self.folder / name for name in self.written.files]

    @property
    def net(self) -> Message:
        return read_caffemodel((self.folder / "model.caffemodel").read_bytes())

    def types(self, name: str) -> list[str]:
        """The types of the layers that were written for one model, in order."""
        layers = [layer for layer in self.net.layer if layer.type not in ("Input", "Silence")]
        return [layer.type for layer in layers if layer.name.split(".")[0] in (name, f"{name}_output")]


def model_of(family: Sequence[Wanted]) -> ir.Model:
    g = GraphBuilder("family")
    for wanted in family:
        inputs = [g.input(f"{wanted.name}_x{index}", shape) for index, shape in enumerate(wanted.shapes)]
        with g.layer(wanted.name, "Source"):
            g.output(wanted.build(g, *inputs), wanted.name)
    return g.model()


def drawn(family: Sequence[Wanted], batch: int) -> dict[str, Array]:
    rng = np.random.default_rng(11)
    return {
        f"{wanted.name}_x{index}": rng.uniform(
            wanted.low, wanted.high, [dim if isinstance(dim, int) else batch for dim in shape]
        ).astype(np.float32)
        for wanted in family
        for index, shape in enumerate(wanted.shapes)
    }


def written(model: ir.Model, folder: Path | None = None) -> tuple[Path, Written]:
    if folder is None:
        folder = Path(mkdtemp(prefix="onnxhub-caffe-"))
        atexit.register(rmtree, folder, ignore_errors=True)
    return folder, write(WriteRequest(model, folder))


def read_back(folder: Path, files: Written, model: ir.Model, fixed: dict[str, list[int]] | None = None) -> ir.Model:
    """The written net by our own reader, with the free axes of the hub model or with these shapes."""
    free = {
        str(value.name): [dim if isinstance(dim, int) else str(dim.value) for dim in value.shape or ()]
        for value in model.graph.inputs
    }
    upload = Upload.of(*(folder / name for name in files.files))
    return read(ReadRequest(upload, Options(input_shapes=fixed or free))).model


def in_opencv(
    files: Sequence[Path], inputs: dict[str, Array], outputs: Sequence[str], work: Path, **options: Any
) -> ToolResult:
    """The net in OpenCV; outputs that it cannot compute are left out, with the reason."""
    toolchain = find("run:caffe")
    assert toolchain is not None, "run: onnxhub toolchain install opencv"
    return toolchain.run(
        "run:caffe", files, inputs, work=work, output_names=outputs, options={"partial": True, **options}
    )


@cache
def family(table: tuple[Wanted, ...], batch: int = 2) -> Family:
    model, inputs = model_of(table), drawn(table, batch)
    hub = run(model, inputs)
    folder, files = written(model)
    # Our reader leaves the first axis free, not the batch of a series, which comes second.
    fixed = {name: list(array.shape) for name, array in inputs.items()} if any(w.series for w in table) else None
    back = run(read_back(folder, files, model, fixed), inputs)
    paths = [folder / name for name in files.files]
    opencv = in_opencv(paths, inputs, files.output_names, folder)
    return Family(inputs, hub, files, folder, back, opencv)
