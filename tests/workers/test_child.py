"""The jailed process that does one job, started as its supervisors start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HELD = [[name, True, ""] for name in ("rlimits", "no-new-privileges", "capabilities dropped", "landlock", "seccomp")]
NO_LANDLOCK = [[name, name != "landlock", "not in this kernel" if name == "landlock" else ""] for name, _, _ in HELD]


def child(folder: Path, layers: list[Any], required: str) -> dict[str, Any]:
    """``result.json`` of a job without files, by a process that was told what held of its jail."""
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    (folder / "in" / "manifest.json").write_text("[]")
    (folder / "request.json").write_text(json.dumps({"action": "inspect"}))
    told = {"ONNXHUB_SANDBOX": json.dumps(layers), "ONNXHUB_REQUIRE_SANDBOX": required}
    subprocess.run(
        [sys.executable, "-m", "workers.child", str(folder)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **told},
        check=True,
    )
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


@pytest.mark.parametrize(("layers", "said"), [(NO_LANDLOCK, "landlock (not in this kernel)"), ([], "outside of it")])
def test_a_job_is_refused_where_the_required_sandbox_does_not_hold(
    layers: list[Any], said: str, tmp_path: Path
) -> None:
    error = child(tmp_path, layers, "1")["error"]
    assert error["detail"].startswith("The sandbox does not hold") and said in error["detail"]
    assert "ONNXHUB_REQUIRE_SANDBOX=0" in error["hint"]


@pytest.mark.parametrize(("layers", "required"), [(HELD, "1"), (NO_LANDLOCK, "0")])
def test_a_job_is_looked_at_where_it_holds_or_need_not(layers: list[Any], required: str, tmp_path: Path) -> None:
    assert "sandbox" not in json.dumps(child(tmp_path, layers, required))
