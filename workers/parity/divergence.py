"""The first diverging layer, where the reference lets its inner tensors be seen.

Every tensor that both sides have is compared twice: as each side computed it (the error accumulated so far), and as
the subject computes it from the reference's own tensors (the local error, which names the culprit). Errors are shares
of the tolerance: above 1 is out of bounds. Fusions are off on both sides, or the inner tensors would not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.formats.contract import Progress, no_progress
from workers.hub.node import shape_of
from workers.hub.provenance import layer_of, layer_type_of
from workers.hub.save import save
from workers.options import Tolerance
from workers.parity import npz
from workers.parity.cut import part, segment
from workers.parity.metrics import compare
from workers.parity.runtime import RuntimeRefused, Session
from workers.report.schema import Comparison, Divergence, LayerError

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

ONLY_OUTPUTS = "The reference gives only its outputs, so the layer that goes wrong cannot be told"

WINDOW = 256 << 20
"""Bytes of inner tensors that are exposed in one run; a deep network is walked in several."""

ASSUMED = 1 << 20
"""Bytes of a tensor whose shape is not known beforehand."""


class Peek(Protocol):
    """A reference that shows inner tensors: ``names`` are those it has; a call runs it and gives the ones asked for."""

    names: Collection[str]

    def __call__(self, inputs: Arrays, names: Sequence[str]) -> Arrays: ...


class PeekOnnx:
    """An ONNX file as the reference, run by onnxruntime."""

    def __init__(self, path: Path, model: ir.Model) -> None:
        self.path = path
        self.names: Collection[str] = {value.name or "" for node in model.graph for value in node.outputs}

    def __call__(self, inputs: Arrays, names: Sequence[str]) -> Arrays:
        return Session(self.path, expose=names).run(inputs, names)


@dataclass(frozen=True, slots=True)
class Subject:
    """The ONNX model under suspicion, on disk and in memory; ``names``: its tensors -> the reference's that differ."""

    path: Path
    model: ir.Model
    names: Mapping[str, str]

    @classmethod
    def of(cls, path: Path, model: ir.Model, names: Mapping[str, str] | None = None) -> Subject:
        return cls(path, model, names or {})

    def theirs(self, name: str) -> str:
        return self.names.get(name, name)


@dataclass(frozen=True, slots=True)
class Step:
    """One tensor that both sides have, and how the subject computes it from the nearest such tensors upstream."""

    value: ir.Value
    inputs: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.value.name or ""

    @property
    def node(self) -> ir.Node:
        node = self.value.producer()
        assert node is not None  # steps are made from nodes' outputs
        return node


def compare_layers(
    reference: Peek,
    subject: Subject,
    inputs: Arrays,
    *,
    tolerance: Tolerance | None = None,
    progress: Progress = no_progress,
) -> list[LayerError]:
    """Both errors of every tensor that ``reference`` and ``subject`` share, in topological order.

    Raises RuntimeRefused when one of them will not run.
    """
    steps = _steps(reference, subject)
    errors: list[LayerError] = []
    for window in _windows(steps):
        names = list(dict.fromkeys(name for step in window for name in (step.name, *step.inputs)))
        inner = [name for name in names if name not in inputs]
        theirs = reference(inputs, [subject.theirs(name) for name in inner])
        golden = {**inputs, **{name: theirs[subject.theirs(name)] for name in inner}}
        ours = {**inputs, **Session(subject.path, expose=inner).run(inputs, inner)}
        exact = {name for name in names if _same(golden[name], ours[name])}
        for step in window:
            progress(len(errors), len(steps), layer_of(step.node))
            errors.append(_errors(subject, step, golden, ours, exact, tolerance))
    return errors


def first_divergence(
    reference: Peek,
    subject: Subject,
    inputs: Arrays,
    folder: Path,
    *,
    stem: str = "divergence",
    tolerance: Tolerance | None = None,
    progress: Progress = no_progress,
) -> Divergence | None:
    """The first source layer whose local error is out of bounds; None when every inner tensor agrees.

    Leaves ``<stem>.onnx`` (the smallest part of the subject that shows it) and ``<stem>.npz`` (its inputs and the
    reference's outputs) in ``folder``.
    """
    errors = compare_layers(reference, subject, inputs, tolerance=tolerance, progress=progress)
    culprit = next((error for error in errors if error.local is not None and not error.passed), None)
    if culprit is None:
        return _gradual(errors)
    step = next(step for step in _steps(reference, subject) if step.name == culprit.tensor)
    files = _leave_part(reference, subject, step, inputs, folder, stem)
    detail = (
        f"Fed with the reference's own tensors, {culprit.layer!r} ({culprit.layer_type}) gives {culprit.tensor!r} "
        f"{_times(culprit.local)}; every layer before it is within bounds."
    )
    return Divergence(
        layer=culprit.layer,
        layer_type=culprit.layer_type,
        op=culprit.op,
        tensor=culprit.tensor,
        detail=detail,
        model=files[0],
        sample=files[1],
        layers=errors,
    )


