"""The last gates of the hub: ONNX's checker with strict shape inference, the budget, and onnxruntime itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import onnx
import onnx_ir as ir
import onnxruntime

from workers.errors import CheckerFailed, LimitExceeded
from workers.hub.propagation import infer_all
from workers.hub.skeleton import checkable
from workers.inspect.budget import check_runnable

Device = Literal["cpu", "cuda"]


def check(model: ir.Model) -> None:
    """ONNX's full check and strict shape inference with data propagation, without a byte of the weights; the budget.

    Raises CheckerFailed naming the node where ONNX tells it, LimitExceeded for what must not be run.
    """
    check_proto(checkable(model))
    check_runnable(model)


def check_proto(proto: onnx.ModelProto, file: str | None = None) -> None:
    """The same for a serialised skeleton whose large weights are graph inputs."""
    try:
        onnx.checker.check_model(proto)
        infer_all(proto, check_type=True, strict=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise CheckerFailed(_sentence(error), file=file, layer=_node_in(str(error))) from error


# How the checker, shape inference and onnxruntime name the node that they trip over.
NODE_NAMES = (
    re.compile(r"node name: ([^\s)]+)"),
    re.compile(r"Name:\s*'([^']+)'"),
    re.compile(r"Node ?\(([^)]+)\)"),
    re.compile(r"node with name '([^']+)'"),
)


def _node_in(text: str) -> str | None:
    for pattern in NODE_NAMES:
        found = pattern.search(text)
        if found:
            return found.group(1)
    return None


def _sentence(error: BaseException) -> str:
    """The checker's words on one line, without the dump of the model that follows them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:1000]


def _without_path(error: BaseException, model: str | bytes) -> str:
    """onnxruntime's words with the file's name instead of where this machine keeps it."""
    words = _sentence(error)
    return words.replace(model, Path(model).name) if isinstance(model, str) else words


def session(
    path: Path,
    device: Device = "cpu",
    *,
    threads: int = 0,
    optimize: bool = True,
    options: Sequence[tuple[str, str]] = (),
) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the file; external data is found beside it.

    ``cuda`` runs with TF32 off, which would round every product to ten bits. ``threads`` 0 leaves the choice to
    onnxruntime; ``optimize=False`` runs the graph as it stands. Raises CheckerFailed naming the node, and for ``cuda``
    where there is no such provider.
    """
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    settings.enable_cpu_mem_arena = False
    if not optimize:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for key, value in options:
        settings.add_session_config_entry(key, value)
    if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise CheckerFailed("this onnxruntime has no CUDA", hint="Run on the CPU, or install onnxruntime-gpu.")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    return open_session(str(path), settings, providers, path.name)


def open_session(
    model: str | bytes, settings: onnxruntime.SessionOptions, providers: list[Any], file: str | None = None
) -> onnxruntime.InferenceSession:
    """Load a model, with onnxruntime's refusals turned into ours."""
    try:
        return onnxruntime.InferenceSession(model, settings, providers=providers)
    except MemoryError as error:
        raise LimitExceeded("memory", "onnxruntime ran out of memory while loading the model", file=file) from error
    except Exception as error:
        # onnxruntime's classes of error (Fail, InvalidGraph, NotImplemented, ...) share no base but Exception.
        if type(error).__module__.split(".")[0] != "onnxruntime":
            raise
        raise CheckerFailed(
            f"onnxruntime does not load the model: {_without_path(error, model)}", file=file, layer=_node_in(str(error))
        ) from error
