"""The recorded cases under tests/models/<system>/<case>, and the one comparison that all readers' tests share.

A case holds model files as a framework saved them and ``io_0.npz``/``io_1.npz``: inputs with the framework's own
outputs, ``input_i`` and ``output_i`` in the order of ``case.json``'s lists.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module, util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime

from workers.formats.contract import ReadRequest
from workers.inspect import archives
from workers.inspect.upload import Upload, UploadedFile
from workers.options import Options

Array = npt.NDArray[Any]
SCRATCH = tempfile.TemporaryDirectory()
MODELS = Path(__file__).parents[2] / "models"


@dataclass(frozen=True)
class Sample:
    """One recorded run: arrays by tensor name, in the case's order."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


@dataclass(frozen=True)
class Case:
    folder: Path

    def __str__(self) -> str:
        return self.folder.name

    @cached_property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return facts

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def files(self) -> list[Path]:
        return [self.folder / name for name in self.facts["model"]]

    @cached_property
    def uploaded(self) -> tuple[UploadedFile, ...]:
        found: list[UploadedFile] = []
        for path in self.files:
            file = UploadedFile(path.relative_to(self.folder).as_posix(), path, path.stat().st_size)
            found += (
                archives.unpack(file, Path(tempfile.mkdtemp(dir=SCRATCH.name))) if archives.is_archive(file) else [file]
            )
        return tuple(found)

    @property
    def options(self) -> Options:
        return Options(**self.facts.get("options", {}))

    @property
    def input_names(self) -> list[str]:
        return [entry["name"] for entry in self.facts["inputs"]]

    @property
    def output_names(self) -> list[str]:
        return [entry["name"] for entry in self.facts["outputs"]]

    def request(self, **options: Any) -> ReadRequest:
        """What a user uploads, archives unpacked, with the case's options changed by ``options``."""
        return ReadRequest(Upload(self.uploaded, self.folder), Options(**{**self.facts.get("options", {}), **options}))

    def sample(self, index: int) -> Sample:
        with np.load(self.folder / f"io_{index}.npz") as arrays:
            inputs = {name: arrays[f"input_{i}"] for i, name in enumerate(self.input_names)}
            outputs = {name: arrays[f"output_{i}"] for i, name in enumerate(self.output_names)}
        return Sample(inputs, outputs)


@dataclass(frozen=True)
class Expected:
    """What is particular to one system's recorded cases, by their names; the rest must hold for all of them.

    ``fixed``: why the batch of a case can't be left free. ``steps``: the size of one quantisation step of a case's
    outputs, in their units, by which they may differ.
    """

    fixed: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)


def systems() -> list[str]:
    """The systems that have both a reader and recorded cases."""
    found = sorted({path.parents[1].name for path in MODELS.glob("*/*/case.json")})
    return [system for system in found if system != "onnx" and util.find_spec(f"workers.formats.{system}.read")]


def expected(system: str) -> Expected:
    """The table in ``tests/workers/formats/<system>/expected.py``; a system without one has no exceptions."""
    if not (Path(__file__).parent / system / "expected.py").exists():
        return Expected()
    table: Expected = import_module(f"tests.workers.formats.{system}.expected").EXPECTED
    return table


def cases(system: str, *names: str) -> list[Case]:
    """All cases of a system that are meant to convert (or those named), for ``pytest.mark.parametrize(ids=str)``."""
    found = [Case(path.parent) for path in sorted((MODELS / system).glob("*/case.json"))]
    return [case for case in found if (case.name in names if names else "expect" not in case.facts)]


def run(model: ir.Model, inputs: Mapping[str, Array], folder: Path | None = None) -> dict[str, Array]:
    """All outputs by name, computed by onnxruntime on the CPU after the ONNX checker has passed."""
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def upload_of(folder: Path, files: Mapping[str, bytes]) -> Upload:
    """``files`` as an upload, written below ``folder``."""
    found = []
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found.append(UploadedFile(name, path, len(data)))
    return Upload(tuple(found), folder)


def assert_same(
    want: Mapping[str, Array], got: Mapping[str, Array], *, atol: float = 1e-5, rtol: float = 1e-4, step: float = 0.0
) -> None:
    """Names, shapes and dtypes equal; max|a-b| <= atol + rtol * max|a| and cosine >= 0.99999 for every tensor.

    With ``step``, the size of a quantisation step, values may differ by one, and the cosine is left out.
    """
    assert list(got) == list(want)
    for name, a in want.items():
        b = got[name]
        assert b.shape == a.shape and b.dtype == a.dtype, f"{name}: {b.dtype}{b.shape}, recorded {a.dtype}{a.shape}"
        np.testing.assert_array_equal(np.isfinite(b), np.isfinite(a), err_msg=name)
        x, y = (np.where(np.isfinite(v), v, 0).astype(np.float64).ravel() for v in (a, b))
        worst, scale = np.abs(x - y).max(initial=0), np.abs(x).max(initial=0)
        allowed = max(step * 1.001, atol + rtol * scale)
        assert worst <= allowed, f"{name}: differs by {worst:.3g}, values up to {scale:.3g}"
        norms = np.linalg.norm(x) * np.linalg.norm(y)
        assert not norms or step or x @ y / norms >= 0.99999, f"{name}: cosine {x @ y / norms:.7f}"


def shapes(model: ir.Model) -> dict[str, Sequence[int | str | None]]:
    """The graph inputs' shapes, free axes by their symbol."""
    return {
        str(value.name): [dim if isinstance(dim, int) else dim.value for dim in value.shape or ()]
        for value in model.graph.inputs
    }