def explained(comparison: Comparison, divergence: Divergence | None) -> Comparison:
    """The comparison with what the search found, or with the sentence that outputs alone do not tell."""
    if divergence is not None:
        return comparison.model_copy(update={"divergence": divergence})
    return comparison.model_copy(update={"reason": f"{comparison.reason}. {ONLY_OUTPUTS}".lstrip(". ")})


def _steps(reference: Peek, subject: Subject) -> list[Step]:
    shared = [
        value
        for node in subject.model.graph
        for value in node.outputs
        if value.name and subject.theirs(value.name) in reference.names and _is_tensor(value)
    ]
    names = {value.name or "" for value in shared}
    return [Step(value, tuple(segment(value, names)[0])) for value in shared]


def _is_tensor(value: ir.Value) -> bool:
    return value.type is None or isinstance(value.type, ir.TensorType)


def _windows(steps: Sequence[Step]) -> Iterator[list[Step]]:
    window: list[Step] = []
    size = 0
    for step in steps:
        window.append(step)
        size += _bytes(step.value)
        if size > WINDOW:
            yield window
            window, size = [], 0
    if window:
        yield window


def _bytes(value: ir.Value) -> int:
    shape = shape_of(value)
    if shape is None or not all(isinstance(dim, int) for dim in shape[1:]):
        return ASSUMED
    count = 1
    for dim in shape:
        count *= dim if isinstance(dim, int) else 1
    return int(count * (value.dtype or ir.DataType.FLOAT).itemsize)


def _same(a: Array, b: Array) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.tobytes() == b.tobytes() if a.dtype.kind not in "OT" else bool(np.array_equal(a, b))


def _errors(
    subject: Subject, step: Step, golden: Arrays, ours: Arrays, exact: Collection[str], tolerance: Tolerance | None
) -> LayerError:
    accumulated = compare(step.name, golden[step.name], ours[step.name], tolerance)
    local = accumulated
    alone = True
    if not all(name in exact for name in step.inputs):
        try:
            model = part(subject.model, step.inputs, [step.name], golden)
            local = compare(step.name, golden[step.name], Session.of(model).run(golden)[step.name], tolerance)
        except (RuntimeRefused, ValueError):
            alone = False
    return LayerError(
        tensor=step.name,
        layer=layer_of(step.node),
        layer_type=layer_type_of(step.node),
        op=step.node.op_type,
        accumulated=accumulated.ratio,
        local=local.ratio if alone else None,
        passed=local.passed,
    )


def _gradual(errors: Sequence[LayerError]) -> Divergence | None:
    """Every layer is within bounds by itself, yet the errors add up beyond them."""
    first = next((error for error in errors if error.accumulated > 1.0), None)
    if first is None:
        return None
    worst = max(errors, key=lambda error: error.local or 0.0)
    return Divergence(
        layer=first.layer,
        layer_type=first.layer_type,
        op=first.op,
        tensor=first.tensor,
        detail=(
            f"Errors add up: {first.tensor!r} of {first.layer!r} ({first.layer_type}) is the first tensor out of "
            f"bounds, {_times(first.accumulated)}, yet no layer is by itself; the largest local error, "
            f"{(worst.local or 0.0):.2g} of what is tolerated, is that of {worst.layer!r} ({worst.layer_type})."
        ),
        layers=list(errors),
    )


def _leave_part(
    reference: Peek, subject: Subject, step: Step, inputs: Arrays, folder: Path, stem: str
) -> tuple[str, str]:
    """Write the part and its arrays; the files' names."""
    inner = [name for name in (*step.inputs, step.name) if name not in inputs]
    theirs = reference(inputs, [subject.theirs(name) for name in inner])
    golden = {**inputs, **{name: theirs[subject.theirs(name)] for name in inner}}
    return leave(folder, stem, part(subject.model, step.inputs, [step.name], golden), golden)


def leave(folder: Path, stem: str, model: ir.Model, arrays: Arrays) -> tuple[str, str]:
    """Write ``model`` and, of ``arrays``, its inputs and outputs; the names of the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    save(model, folder / f"{stem}.onnx")
    names = [value.name or "" for value in (*model.graph.inputs, *model.graph.outputs)]
    npz.save(folder / f"{stem}.npz", {name: arrays[name] for name in names})
    return f"{stem}.onnx", f"{stem}.npz"


def _times(ratio: float | None) -> str:
    return "with another shape or other NaN" if ratio is None or np.isinf(ratio) else f"{ratio:.3g} times out of bounds"
