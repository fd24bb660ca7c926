"""The first diverging layer, where the target's runtime gives only outputs: the hub graph is cut and rewritten.

A front part of the hub model, up to a place between two source layers, is written by the same writer and run in the
target's runtime; all tensors that cross the place are held against onnxruntime's. The place where agreement ends is
found in log2(layers) rewritings. Then the layer is written alone, fed with onnxruntime's tensors, to be sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from workers.errors import Canceled, ConversionError
from workers.formats.contract import Progress, no_progress
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Tolerance
from workers.parity.cut import crossing, entering, layer_ends, needed_inputs, part
from workers.parity.divergence import leave
from workers.parity.metrics import compare, missing
from workers.parity.runtime import RuntimeRefused, Session
from workers.report.schema import Divergence, LayerError, Metrics

Arrays = Mapping[str, npt.NDArray[Any]]
Run = Callable[[Arrays], Arrays]
Rewrite = Callable[[ir.Model], Run]
"""Writes a part of the hub model for the target and gives what runs it: inputs to outputs, by the part's names.
Raises a ConversionError when the writer or the runtime cannot; so may the run."""


@dataclass(slots=True)
class _Search:
    """``ends``: places between layers, as numbers of nodes in front; ``errors`` by place; ``seen``: tensors so far."""

    hub: ir.Model
    path: Path
    rewrite: Rewrite
    inputs: Arrays
    tolerance: Tolerance | None
    nodes: Sequence[ir.Node]
    ends: Sequence[int]
    errors: dict[int, LayerError] = field(default_factory=dict)
    seen: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def agrees(self, place: int) -> bool | None:
        """Does the target compute the same up to place ``place``? None when that part cannot be written or run."""
        end = self.ends[place]
        values = [value for value in crossing(self.nodes, self.hub.graph.outputs, 0, end) if _is_float(value)]
        worst = self._worst(needed_inputs(self.hub, self.nodes[:end]), [value.name or "" for value in values])
        if worst is None:
            return None
        made_by = next(value.producer() for value in values if value.name == worst.name)
        assert made_by is not None  # it crosses a place between nodes
        self.errors[place] = _error(made_by, worst, local=False)
        return worst.passed

    def alone(self, first: int, last: int) -> Metrics | None:
        """The worst tensor of the layers ``first``..``last`` fed with the hub's tensors; None when that cannot be."""
        start = self.ends[first - 1] if first else 0
        end = self.ends[last]
        values = crossing(self.nodes, self.hub.graph.outputs, start, end)
        entered = [value.name or "" for value in entering(self.nodes[start:end])]
        return self._worst(entered, [value.name or "" for value in values if _is_float(value)])

    def golden(self, names: Sequence[str]) -> Arrays:
        """Tensors as onnxruntime computes them, graph inputs included."""
        new = [name for name in names if name not in self.inputs and name not in self.seen]
        if new:
            self.seen.update(Session(self.path, expose=new).run(self.inputs, new))
        return {**self.inputs, **self.seen}

    def _worst(self, inputs: Sequence[str], outputs: Sequence[str]) -> Metrics | None:
        if not outputs or not inputs:
            return None
        golden = self.golden([*inputs, *outputs])
        try:
            run = self.rewrite(part(self.hub, inputs, outputs, golden))
            results = run({name: golden[name] for name in inputs})
        except Canceled:
            raise
        except (ConversionError, RuntimeRefused, ValueError):
            return None
        metrics = [
            compare(name, golden[name], results[name], self.tolerance)
            if name in results
            else missing(name, golden[name])
            for name in outputs
        ]
        return max(metrics, key=lambda m: (not m.passed, m.ratio))


def bisect(
    hub: ir.Model,
    path: Path,
    rewrite: Rewrite,
    inputs: Arrays,
    folder: Path,
    *,
    stem: str = "divergence",
    tolerance: Tolerance | None = None,
    progress: Progress = no_progress,
) -> Divergence | None:
    """The first source layer that the written target computes otherwise than ``hub`` (saved at ``path``).

    To be called on a mismatch; None when the target, rewritten from the hub, agrees after all. Leaves the smallest part
    that shows it in ``folder``, as ``<stem>.onnx`` and ``<stem>.npz`` with onnxruntime's tensors.
    """
    nodes = list(hub.graph)
    search = _Search(hub, path, rewrite, inputs, tolerance, nodes, layer_ends(nodes))
    good, bad = -1, len(search.ends) - 1
    if search.agrees(bad) is True:
        return None
    rounds = 1 + math.ceil(math.log2(len(search.ends) + 1))
    for done in range(len(search.ends)):
        if bad - good <= 1:
            break
        progress(min(done, rounds), rounds, layer_of(nodes[search.ends[bad] - 1]))
        found = _probe(search, good, bad)
        if found is None:
            break
        good, bad = (found[0], bad) if found[1] else (good, found[0])
    return _told(search, good, bad, folder, stem)


