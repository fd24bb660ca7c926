"""The versioned schema of ``report.json``. Members are only ever added within a major version.

Words of a verdict: ``verified`` (agrees with a reference that shares none of our code), ``mismatched`` (disagrees),
``unverified`` (nothing to compare with: ``reason`` says why), ``round_trip`` (only our own reading back agrees).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = "1.0"

Verdict = Literal["verified", "mismatched", "unverified", "round_trip"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class Tensor(Part):
    """A graph input or output; a free axis is its symbol or null."""

    name: str
    dtype: str
    shape: list[int | str | None] | None


class File(Part):
    """``name`` as the user called it, or relative to the output folder; ``size`` in bytes."""

    name: str
    size: int
    sha256: str


class Note(Part):
    code: str
    detail: str
    where: str | None = None


class Change(Part):
    """What one pass or legalisation rule did: ``count`` nodes or initialisers, and up to a few of their layers."""

    name: str
    detail: str
    count: int
    layers: list[str] = []


class Source(Part):
    format: str
    title: str
    version: str
    evidence: str
    files: list[File]
    notes: list[Note] = []


class Hub(Part):
    opset: int
    inputs: list[Tensor]
    outputs: list[Tensor]
    nodes: int
    parameters: int
    operators: dict[str, int]
    layers: dict[str, int]
    changes: list[Change]
    files: list[File]


class Metrics(Part):
    """One output tensor on one sample, reference a against result b.

    ``max_abs`` = max|a-b|; ``max_rel`` = max(|a-b|/|a|) where a != 0; ``normalised`` = max|a-b|/max|a|; ``snr_db`` =
    10 log10(sum a^2 / sum (a-b)^2); ``ratio`` = worst element's share of its tolerance, above 1 is a failure.
    """

    name: str
    shape: list[int]
    dtype: str
    max_abs: float
    max_rel: float
    normalised: float
    cosine: float
    snr_db: float
    nonfinite_agree: bool
    argmax_agree: bool
    ratio: float
    passed: bool
    problem: str | None = None


class Sample(Part):
    """``origin``: ``user`` or ``drawn``; ``shapes`` by input name."""

    name: str
    origin: Literal["user", "drawn"]
    seed: int | None
    shapes: dict[str, list[int]]
    tensors: list[Metrics]


class LayerError(Part):
    """One tensor inside the graph: error accumulated so far, and local (fed with the reference's inputs).

    Both are shares of the tolerance, above 1 is out of bounds; ``local`` is null where the layer could not run alone.
    """

    tensor: str
    layer: str
    layer_type: str
    op: str
    accumulated: float
    local: float | None
    passed: bool


class Divergence(Part):
    """The first source layer whose local error is out of bounds, and the smallest model that shows it.

    ``model`` and ``sample`` are files: the part of the graph, and its inputs with the reference's outputs.
    """

    layer: str
    layer_type: str
    op: str
    tensor: str
    detail: str
    model: str | None = None
    sample: str | None = None
    layers: list[LayerError] = []


class Latency(Part):
    """Median seconds of one run with the first sample, after warming up."""

    runtime: str
    seconds: float
    runs: int


class Comparison(Part):
    """``subject``: hub or a target's name; ``against``: what the reference was.

    ``layers``: both errors of every layer, when that was asked for and nothing diverged.
    """

    subject: str
    against: str
    verdict: Verdict
    reason: str = ""
    provider: str
    tolerance: dict[str, float]
    samples: list[Sample] = []
    latency: list[Latency] = []
    doubts: list[str] = []
    divergence: Divergence | None = None
    layers: list[LayerError] = []


class Target(Part):
    format: str
    title: str
    verdict: Verdict | None
    files: list[File] = []
    changes: list[Change] = []
    notes: list[Note] = []
    comparisons: list[Comparison] = []
    error: dict[str, Any] | None = None


class Stage(Part):
    name: str
    status: Literal["succeeded", "failed", "skipped"]
    seconds: float


class Layer(Part):
    """One layer of the sandbox: did it hold, and if not why."""

    name: str
    held: bool
    detail: str = ""


class Report(Part):
    """``verdict`` is the worst of the hub's and the targets'; ``error`` a problem object when the conversion failed."""

    schema_version: str = SCHEMA_VERSION
    engine: str
    verdict: Verdict | None
    source: Source | None = None
    hub: Hub | None = None
    comparisons: list[Comparison] = []
    targets: list[Target] = []
    stages: list[Stage] = []
    sandbox: list[Layer] = []
    environment: dict[str, str] = {}
    options: dict[str, Any] = {}
    samples: list[File] = []
    error: dict[str, Any] | None = None
