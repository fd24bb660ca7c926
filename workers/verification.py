"""The proof of one conversion: samples, the hub against its source, every target against the hub.

Each comparison stands on its own: what cannot be compared says why, and never stops the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from workers import toolchains
from workers.errors import Canceled, CheckerFailed, ConversionError
from workers.formats.contract import Export, Format, Note, Progress, Verifier, WriteRequest, Written, no_progress
from workers.options import Options
from workers.parity.bisection import bisect
from workers.parity.check import Runs, compare_runs, randomness
from workers.parity.divergence import explained
from workers.parity.draw import draw
from workers.parity.runtime import CUDA, RuntimeRefused, Session, devices, latency
from workers.parity.samples import Sample, load, save
from workers.report.schema import Comparison, Latency

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
        found += [self._against_source(verifier, files) for verifier in source.verify]
        if not found:
            reason = f"onnxhub has no runtime of {source.title} to compare with, and no outputs were given"
            found.append(_unverified("hub", source.title, reason))
        if "cuda" in devices():
            found.append(self._on_cuda())
        return [comparison.model_copy(update={"latency": self._timed()}) for comparison in found]

    def _against_source(self, verifier: Verifier, files: Sequence[Path]) -> Comparison:
        call = self._tool(verifier, files, list(self._names(self.hub.graph.inputs)), {"partial": True})
        if isinstance(call, str):
            return _unverified("hub", verifier.title, call)
        doubts = [*randomness(self.hub), *(verifier.doubts(files, self.hub) if verifier.doubts else ())]
        proof = self._hold("hub", Runs(verifier.title, call), self.reference, self.samples, doubts)
        return explained(proof, None) if proof.verdict == "mismatched" else proof

    def _on_cuda(self) -> Comparison:
        try:
            session = Session(self.path, device="cuda")
        except RuntimeRefused as error:
            return _unverified("hub", REFERENCE, str(error))
        result = Runs("onnxruntime CUDA", session.run)
        return compare_runs(
            "hub", self.reference, result, self.samples, tolerance=self.options.tolerance, provider=CUDA
        )

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
        return self._hold("onnx", self._best_reference(), Runs("onnxruntime", call), self.samples)

    def _against_hub(
        self, target: Format, verifier: Verifier, files: Sequence[Path], written: Written, folder: Path
    ) -> Comparison:
        run = self._tool(verifier, files, list(written.input_names), {"runs": TIMED_RUNS}, list(written.output_names))
        if isinstance(run, str):
            return _unverified(target.name, self._best_reference().title, run)
        call = _renamed(run, self._names(self.hub.graph.inputs), written, self._names(self.hub.graph.outputs))
        doubts = [*randomness(self.hub), *(verifier.doubts(files, self.hub) if verifier.doubts else ())]
        proof = self._hold(target.name, self._best_reference(), Runs(verifier.title, call), self.samples, doubts)
        times = [Latency(runtime=verifier.title, seconds=s, runs=TIMED_RUNS) for s in run.seconds[:1]]
        proof = proof.model_copy(update={"latency": [*self._timed(), *times]})
        if proof.verdict != "mismatched":
            return proof
        return explained(proof, self._bisect(target, verifier, folder))

    def _bisect(self, target: Format, verifier: Verifier, folder: Path) -> Any:
        """Write and run ever smaller parts of the hub until the first layer that differs is found."""

        def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
            assert target.write is not None
            place = self.work / f"bisect-{len(list(self.work.glob('bisect-*')))}"
            place.mkdir()
            inputs, outputs = self._names(part.graph.inputs), self._names(part.graph.outputs)
            written = target.write(WriteRequest(part, place, "part", self.options))
            files = [place / name for name in written.files]
            run = self._tool(verifier, files, list(written.input_names), {}, list(written.output_names))
            if isinstance(run, str):
                raise RuntimeRefused(run)
            return _renamed(run, inputs, written, outputs)

        inputs, tolerance = self.samples[0].inputs, self.options.tolerance
        return bisect(self.hub, self.path, rewrite, inputs, folder, tolerance=tolerance, progress=self.progress)

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
            tolerance=self.options.tolerance, doubts=doubts, progress=self.progress,
        )  # fmt: skip

    def _best_reference(self) -> Runs:
        """The user's outputs where every sample has them, else what the hub computes."""
        return Runs.recorded() if all(sample.outputs for sample in self.samples) else self.reference

    def _tool(
        self,
        verifier: Verifier,
        files: Sequence[Path],
        input_names: list[str],
        options: Mapping[str, Any],
        output_names: Sequence[str] | None = None,
    ) -> Tool | str:
        """What runs these files in the verifier's runtime, or why nothing can."""
        toolchain = toolchains.find(verifier.action)
        if toolchain is None:
            return f"{verifier.title} is not installed (onnxhub toolchain install {verifier.toolchain})"
        names = list(output_names or self._names(self.hub.graph.outputs))
        return Tool(toolchain, verifier.action, list(files), input_names, names, dict(options), self.work)

    def _timed(self) -> list[Latency]:
        return [self._latency] if self._latency is not None else []

    @staticmethod
    def _names(values: Sequence[ir.Value]) -> tuple[str, ...]:
        return tuple(value.name or "" for value in values)


@dataclass(slots=True)
class Tool:
    """A call of a toolchain, by the names of the files that it runs; remembers the seconds it measured."""

    toolchain: toolchains.Toolchain
    action: str
    files: list[Path]
    input_names: list[str]
    output_names: list[str]
    options: dict[str, Any]
    work: Path
    seconds: list[float] = field(default_factory=list)

    def __call__(self, inputs: Arrays) -> Arrays:
        ordered = {name: inputs[name] for name in self.input_names}
        result = self.toolchain.run(
            self.action, self.files, ordered, work=self.work, output_names=self.output_names, options=self.options
        )
        if result.seconds is not None:
            self.seconds.append(result.seconds)
        return result.outputs


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