def _probe(search: _Search, good: int, bad: int) -> tuple[int, bool] | None:
    """A place between ``good`` and ``bad``, the nearest to their middle that can be tried, and whether it agrees."""
    for place in _outward((good + bad) // 2, good, bad):
        agrees = search.agrees(place)
        if agrees is not None:
            return place, agrees
    return None


def _outward(middle: int, low: int, high: int) -> Iterator[int]:
    for distance in range(high - low):
        for place in dict.fromkeys((middle + distance, middle - distance)):
            if low < place < high:
                yield place


def _told(search: _Search, good: int, bad: int, folder: Path, stem: str) -> Divergence:
    """Confirm the layers behind ``good`` up to ``bad`` alone, with more layers in front if need be, and name them."""
    first, worst = good + 1, None
    for first in _backward(good + 1):
        worst = search.alone(first, bad)
        if worst is not None and not worst.passed:
            break
    node = search.nodes[search.ends[bad] - 1]
    start = search.ends[good] if good >= 0 else 0
    suspects = list(dict.fromkeys(layer_of(n) for n in search.nodes[start : search.ends[bad]]))
    tensor = search.errors[bad].tensor if bad in search.errors else (node.outputs[0].name or "")
    files: tuple[str | None, str | None] = (None, None)
    if worst is not None and not worst.passed:
        tensor = worst.name
        files = _leave(search, first, bad, tensor, folder, stem)
        if first == good + 1:
            search.errors[bad] = _error(node, worst, local=True, accumulated=search.errors.get(bad))
    return Divergence(
        layer=layer_of(node),
        layer_type=layer_type_of(node),
        op=node.op_type,
        tensor=tensor,
        detail=_detail(search, good, bad, first, worst, suspects),
        model=files[0],
        sample=files[1],
        layers=[search.errors[place] for place in sorted(search.errors)],
    )


def _backward(first: int) -> Iterator[int]:
    """The layer itself, then with 1, 3, 7, ... layers in front of it, at last all."""
    width = 0
    while first - width > 0:
        yield first - width
        width = 2 * width + 1
    yield 0


def _leave(
    search: _Search, first: int, last: int, tensor: str, folder: Path, stem: str
) -> tuple[str | None, str | None]:
    start = search.ends[first - 1] if first else 0
    entered = [value.name or "" for value in entering(search.nodes[start : search.ends[last]])]
    golden = search.golden([*entered, tensor])
    return leave(folder, stem, part(search.hub, entered, [tensor], golden), golden)


def _detail(search: _Search, good: int, bad: int, first: int, worst: Metrics | None, suspects: Sequence[str]) -> str:
    where = repr(suspects[0]) if len(suspects) == 1 else f"between {suspects[0]!r} and {suspects[-1]!r}"
    before = "the layers before agree" if good >= 0 else "nothing computes before it"
    if worst is None or worst.passed:
        return f"The target goes wrong at {where}; {before}. Written alone, the layer could not be shown to be wrong."
    off = f"max|a-b| = {worst.max_abs:.3g}" if worst.problem is None else worst.problem
    if first == good + 1:
        return f"Written alone and fed with onnxruntime's tensors, {where} gives {worst.name!r} with {off}; {before}."
    company = layer_of(search.nodes[search.ends[first - 1] if first else 0])
    return f"The target goes wrong at {where} ({worst.name!r}: {off}); it shows from {company!r} on; {before}."


def _error(node: ir.Node, worst: Metrics, *, local: bool, accumulated: LayerError | None = None) -> LayerError:
    return LayerError(
        tensor=worst.name,
        layer=layer_of(node),
        layer_type=layer_type_of(node),
        op=node.op_type,
        accumulated=accumulated.accumulated if accumulated is not None else worst.ratio,
        local=worst.ratio if local else None,
        passed=worst.passed,
    )


def _is_float(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()
