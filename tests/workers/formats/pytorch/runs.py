"""Small models, their files as the writer leaves them, and what onnxruntime and torch compute for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx.reference
import onnx_ir as ir
import onnxruntime
import pytest

from workers.formats.contract import WriteRequest, Written
from workers.formats.pytorch.write import write
from workers.hub.graph import GraphBuilder
from workers.toolchains import Toolchain, find

Array = npt.NDArray[Any]
Build = Callable[..., Any]
RNG = np.random.default_rng(11)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """``build(g, *inputs)`` returns the outputs. ``free`` axes of every input are left symbolic.

    ``says``: what the text must contain. ``oracle``: onnxruntime, or ONNX's reference where that lacks the setting.
    """

    name: str
    inputs: Sequence[Array]
    build: Build
    free: tuple[int, ...] = ()
    says: str = ""
    tolerance: float = 1e-4
    oracle: Literal["onnxruntime", "reference"] = "onnxruntime"

    def __str__(self) -> str:
        return self.name


def built(inputs: Sequence[Array], build: Build, free: Sequence[int] = (), name: str = "small net") -> ir.Model:
    """The model; every free axis of an input has a symbol of its own."""
    g = GraphBuilder(name)
    values = []
    for index, array in enumerate(inputs):
        shape = [f"d{index}{axis}" if axis in free else size for axis, size in enumerate(array.shape)]
        values.append(g.input(f"x{index}", shape, ir.DataType.from_numpy(array.dtype)))
    made = build(g, *values)
    for index, value in enumerate([made] if isinstance(made, ir.Value) else list(made)):
        g.output(value, f"y{index}")
    return g.model()


def by_reference(model: ir.Model, inputs: Sequence[Array]) -> list[Array]:
    """The outputs by ONNX's own reference implementation."""
    evaluator = onnx.reference.ReferenceEvaluator(ir.to_proto(model))
    names = [str(value.name) for value in model.graph.inputs]
    return [np.asarray(y) for y in evaluator.run(None, dict(zip(names, inputs, strict=True)))]


def by_onnxruntime(model: ir.Model, inputs: Sequence[Array]) -> list[Array]:
    """The outputs by onnxruntime, without its own optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    proto = ir.to_proto(model).SerializeToString()
    session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return [np.asarray(y) for y in session.run(None, dict(zip(names, inputs, strict=True)))]


def written(model: ir.Model, folder: Path) -> Written:
    """The files of ``model`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return write(WriteRequest(model, folder))


def torch_toolchain() -> Toolchain:
    """The torch toolchain; a test that needs it fails where it is not installed."""
    toolchain = find("run:pytorch")
    if toolchain is None:
        pytest.fail("the torch toolchain is not installed: onnxhub toolchain install torch")
    return toolchain


def by_torch(folders: Sequence[Path], inputs: Sequence[Sequence[Array]], work: Path) -> list[list[Array] | str]:
    """The outputs of many written models, run in one process; a message in place of outputs where torch failed."""
    arrays: dict[str, Array] = {}
    requests = []
    for folder, given in zip(folders, inputs, strict=True):
        indices = list(range(len(arrays), len(arrays) + len(given)))
        arrays.update((f"a{index}", array) for index, array in zip(indices, given, strict=True))
        requests.append({"model": str(folder / "model.py"), "inputs": indices})
    files = [folder / "model.py" for folder in folders]
    options = {"cases": requests, "threads": 1}
    result = torch_toolchain().run("run:many", files, arrays, work=work, options=options)
    outputs = list(result.outputs.values())
    return [
        [outputs[index] for index in case["outputs"]] if case["ok"] else str(case["error"])
        for case in result.answer["cases"]
    ]


def assert_close(want: Sequence[Array], got: Sequence[Array] | str, tolerance: float = 1e-4) -> None:
    """Shapes and types equal, values within ``1e-5 + tolerance * max|want|``, whole numbers exactly."""
    assert not isinstance(got, str), got
    assert len(got) == len(want)
    for a, b in zip(want, got, strict=True):
        assert (b.shape, b.dtype) == (a.shape, a.dtype)
        if a.dtype.kind in "iub":
            np.testing.assert_array_equal(b, a)
            continue
        finite = np.abs(a[np.isfinite(a)]).max(initial=0)
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 + tolerance * float(finite), equal_nan=True)
