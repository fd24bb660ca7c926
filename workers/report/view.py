"""What the page says that no single member of the report says: the verdict in words, worst cases, groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.report.schema import Comparison, Latency, LayerError, Metrics, Report, Stage, Target, Verdict
from workers.report.text import plural, share

# verdict -> (word, tone, sentence)
VERDICTS: Mapping[str | None, tuple[str, str, str]] = {
    "verified": ("Verified", "good", "Every step agrees with a reference that shares none of our code."),
    "mismatched": ("Mismatched", "bad", "The converted model computes something else than its reference."),
    "unverified": ("Unverified", "warn", "The files were written, but nothing independent proves that they are right."),
    "round_trip": ("Round trip", "warn", "The files read back as what was written; nothing independent was asked."),
    None: ("Not checked", "none", "No step was held against a reference."),
}  # fmt: skip
FAILED = ("Not converted", "bad", "The conversion stopped before anything could be written.")
PARTLY = ("Partly converted", "bad", "Some targets could not be written.")
NO_TARGET = ("Not converted", "bad", "The model was read, but no target could be written.")
REFUSED = ("Refused", "bad", "")

NAMED_LAYERS = 6


@dataclass(frozen=True, slots=True)
class Banner:
    word: str
    tone: str
    sentence: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of the way: the source, the hub, a target."""

    role: str
    title: str
    detail: str
    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Worst:
    """One tensor over all samples: each number is its worst."""

    name: str
    shape: list[int]
    dtype: str
    max_abs: float
    max_rel: float
    normalised: float
    cosine: float
    snr_db: float
    argmax_agree: bool
    ratio: float
    passed: bool
    problem: str | None
    samples: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """All layers of one type that stand in the way for one reason."""

    op: str
    reason: str
    layers: list[str]
    count: int


@dataclass(frozen=True, slots=True)
class Timed:
    stage: Stage
    start: float


def banner(report: Report) -> Banner:
    """The one thing that a reader in a hurry sees."""
    word, tone, sentence = _outcome(report)
    return Banner(word, tone, sentence, tuple(_facts(report)))


def _outcome(report: Report) -> tuple[str, str, str]:
    refused = [target for target in report.targets if target.error is not None]
    if report.error is not None and not report.targets:
        return FAILED if report.hub is None else NO_TARGET
    if refused and report.verdict != "mismatched":
        return NO_TARGET if len(refused) == len(report.targets) else PARTLY
    word, tone, sentence = VERDICTS[report.verdict]
    return word, tone, _about_targets(report) or sentence


def _about_targets(report: Report) -> str:
    """When only some targets are as good as the rest: which."""
    by_verdict: dict[Verdict | None, list[str]] = {}
    for target in report.targets:
        by_verdict.setdefault(target.verdict, []).append(target.title)
    if len(by_verdict) < 2 or report.verdict not in ("mismatched", "unverified", "round_trip"):
        return ""
    return "; ".join(
        f"{' and '.join(titles)}: {VERDICTS[verdict][0].lower()}" for verdict, titles in by_verdict.items()
    )


def _worst_share(ratio: float) -> str:
    if ratio == 0:
        return "bit for bit the same"
    if ratio <= 1:
        return f"the worst element took {share(ratio)} of its tolerance"
    return (
        "an output cannot be compared"
        if math.isinf(ratio)
        else f"the worst element is off by {share(ratio)} its tolerance"
    )


def _facts(report: Report) -> Iterable[str]:
    held = [comparison for comparison in comparisons(report) if comparison.samples]
    if held:
        tensors = sum(len(sample.tensors) for comparison in held for sample in comparison.samples)
        yield f"{plural(len(held), 'comparison')}, {plural(tensors, 'tensor')} held against a reference"
        ratio = max(t.ratio for comparison in held for sample in comparison.samples for t in sample.tensors)
        yield _worst_share(ratio)
    if report.stages:
        total = sum(stage.seconds for stage in report.stages)
        yield f"{total:.1f} s in all" if total >= 0.1 else f"{1000 * total:.0f} ms in all"


