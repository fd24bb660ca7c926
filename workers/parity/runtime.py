"""onnxruntime as the reference runtime of the hub: one session a model, plain arrays in and out."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from workers.hub.save import save
from workers.report.schema import Latency

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Device = Literal["cpu", "cuda"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# TF32 rounds the factors of a float32 product to ten bits of mantissa: no basis for a comparison.
CUDA_OPTIONS = {"use_tf32": "0"}
WORDS = 400

FAULTS: tuple[type[Exception], ...] = (
    faults.Fail, faults.InvalidArgument, faults.InvalidGraph, faults.InvalidProtobuf, faults.NoModel,
    faults.NoSuchFile, faults.NotImplemented, faults.RuntimeException, faults.EPFail, faults.EngineError,
    RuntimeError, ValueError, TypeError, OverflowError,
)  # fmt: skip


class RuntimeRefused(Exception):
    """A runtime would not load or run a model; the message is what it said, cut to a readable length."""


def devices() -> tuple[Device, ...]:
    """What onnxruntime can run on here: the CPU always."""
    return ("cpu", "cuda") if CUDA in ort.get_available_providers() else ("cpu",)


class Session:
    """An ONNX model ready to run.

    ``expose`` names tensors inside the graph that ``run`` then gives as well; fusions are off in such a session, so
    that every named tensor exists. Raises RuntimeRefused when onnxruntime will not load the model.
    """

    def __init__(self, path: Path, *, device: Device = "cpu", expose: Sequence[str] = ()) -> None:
        if device not in devices():
            raise RuntimeRefused("onnxruntime has no CUDA execution provider here")
        options = _options(plain=bool(expose))
        providers: list[Any] = [CPU] if device == "cpu" else [(CUDA, CUDA_OPTIONS), CPU]
        try:
            model: str | bytes = str(path)
            if expose:
                model = _exposed(path, expose)
                options.add_session_config_entry(
                    "session.model_external_initializers_file_folder_path", str(path.parent.resolve())
                )
            self._session = ort.InferenceSession(model, options, providers=providers)
        except FAULTS as error:
            raise RuntimeRefused(_words(error)) from error
        self.input_names: list[str] = [value.name for value in self._session.get_inputs()]
        self.output_names: list[str] = [value.name for value in self._session.get_outputs()]
        self.provider: str = self._session.get_providers()[0]
        if device == "cuda" and self.provider != CUDA:
            raise RuntimeRefused("onnxruntime could not start the CUDA execution provider")

    @classmethod
    def of(cls, model: ir.Model, *, device: Device = "cpu") -> Session:
        """A session of a model in memory, by way of a temporary file."""
        with tempfile.TemporaryDirectory(prefix="onnxhub-session-") as folder:
            path = Path(folder) / "model.onnx"
            save(model, path, external=False)
            return cls(path, device=device)

    def run(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Outputs by name, all of them or those asked for. Inputs that the model does not have are left aside."""
        names = list(outputs) if outputs is not None else self.output_names
        fed = {name: inputs[name] for name in self.input_names if name in inputs}
        try:
            results = self._session.run(names, fed)
        except FAULTS as error:
            raise RuntimeRefused(_words(error)) from error
        return dict(zip(names, results, strict=True))


def latency(runtime: str, run: Callable[[], object], *, runs: int = 20, budget: float = 2.0) -> Latency:
    """The median seconds of ``run()`` after one call to warm up: ``runs`` calls, fewer once ``budget`` s are spent."""
    run()
    times: list[float] = []
    deadline = time.perf_counter() + budget
    while len(times) < runs and (not times or time.perf_counter() < deadline):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return Latency(runtime=runtime, seconds=statistics.median(times), runs=len(times))


def _options(*, plain: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    if plain:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _exposed(path: Path, names: Iterable[str]) -> bytes:
    """The model with further graph outputs; weights in files beside it stay there."""
    model = onnx.load(path, load_external_data=False)
    have = {value.name for value in model.graph.output}
    for name in dict.fromkeys(names):
        if name not in have:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    data: bytes = model.SerializeToString()
    return data


def _words(error: Exception) -> str:
    """What onnxruntime said, on one line, without its status prefix."""
    text = " ".join(str(error).split())
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"
