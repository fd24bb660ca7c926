"""Frameworks' own environments compute what was recorded with them, from the files as they are: both samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.workers.formats.cases import Case, assert_same, cases
from tests.workers.toolchains.asking import needs
from workers.toolchains import Call, ToolRefused, ToolResult, find

VERSIONS = {"mxnet": "1.9.1", "caffe2": "1.8.1", "paddle": "3.3.1", "tensorflow": "2.21.0"}
# Imported once for all of its cases; the others have a process a case, as a job has (MXNet is set up by the model).
TOGETHER = ("tensorflow",)
# Recorded with an older version: what that one had, and the toolchain's names as missing.
GONE = {"tf1_beam_search": "GatherTree"}


def groups() -> list[Any]:
    found = [(system, [case]) for system in VERSIONS if system not in TOGETHER for case in cases(system)]
    found += [(system, cases(system)) for system in TOGETHER]
    return [
        pytest.param(system, group, marks=needs(system, f"run:{system}"), id="-".join([system, *map(str, group)][:2]))
        for system, group in found
    ]


@pytest.mark.parametrize(("system", "group"), groups())
def test_recorded_models_run(system: str, group: Sequence[Case], tmp_path: Path) -> None:
    toolchain = find(f"run:{system}")
    assert toolchain is not None
    calls, wanted = [], []
    for case in group:
        files = [file.path for file in case.uploaded]
        for index in (0, 1):
            sample = case.sample(index)
            options = case.facts.get("options", {})
            calls.append(Call(f"run:{system}", files, sample.inputs, case.output_names, options))
            wanted.append((case.name, sample.outputs))
    for (name, outputs), result in zip(wanted, toolchain.run_all(calls, work=tmp_path), strict=True):
        if name in GONE:
            assert isinstance(result, ToolRefused) and GONE[name] in str(result)
            continue
        assert isinstance(result, ToolResult), (name, result)
        assert_same(outputs, result.outputs)
        assert result.versions[system].partition("+")[0] == VERSIONS[system]