def comparisons(report: Report) -> list[Comparison]:
    """All of them: the hub's, then each target's."""
    return [*report.comparisons, *(comparison for target in report.targets for comparison in target.comparisons)]


def subject(report: Report, comparison: Comparison) -> str:
    """What was proved, by its title."""
    titles = {target.format: target.title for target in report.targets}
    return "Hub model" if comparison.subject == "hub" else titles.get(comparison.subject, comparison.subject)


def way(report: Report) -> list[Stop]:
    """Source, hub, targets, each with its own verdict."""
    stops = []
    if report.source is not None:
        detail = plural(len(report.source.files), "file")
        word, tone = ("Read", "none") if report.hub is not None else ("Not read", "bad")
        stops.append(Stop("Source", report.source.title, detail, word, tone))
    if report.hub is not None:
        word, tone, _ = VERDICTS[hub_verdict(report.comparisons)]
        stops.append(Stop("Hub", f"ONNX, opset {report.hub.opset}", plural(report.hub.nodes, "node"), word, tone))
    stops += [_target_stop(target) for target in report.targets]
    return stops


def hub_verdict(held: Sequence[Comparison]) -> str | None:
    """A reference that disagrees condemns the hub, else one that agrees proves it."""
    verdicts = [comparison.verdict for comparison in held]
    order = ("mismatched", "verified", "round_trip", "unverified")
    return next((verdict for verdict in order if verdict in verdicts), None)


def _target_stop(target: Target) -> Stop:
    word, tone, _ = REFUSED if target.error is not None else VERDICTS[target.verdict]
    return Stop("Target", target.title, plural(len(target.files), "file"), word, tone)


def worst(comparison: Comparison) -> list[Worst]:
    """Every tensor once, in the order of the first sample."""
    by_name: dict[str, list[Metrics]] = {}
    for sample in comparison.samples:
        for tensor in sample.tensors:
            by_name.setdefault(tensor.name, []).append(tensor)
    return [_worst(some) for some in by_name.values()]


def _worst(some: Sequence[Metrics]) -> Worst:
    return Worst(
        name=some[0].name,
        shape=some[0].shape,
        dtype=some[0].dtype,
        max_abs=max(metrics.max_abs for metrics in some),
        max_rel=max(metrics.max_rel for metrics in some),
        normalised=max(metrics.normalised for metrics in some),
        cosine=min(metrics.cosine for metrics in some),
        snr_db=min(metrics.snr_db for metrics in some),
        argmax_agree=all(metrics.argmax_agree for metrics in some),
        ratio=max(metrics.ratio for metrics in some),
        passed=all(metrics.passed for metrics in some),
        problem=next((metrics.problem for metrics in some if metrics.problem), None),
        samples=len(some),
    )


def curve(comparison: Comparison) -> list[LayerError]:
    """The errors along the graph, when they were looked for."""
    return comparison.divergence.layers if comparison.divergence is not None else comparison.layers


def latencies(report: Report) -> list[Latency]:
    """Each runtime once, the fastest first."""
    found = {entry.runtime: entry for comparison in comparisons(report) for entry in comparison.latency}
    return sorted(found.values(), key=lambda entry: entry.seconds)


def blocked(error: Mapping[str, Any] | None) -> list[Blocked]:
    """The layers that an ``unsupported-op`` problem lists, grouped by type and reason, the largest group first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for item in (error or {}).get("unsupported") or []:
        groups.setdefault((str(item.get("op", "")), str(item.get("reason", ""))), []).append(str(item.get("layer", "")))
    found = [Blocked(op, reason, layers[:NAMED_LAYERS], len(layers)) for (op, reason), layers in groups.items()]
    return sorted(found, key=lambda group: -group.count)


def timeline(stages: Sequence[Stage]) -> list[Timed]:
    start, found = 0.0, []
    for stage in stages:
        found.append(Timed(stage, start))
        start += stage.seconds
    return found


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, equals by name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
