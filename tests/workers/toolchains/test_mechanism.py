"""Toolchains: what is known, what is installed, and how a tool's answer, refusal or end is understood."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workers import toolchains
from workers.errors import LimitExceeded, ToolchainCrashed, ToolchainMissing
from workers.sandbox import Limits
from workers.toolchains import Toolchain, ToolRefused, places
from workers.toolchains.definition import Definition, Place

ECHO = """
import json, os, sys, time
import numpy as np
folder = sys.argv[1]
request = json.load(open(os.path.join(folder, "request.json")))
kind = request["options"].get("kind", "echo")
if kind == "sleep":
    time.sleep(60)
if kind == "die":
    os.abort()
if kind == "read":
    open(request["options"]["path"]).read()
os.write(3, b'{"event": "progress", "done": 1, "total": 1, "what": "echo"}\\n')
arrays = np.load(os.path.join(folder, "in.npz"))
np.savez(os.path.join(folder, "out.npz"), **{name: arrays[name] * 2 for name in arrays.files})
answer = {"ok": True, "output_names": request["output_names"], "versions": {"echo": "1"}}
if kind == "refuse":
    answer = {"ok": False, "error": {"kind": "unsupported", "message": "no such layer"}}
if kind == "pickle":
    np.savez(os.path.join(folder, "out.npz"), a0=np.array([{}], dtype=object))
if kind == "bomb":
    np.savez_compressed(os.path.join(folder, "out.npz"), a0=np.broadcast_to(np.uint8(0), 300 << 20))
json.dump(answer, open(os.path.join(folder, "result.json"), "w"))
sys.exit(0 if answer["ok"] else 1)
"""


@pytest.fixture
def echo(tmp_path: Path) -> Toolchain:
    """A toolchain of this very interpreter whose tool doubles its inputs, or does what its options say."""
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "tool.py").write_text(ECHO)
    (folder / "requirements.lock").write_text("")
    definition = Definition(name="echo", title="Echo", python="3.11", provides=["run:echo"], timeout_s=20)
    place = Place(definition, folder, tmp_path)
    place.environment.parent.mkdir(exist_ok=True)
    place.environment.symlink_to(sys.prefix)
    return Toolchain(place)


def test_arrays_go_in_and_come_out_by_name(echo: Toolchain, tmp_path: Path) -> None:
    events: list[object] = []
    result = echo.run(
        "run:echo", [], {"x": np.arange(3.0), "y": np.ones((2, 2), np.float32)},
        work=tmp_path, output_names=["a", "b"], on_event=events.append,
    )  # fmt: skip
    assert list(result.outputs) == ["a", "b"]
    np.testing.assert_array_equal(result.outputs["a"], [0, 2, 4])
    assert result.outputs["b"].dtype == np.float32
    assert result.versions == {"echo": "1"}
    assert events == [{"event": "progress", "done": 1, "total": 1, "what": "echo"}]


def test_a_refusal_is_told_in_the_tools_words(echo: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(ToolRefused, match="no such layer") as caught:
        echo.run("run:echo", [], {}, work=tmp_path, options={"kind": "refuse"})
    assert caught.value.kind == "unsupported"


def test_a_crash_names_the_signal(echo: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(ToolchainCrashed, match="SIGABRT"):
        echo.run("run:echo", [], {}, work=tmp_path, options={"kind": "die"})


def test_a_tool_that_hangs_is_ended(echo: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="longer than 1 s"):
        echo.run("run:echo", [], {}, work=tmp_path, options={"kind": "sleep"}, limits=replace(Limits(), wall_s=1))


def test_pickles_in_an_answer_are_not_opened(echo: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(ToolchainCrashed, match=r"out\.npz"):
        echo.run("run:echo", [], {"x": np.ones(1)}, work=tmp_path, options={"kind": "pickle"})


def test_an_answer_that_inflates_beyond_the_tools_memory_is_not_loaded(echo: Toolchain, tmp_path: Path) -> None:
    limits = Limits(memory_bytes=200 << 20, wall_s=20)
    with pytest.raises(LimitExceeded, match=r"out\.npz"):
        echo.run("run:echo", [], {}, work=tmp_path / "work", options={"kind": "bomb"}, limits=limits)


def test_a_tool_sees_only_the_model_and_its_folder(echo: Toolchain, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_text("x")
    with pytest.raises(ToolchainCrashed, match="status 1") as caught:
        echo.run("run:echo", [], {}, work=tmp_path / "work", options={"kind": "read", "path": str(secret)})
    assert "PermissionError" in (caught.value.hint or "")


def test_an_unknown_toolchain_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ToolchainMissing) as caught:
        toolchains.install("fortran")
    assert "opencv" in (caught.value.hint or "")


def test_an_interrupted_build_does_not_count(tmp_path: Path) -> None:
    place = replace(places()["opencv"], home=tmp_path)
    place.environment.mkdir()
    assert not place.installed


def test_another_lock_is_another_environment(tmp_path: Path) -> None:
    place = replace(places()["opencv"], home=tmp_path)
    other = tmp_path / "folder"
    other.mkdir()
    (other / "requirements.lock").write_text("numpy==1.0\n")
    assert replace(place, folder=other).environment != place.environment


@pytest.mark.parametrize("name", list(places()))
def test_every_tool_stands_alone(name: str) -> None:
    """Old frameworks run on Python 3.6: no newer syntax unless the toolchain's own Python is newer."""
    place = places()[name]
    minimum = "3.6" if tuple(map(int, place.definition.python.split("."))) < (3, 10) else place.definition.python
    checked = subprocess.run(
        [str(Path(sys.executable).with_name("vermin")), "--quiet", "--no-tips", f"-t={minimum}-", str(place.tool)],
        check=False,
    )
    assert checked.returncode == 0
