"""Ask a toolchain's tool to do something, in the jail, and distrust the answer.

``request.json`` -> ``result.json``, arrays in ``.npz`` files as ``a0``, ``a1``... with their names in the JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers import sandbox
from workers.errors import ConversionError, InvalidOptions, ToolchainCrashed
from workers.sandbox import Limits
from workers.toolchains.definition import MIB, Place

if TYPE_CHECKING:  # a command line that only starts a job reads this module, and numpy takes longer than all of it
    import numpy.typing as npt

PROTOCOL = 1
ANSWER_BYTES = 16 * MIB


class ToolRefused(ConversionError):
    """The framework works, but not on this model: ``kind`` is the tool's word for why, ``detail`` its sentence."""

    type = "unsupported-op"
    title = "A framework cannot run the model"

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ToolResult:
    """``outputs`` by name in the tool's order; ``files`` that it left in the work folder; ``answer`` is result.json."""

    outputs: dict[str, npt.NDArray[Any]]
    versions: dict[str, str]
    files: list[Path]
    seconds: float | None = None
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One thing asked of a tool: ``action`` on ``files`` with ``inputs`` in order."""

    action: str
    files: Sequence[Path]
    inputs: Mapping[str, npt.NDArray[Any]]
    output_names: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


Answer = ToolResult | ConversionError


@dataclass(frozen=True, slots=True)
class Toolchain:
    """An installed toolchain."""

    place: Place

    @property
    def name(self) -> str:
        return self.place.definition.name

    @property
    def title(self) -> str:
        return self.place.definition.title

    def run(
        self,
        action: str,
        files: Sequence[Path],
        inputs: Mapping[str, npt.NDArray[Any]],
        *,
        work: Path,
        output_names: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
        device: str = "cpu",
        limits: Limits | None = None,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> ToolResult:
        """Do ``action`` on ``files`` with ``inputs`` (in order) in a fresh folder below ``work``.

        Raises ToolRefused when the framework says no, LimitExceeded, ToolchainCrashed or Canceled otherwise.
        """
        call = Call(action, files, inputs, output_names, options or {}, device)
        (answer,) = self.run_all([call], work=work, limits=limits, on_event=on_event, should_stop=should_stop)
        if isinstance(answer, ConversionError):
            raise answer
        return answer

    def run_all(
        self,
        calls: Sequence[Call],
        *,
        work: Path,
        limits: Limits | None = None,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[Answer]:
        """The same for several calls, in one process as far as it lives, so that the framework is imported once.

        A call that fails has its error in its place; after a crash the calls behind it go on in a new process.
        """
        folders = [self._ask(call, work) for call in calls]
        answers: list[Answer] = []
        while len(answers) < len(calls):
            left = slice(len(answers), None)
            outcome = sandbox.run(
                [str(self.place.python), "-I", str(self.place.tool), *map(str, folders[left])],
                cwd=folders[len(answers)],
                read=[self.place.interpreter, self.place.environment, self.place.folder, *_seen(calls[left])],
                write=folders[left],
                limits=limits or self._limits(),
                on_event=on_event,
                should_stop=should_stop,
            )
            answers += self._answers(calls[left], folders[left], outcome)
        return answers

    def _ask(self, call: Call, work: Path) -> Path:
        """A folder with the call's request and inputs."""
        import numpy as np

        folder = _fresh(work / self.name)
        arrays: dict[str, Any] = {f"a{index}": array for index, array in enumerate(call.inputs.values())}
        np.savez(folder / "in.npz", **arrays)
        request = {
            "protocol": PROTOCOL,
            "action": call.action,
            "model": [str(path.resolve()) for path in call.files],
            "inputs": "in.npz",
            "input_names": list(call.inputs),
            "output_names": list(call.output_names),
            "options": dict(call.options),
            "device": call.device,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        return folder

    def _answers(self, calls: Sequence[Call], folders: Sequence[Path], outcome: sandbox.Outcome) -> list[Answer]:
        """What the calls came to, up to the first without a result: the process ended while it was at that one."""
        answers: list[Answer] = []
        for call, folder in zip(calls, folders, strict=True):
            try:
                if not (folder / "result.json").exists():
                    outcome.raise_for_status(f"{self.title} ({call.action})")
                answers.append(_result(folder, outcome))
            except ConversionError as error:
                answers.append(error)
                if not (folder / "result.json").exists():
                    break
        return answers

    def _limits(self) -> Limits:
        definition = self.place.definition
        return replace(
            Limits(), wall_s=definition.timeout_s, cpu_s=int(definition.timeout_s * (os.cpu_count() or 1)),
            memory_bytes=definition.memory_mb * MIB,
        )  # fmt: skip


def _seen(calls: Sequence[Call]) -> set[Path]:
    """The folders of the models' files."""
    return {path.resolve().parent for call in calls for path in call.files}


def _fresh(folder: Path) -> Path:
    """An empty folder of this name, numbered when there were others."""
    count = 0
    while (numbered := folder.with_name(f"{folder.name}-{count}")).exists():
        count += 1
    numbered.mkdir(parents=True)
    return numbered.resolve()


def _result(folder: Path, outcome: sandbox.Outcome) -> ToolResult:
    stderr = outcome.stderr
    path = folder / "result.json"
    if not path.is_file() or path.is_symlink() or path.stat().st_size > ANSWER_BYTES:
        raise ToolchainCrashed("the tool left no valid result.json", hint=stderr[-500:] or None)
    try:
        answer = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ToolchainCrashed("the tool's result.json is no JSON", hint=stderr[-500:] or None) from error
    if not isinstance(answer, dict):
        raise ToolchainCrashed("the tool's result.json holds no object")
    if answer.get("ok") is not True:
        told = answer.get("error") or {}
        raise ToolRefused(str(told.get("kind", "failed")), str(told.get("message", "no reason given"))[:2000])
    names = [str(name) for name in answer.get("output_names", [])]
    arrays = _arrays(folder / "out.npz", outcome.limits.memory_bytes)
    if len(names) > len(arrays):
        raise ToolchainCrashed(f"the tool names {len(names)} outputs but left {len(arrays)}")
    names += [f"a{index}" for index in range(len(names), len(arrays))]
    files = [folder / Path(str(name)).name for name in answer.get("files", [])]
    return ToolResult(
        outputs=dict(zip(names, arrays, strict=True)),
        versions={str(key): str(value) for key, value in answer.get("versions", {}).items()},
        files=[file for file in files if file.is_file() and not file.is_symlink()],
        seconds=answer.get("seconds") if isinstance(answer.get("seconds"), float) else None,
        answer=answer,
    )


def _arrays(path: Path, limit: int) -> list[npt.NDArray[Any]]:
    """``a0``, ``a1``... of an .npz that a tool wrote, of ``limit`` bytes together at most, no pickles among them."""
    if not path.is_file() or path.is_symlink():
        return []
    try:
        from workers.parity import npz

        arrays = npz.load(path, limit=limit)
        return [arrays[f"a{index}"] for index in range(len(arrays))]
    except (KeyError, ValueError, OSError, InvalidOptions) as error:
        raise ToolchainCrashed(f"the tool's out.npz cannot be read: {error}") from error
