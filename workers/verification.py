"""The proof of one conversion: samples, the hub against its source, every target against the hub.

Each comparison stands on its own: what cannot be compared says why, and never stops the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from workers import toolchains
from workers.errors import Canceled, CheckerFailed, ConversionError
from workers.formats.contract import Export, Format, Note, Progress, Verifier, WriteRequest, Written, no_progress
from workers.hub.load import load as load_model
from workers.options import Options, Tolerance
from workers.parity.bisection import bisect
from workers.parity.check import Runs, compare_runs, randomness, worst_sample
from workers.parity.divergence import PeekOnnx, Subject, compare_layers, explained, first_divergence
from workers.parity.draw import draw
from workers.parity.quantised import tolerances
from workers.parity.runtime import CUDA, RuntimeRefused, Session, devices, latency
from workers.parity.samples import Sample, load, save
from workers.report.schema import Comparison, Divergence, Latency

Arrays = Mapping[str, npt.NDArray[Any]]
REFERENCE = "onnxruntime CPU"
TIMED_RUNS = 20


@dataclass(slots=True)
class Bench:
    """The hub model on the test bench: ``path`` is its file, ``out`` the artifacts' folder, ``work`` scratch space."""

    path: Path
    hub: ir.Model
    out: Path
    work: Path
    options: Options
    progress: Progress = no_progress
    samples: list[Sample] = field(default_factory=list)
    saved_samples: list[Path] = field(default_factory=list)
    tolerances: dict[str, Tolerance] = field(default_factory=dict)
    _reference: Runs | None = None
    _latency: Latency | None = None

    def prepare(self, given: Sequence[Path]) -> None:
        """Open the hub in onnxruntime, the last gate, and settle on samples: the user's, or drawn ones.

        Raises CheckerFailed when onnxruntime refuses the model, InvalidOptions for samples that do not fit it.
        """
        try:
            session = Session(self.path)
        except RuntimeRefused as error:
            raise CheckerFailed(f"onnxruntime does not load the converted model: {error}") from error
        self._reference = Runs(REFERENCE, session.run)
        if self.options.tolerance is None:
            self.tolerances = tolerances(self.hub)
        inputs, outputs = self.hub.graph.inputs, self.hub.graph.outputs
        self.samples = [load(path, inputs, outputs, name=path.name) for path in given]
        if not self.samples:
            self.samples = draw(self.hub, seed=self.options.seed, accepts=lambda arrays: _runs(session, arrays))
        self._keep_samples()
        with suppress(RuntimeRefused):
            self._latency = latency(REFERENCE, lambda: session.run(self.samples[0].inputs))

    def _keep_samples(self) -> None:
        """The arrays that were used, with the hub's outputs, beside the artifacts."""
        folder = self.out / "samples"
        folder.mkdir()
        for index, sample in enumerate(self.samples):
            try:
                computed = self.reference.outputs(sample)
            except RuntimeRefused:
                computed = {}
            path = folder / f"sample_{index}.npz"
            save(sample, path, computed)
            self.saved_samples.append(path)

    @property
    def reference(self) -> Runs:
        assert self._reference is not None  # prepare() comes first
        return self._reference

    # --- the hub against its source -------------------------------------------------------------------------------

    def check_hub(self, source: Format, files: Sequence[Path]) -> list[Comparison]:
        """Against the user's outputs, every runtime of the source that is installed, and itself on CUDA."""
        found = []
        if any(sample.outputs for sample in self.samples):
            recorded = [sample for sample in self.samples if sample.outputs]
            found.append(self._hold("hub", Runs.recorded(), self.reference, recorded))
        verifiers = source.verify if source.verify_source is None else source.verify_source
        found += [self._against_source(verifier, files) for verifier in verifiers]
        if not found:
            reason = f"onnxhub has no runtime of {source.title} to compare with, and no outputs were given"
            found.append(_unverified("hub", source.title, reason))
        if "cuda" in devices():
            found.append(self._on_cuda())
        return [comparison.model_copy(update={"latency": self._timed()}) for comparison in found]

    def _against_source(self, verifier: Verifier, files: Sequence[Path]) -> Comparison:
        inputs, outputs = self._names(self.hub.graph.inputs), self._names(self.hub.graph.outputs)
        chosen = self.options.model_dump(include={"phase", "stages", "entry", "args", "signature", "constants"})
        runs = self._run(verifier, files, inputs, outputs, {"partial": True, **chosen})
        if isinstance(runs, str):
            return _unverified("hub", verifier.title, runs)
        doubts = [*randomness(self.hub), *(verifier.doubts(files, self.hub) if verifier.doubts else ())]
        proof = self._hold("hub", runs.side, self.reference, self.samples, doubts)
        return explained(proof, None) if proof.verdict == "mismatched" else proof

    def _on_cuda(self) -> Comparison:
        try:
            session = Session(self.path, device="cuda")
        except RuntimeRefused as error:
            return _unverified("hub", REFERENCE, str(error))
        result = Runs("onnxruntime CUDA", session.run)
        return compare_runs(
            "hub", self.reference, result, self.samples,
            tolerance=self.options.tolerance, tolerances=self.tolerances, provider=CUDA,
        )  # fmt: skip

    # --- a target against the hub ---------------------------------------------------------------------------------

    def check_target(self, target: Format, folder: Path, written: Written) -> list[Comparison]:
        """The written files, run in the target's own runtime."""
        if target.name == "onnx":
            return [self._check_onnx(folder / written.files[0], written)]
        if not target.verify:
            reason = f"onnxhub has no runtime of {target.title} to compare with"
            return [_unverified(target.name, REFERENCE, reason)]
        files = [folder / name for name in written.files]
        return [self._against_hub(target, verifier, files, written, folder) for verifier in target.verify]

    def export(self, target: Format, folder: Path, written: Written) -> list[Note]:
        """Let the target's framework add its own files; notes say what could not be made, and why."""
        notes = [self._export(export, folder, written) for export in target.exports]
        return [note for note in notes if note is not None]

    def _check_onnx(self, path: Path, written: Written) -> Comparison:
        try:
            session = Session(path)
        except RuntimeRefused as error:
            return _unverified("onnx", REFERENCE, str(error))
        inputs, outputs = self._names(self.hub.graph.inputs), self._names(self.hub.graph.outputs)
        call = _renamed(lambda arrays: session.run(arrays), inputs, written, outputs)
        proof = self._hold("onnx", self._best_reference(), Runs("onnxruntime", call), self.samples)
        tolerance, hub = self.options.tolerance, PeekOnnx(self.path, self.hub)
        if proof.verdict == "mismatched":
            sample = worst_sample(proof, self.samples) or self.samples[0]
            subject = Subject.of(path, load_model(path))
            found = first_divergence(hub, subject, sample.inputs, path.parent, tolerance=tolerance)
            return proof.model_copy(update={"divergence": _in_folder(found, "onnx")})
        if self.options.layers:
            subject = Subject.of(path, load_model(path))
            layers = compare_layers(hub, subject, self.samples[0].inputs, tolerance=tolerance)
            return proof.model_copy(update={"layers": layers})
        return proof

    def _against_hub(
        self, target: Format, verifier: Verifier, files: Sequence[Path], written: Written, folder: Path
    ) -> Comparison:
        options = {"runs": TIMED_RUNS, "partial": True}
        runs = self._run(verifier, files, written.input_names, written.output_names, options)
        if isinstance(runs, str):
            return _unverified(target.name, self._best_reference().title, runs)
        doubts = [*randomness(self.hub), *(verifier.doubts(files, self.hub) if verifier.doubts else ())]
        reference = self._best_reference()
        if runs.left_out:
            reference = self._without(reference, runs.left_out)
        proof = self._hold(target.name, reference, runs.side, self.samples, doubts)
        proof = proof.model_copy(update={"latency": [*self._timed(), *runs.latency]})
        if proof.verdict == "verified" and runs.left_out:
            return _in_part(proof, runs.left_out)
        if proof.verdict != "mismatched":
            return proof
        divergence = self._bisect(target, verifier, folder, worst_sample(proof, self.samples) or self.samples[0])
        return proof.model_copy(update={"divergence": divergence})

    def _without(self, reference: Runs, outputs: Collection[str]) -> Runs:
        """The reference less the outputs that the other side does not have."""
        kept: dict[str, Arrays | str] = {}
        for sample in self.samples:
            try:
                kept[sample.name] = {n: a for n, a in reference.outputs(sample).items() if n not in outputs}
            except RuntimeRefused as error:
                kept[sample.name] = str(error)
        return Runs.done(reference.title, kept)

    def _bisect(self, target: Format, verifier: Verifier, folder: Path, sample: Sample) -> Divergence | None:
        """Write and run ever smaller parts of the hub until the first layer that differs is found."""

        def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
            assert target.write is not None
            place = self.work / f"bisect-{len(list(self.work.glob('bisect-*')))}"
            place.mkdir()
            inputs, outputs = self._names(part.graph.inputs), self._names(part.graph.outputs)
            written = target.write(WriteRequest(part, place, "part", self.options))
            toolchain = toolchains.find(verifier.action)
            assert toolchain is not None  # it has just run the whole
            files = [place / name for name in written.files]

            def run(arrays: Arrays) -> Arrays:
                return toolchain.run(
                    verifier.action, files, arrays, work=self.work, output_names=written.output_names
                ).outputs

            return _renamed(run, inputs, written, outputs)

        tolerance = self.options.tolerance
        found = bisect(self.hub, self.path, rewrite, sample.inputs, folder, tolerance=tolerance, progress=self.progress)
        return _in_folder(found, target.name)

    def _export(self, export: Export, folder: Path, written: Written) -> Note | None:
        action, file, title = export.action, export.file, export.title
        toolchain = toolchains.find(action)
        if toolchain is None:
            return Note("export-skipped", f"{file} ({title}) was not made: no installed toolchain can {action}", file)
        inputs = dict(zip(written.input_names, self.samples[0].inputs.values(), strict=True))
        try:
            result = toolchain.run(
                action, [folder / name for name in written.files], inputs,
                work=self.work, output_names=written.output_names, options={"file": file},
            )  # fmt: skip
        except Canceled:
            raise
        except ConversionError as error:
            return Note("export-failed", f"{file} ({title}) was not made: {error.detail}", file)
        for made in result.files:
            shutil.move(made, folder / made.name)
        fixed = result.answer.get("fixed_axes")
        return Note("export-fixed-axes", f"{file} has fixed sizes at {', '.join(fixed)}", file) if fixed else None

    # --- what both share ------------------------------------------------------------------------------------------

    def _hold(
        self, subject: str, reference: Runs, result: Runs, samples: Sequence[Sample], doubts: Sequence[str] = ()
    ) -> Comparison:
        return compare_runs(
            subject, reference, result, samples,
            tolerance=self.options.tolerance, tolerances=self.tolerances, doubts=doubts, progress=self.progress,
        )  # fmt: skip

    def _best_reference(self) -> Runs:
        """The user's outputs where every sample has them, else what the hub computes."""
        return Runs.recorded() if all(sample.outputs for sample in self.samples) else self.reference

    def _run(
        self,
        verifier: Verifier,
        files: Sequence[Path],
        input_names: Sequence[str],
        output_names: Sequence[str],
        options: Mapping[str, Any],
    ) -> Ran | str:
        """All samples in the verifier's runtime, in one process; a sentence when it is not installed.

        ``input_names`` and ``output_names`` are the files' own, in the hub's order.
        """
        toolchain = toolchains.find(verifier.action)
        if toolchain is None:
            return f"{verifier.title} is not installed (onnxhub toolchain install {verifier.toolchain})"
        inputs, outputs = self._names(self.hub.graph.inputs), self._names(self.hub.graph.outputs)
        calls = []
        for sample in self.samples:
            arrays = {theirs: sample.inputs[ours] for ours, theirs in zip(inputs, input_names, strict=True)}
            calls.append(toolchains.Call(verifier.action, files, arrays, output_names, options))
        answers = toolchain.run_all(calls, work=self.work)
        ours = dict(zip(output_names, outputs, strict=True))
        results: dict[str, Arrays | str] = {}
        times = []
        left_out: dict[str, str] = {}
        for sample, answer in zip(self.samples, answers, strict=True):
            if isinstance(answer, ConversionError):
                results[sample.name] = answer.detail
                continue
            results[sample.name] = {ours[name]: array for name, array in answer.outputs.items() if name in ours}
            reasons = answer.answer.get("left_out") or {}
            left_out.update((ours[name], str(why)) for name, why in reasons.items() if name in ours)
            if answer.seconds is not None:
                times.append(Latency(runtime=verifier.title, seconds=answer.seconds, runs=TIMED_RUNS))
        return Ran(Runs.done(verifier.title, results), times[:1], left_out)

    def _timed(self) -> list[Latency]:
        return [self._latency] if self._latency is not None else []

    @staticmethod
    def _names(values: Sequence[ir.Value]) -> tuple[str, ...]:
        return tuple(value.name or "" for value in values)


