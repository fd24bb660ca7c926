"""The verdict: what a model computes held against a reference, sample by sample, the worst of them deciding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import Canceled, ConversionError
from workers.hub.provenance import layer_of
from workers.options import Tolerance
from workers.parity.metrics import compare, missing
from workers.parity.runtime import CPU, RuntimeRefused
from workers.parity.samples import Sample
from workers.parity.tolerance import FLOAT32, tolerance_for
from workers.report.schema import Comparison, Latency, Metrics, Verdict
from workers.report.schema import Sample as SampleReport
from workers.report.text import number

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Shapes = dict[str, list[int]]

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
LISTED = 3


@dataclass(frozen=True, slots=True)
class Runs:
    """One side of a comparison: a model in its runtime, run once a sample and remembered.

    ``call`` takes inputs and gives outputs, both by the hub's names; it raises RuntimeRefused or a ConversionError
    when the runtime will not. ``recorded()`` is the side that the user brought: the outputs stored in the samples.
    """

    title: str
    call: Callable[[Arrays], Arrays] | None
    _seen: dict[str, Arrays | str] = field(default_factory=dict)

    @classmethod
    def recorded(cls, title: str = "user samples") -> Runs:
        return cls(title, None)

    @classmethod
    def done(cls, title: str, results: Mapping[str, Arrays | str]) -> Runs:
        """Runs that lie behind us: by the sample's name its outputs, or the runtime's words why there are none."""
        return cls(title, lambda inputs: {}, dict(results))

    def outputs(self, sample: Sample) -> Arrays:
        """Raises RuntimeRefused with the runtime's words, every time again for the same sample."""
        if self.call is None:
            return sample.outputs
        if sample.name not in self._seen:
            self._seen[sample.name] = self._run(sample)
        seen = self._seen[sample.name]
        if isinstance(seen, str):
            raise RuntimeRefused(seen)
        return seen

    def _run(self, sample: Sample) -> Arrays | str:
        assert self.call is not None
        try:
            return {name: np.asarray(array) for name, array in self.call(sample.inputs).items()}
        except Canceled:
            raise
        except ConversionError as error:
            return error.detail
        except RuntimeRefused as error:
            return str(error)


def compare_runs(
    subject: str,
    reference: Runs,
    result: Runs,
    samples: Sequence[Sample],
    *,
    tolerance: Tolerance | None = None,
    tolerances: Mapping[str, Tolerance] | None = None,
    doubts: Sequence[str] = (),
    provider: str = CPU,
    independent: bool = True,
    latency: Sequence[Latency] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Hold ``result`` against ``reference`` on every sample; ``tolerances`` are those of outputs with their own.

    ``verified`` when all outputs agree (``round_trip`` when the reference is not ``independent`` of our own code);
    ``mismatched`` when one disagrees, but with ``doubts`` about a runtime that proves nothing and is ``unverified``, as
    it is when a runtime refuses. A sample that both sides refuse counts for nothing as long as others were compared; so
    does one of sizes that only the reference refuses, for source files may be bound to theirs: the reason tells it.
    """
    tally = _Tally()
    for done, sample in enumerate(samples):
        if progress is not None:
            progress(done, len(samples), sample.name)
        _hold(tally, reference, result, sample, tolerance, tolerances or {})
    verdict, reason = _verdict(tally, doubts, independent)
    bounds = max(tally.bounds, key=lambda held: (held.rtol, held.atol), default=tolerance or FLOAT32)
    return Comparison(
        subject=subject,
        against=reference.title,
        verdict=verdict,
        reason=reason,
        provider=provider,
        tolerance={"rtol": bounds.rtol, "atol": bounds.atol, "cosine": bounds.cosine},
        samples=tally.samples,
        latency=list(latency),
        doubts=list(doubts),
    )


@dataclass(slots=True)
class _Tally:
    samples: list[SampleReport] = field(default_factory=list)
    failed: list[tuple[str, Metrics]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    both_refuse: list[str] = field(default_factory=list)
    without_reference: list[tuple[Shapes, str]] = field(default_factory=list)
    unheld: set[str] = field(default_factory=set)
    bounds: list[Tolerance] = field(default_factory=list)
    finite: bool = False


def _hold(
    tally: _Tally,
    reference: Runs,
    result: Runs,
    sample: Sample,
    tolerance: Tolerance | None,
    own: Mapping[str, Tolerance],
) -> None:
    """Compare one sample, or note who refused it."""
    shapes = {name: list(array.shape) for name, array in sample.inputs.items()}
    wanted, why_not = _outputs(reference, sample)
    got, why_neither = _outputs(result, sample)
    if wanted is None and got is None:
        tally.both_refuse.append(f"{sample.name} ({why_neither})")
    elif wanted is None:
        words = f"{reference.title} did not run the sample {sample.name}: {why_not}"
        tally.without_reference.append((shapes, words))
    elif got is None:
        tally.refusals.append(f"{result.title} did not run the sample {sample.name}: {why_neither}")
    elif not wanted:
        tally.refusals.append(f"{reference.title} has no outputs for the sample {sample.name}")
    else:
        tensors = [
            compare(name, array, got[name], own.get(name, tolerance)) if name in got else missing(name, array)
            for name, array in wanted.items()
        ]
        tally.failed += [(sample.name, metrics) for metrics in tensors if not metrics.passed]
        tally.bounds += [tolerance_for(array.dtype, own.get(name, tolerance)) for name, array in wanted.items()]
        tally.finite |= any(_has_finite(array) for array in wanted.values())
        tally.unheld |= set(got) - set(wanted)
        tally.samples.append(
            SampleReport(name=sample.name, origin=sample.origin, seed=sample.seed, shapes=shapes, tensors=tensors)
        )


def _outputs(runs: Runs, sample: Sample) -> tuple[Arrays | None, str]:
    try:
        return runs.outputs(sample), ""
    except RuntimeRefused as error:
        return None, str(error)


def _has_finite(array: Array) -> bool:
    """An empty tensor has nothing that could be wrong; one of nothing but NaN has nothing that could be right."""
    if array.size == 0 or array.dtype.kind in "OUSTbiu":
        return True
    return bool(np.isfinite(array).any())


def _verdict(tally: _Tally, doubts: Sequence[str], independent: bool) -> tuple[Verdict, str]:
    if tally.failed:
        words = _failures(tally.failed)
        if not doubts:
            return "mismatched", words
        return "unverified", f"{words}. This proves nothing, because {'; '.join(doubts)}"
    refusals = [*tally.refusals, *_unexcused(tally)]
    if refusals:
        return "unverified", _few(refusals)
    if not tally.samples:
        refused = f"every sample was refused: {_few(tally.both_refuse)}" if tally.both_refuse else "there was no sample"
        return "unverified", refused
    if not tally.finite:
        return (
            "unverified",
            "the outputs hold nothing but NaN and Inf on every sample, so their agreement means nothing",
        )
    return ("verified" if independent else "round_trip"), _reservations(tally)


def _unexcused(tally: _Tally) -> list[str]:
    """Refusals of the reference that sizes do not explain: samples of the same sizes were compared, or none at all."""
    compared = [sample.shapes for sample in tally.samples]
    return [words for shapes, words in tally.without_reference if not compared or shapes in compared]


def _failures(failed: Sequence[tuple[str, Metrics]]) -> str:
    """The worst tensor in a sentence, and how many others."""
    name, worst = max(failed, key=lambda entry: entry[1].ratio)
    words = f"{worst.name!r} on the sample {name}: {_words(worst)}"
    others = len(failed) - 1
    return (
        words if not others else f"{words}; {others} more {'tensor disagrees' if others == 1 else 'tensors disagree'}"
    )


def _words(metrics: Metrics) -> str:
    if metrics.problem is not None:
        return metrics.problem
    if metrics.ratio > 1.0:
        times = "" if math.isinf(metrics.ratio) else f", {number(metrics.ratio)} times what is tolerated"
        return f"max|a-b| is {number(metrics.max_abs)}{times}"
    return f"the cosine similarity is {metrics.cosine:.7g}"


def _reservations(tally: _Tally) -> str:
    """What a good verdict does not cover."""
    words = []
    if tally.unheld:
        words.append(f"no reference for the output {_few(sorted(map(repr, tally.unheld)), ', ')}")
    if tally.both_refuse:
        words.append(f"refused by both runtimes, so not compared: {_few(tally.both_refuse)}")
    if tally.without_reference:
        words.append(f"not compared at other sizes: {_few([told for _, told in tally.without_reference])}")
    return "; ".join(words)


def _few(words: Sequence[str], separator: str = "; ") -> str:
    shown = separator.join(words[:LISTED])
    return shown if len(words) <= LISTED else f"{shown} and {len(words) - LISTED} more"


def worst_sample(comparison: Comparison, samples: Sequence[Sample]) -> Sample | None:
    """The sample with the tensor that is furthest out of bounds: the one to look for the layer with."""
    failed = [
        (tensor.ratio, report.name) for report in comparison.samples for tensor in report.tensors if not tensor.passed
    ]
    name = max(failed, key=lambda entry: entry[0])[1] if failed else None
    return next((sample for sample in samples if sample.name == name), None)


def randomness(model: ir.Model) -> list[str]:
    """Doubts about a model that draws random numbers as it runs: no two runs of it agree, whoever runs them."""
    nodes: Iterable[ir.Node] = model.graph.all_nodes()
    layers = list(dict.fromkeys(layer_of(node) for node in nodes if node.op_type in RANDOM))
    return [f"the model draws random numbers in {_few(list(map(repr, layers)), ', ')}"] if layers else []