@dataclass(frozen=True, slots=True)
class Ran:
    """A runtime's side of a comparison, how long it took with the first sample, and what it did not compute, why."""

    side: Runs
    latency: list[Latency]
    left_out: dict[str, str]


def _renamed(
    run: Callable[[Arrays], Arrays], inputs: Sequence[str], written: Written, outputs: Sequence[str]
) -> Callable[[Arrays], Arrays]:
    """``run`` speaks the written files' names; the result speaks the hub's."""
    to_target = dict(zip(inputs, written.input_names, strict=True))
    to_hub = dict(zip(written.output_names, outputs, strict=True))

    def call(arrays: Arrays) -> Arrays:
        results = run({to_target[name]: array for name, array in arrays.items() if name in to_target})
        return {to_hub[name]: array for name, array in results.items() if name in to_hub}

    return call


def _in_part(proof: Comparison, left_out: Mapping[str, str]) -> Comparison:
    """All outputs that were compared agree, but not all were: that proves the files in part only."""
    compared = len(proof.samples[0].tensors)
    why = "; ".join(dict.fromkeys(left_out.values()))
    reason = f"{compared} of {compared + len(left_out)} outputs agree; the others could not be run: {why}"
    return proof.model_copy(update={"verdict": "unverified", "reason": reason})


def _in_folder(divergence: Divergence | None, folder: str) -> Divergence | None:
    """The files that show it, by their names among the artifacts."""
    if divergence is None:
        return None
    names = {"model": divergence.model, "sample": divergence.sample}
    return divergence.model_copy(update={key: f"{folder}/{name}" for key, name in names.items() if name})


def _runs(session: Session, arrays: Arrays) -> bool:
    try:
        session.run(arrays)
    except RuntimeRefused:
        return False
    return True


def _unverified(subject: str, against: str, reason: str) -> Comparison:
    return Comparison(
        subject=subject, against=against, verdict="unverified", reason=reason, provider="-", tolerance={}, samples=[]
    )
