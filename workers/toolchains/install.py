"""Build a toolchain: a virtual environment of its own Python with exactly the locked packages, all or nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.errors import ToolchainMissing
from workers.toolchains.definition import Place, places

# uv does not read pip's settings; who has set pip up for a mirror or a folder of wheels wants them used here as well.
PIP_SETTINGS = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}


def install(name: str, on_line: Callable[[str], None] = lambda line: None) -> Path:
    """Build the toolchain ``name`` unless it is there; the folder of its environment.

    ``on_line`` gets what the installer says. Raises ToolchainMissing when there is no such toolchain, no such Python,
    or a package cannot be had.
    """
    place = places().get(name)
    if place is None:
        raise ToolchainMissing(f"there is no toolchain {name!r}", hint=f"Toolchains are: {', '.join(places())}.")
    if place.installed:
        return place.environment
    place.home.mkdir(parents=True, exist_ok=True)
    with _locked(place.home / f".{name}.lock"):
        if not place.installed:
            _build(place, on_line)
    return place.environment


def _build(place: Place, on_line: Callable[[str], None]) -> None:
    # A virtual environment cannot be moved, so it is built in place; the stamp, written last, makes it count.
    shutil.rmtree(place.environment, ignore_errors=True)
    uv = [sys.executable, "-m", "uv", "--quiet"]
    interpreter = _interpreter(place.definition.python)
    _step([*uv, "venv", "--python", interpreter, str(place.environment)], place, on_line)
    # A jailed tool may not write byte code, so without it every run would compile its framework anew.
    packages = [
        "pip",
        "install",
        "--compile-bytecode",
        "--python",
        str(place.python),
        "--requirements",
        str(place.lock),
    ]
    _step([*uv, *packages], place, on_line)
    place.stamp.touch()


def _interpreter(version: str) -> str:
    """A Python of this minor version that pyenv has, newest first; else the version, for uv to find or to fetch.

    uv does not look among pyenv's versions, only at those that are switched on.
    """
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob(f"versions/{version}.*/bin/python"), key=lambda path: len(str(path)))
    return str(found[-1]) if found else version


def _step(command: list[str], place: Place, on_line: Callable[[str], None]) -> None:
    process = subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip())
        on_line(line.rstrip())
    if process.wait() != 0:
        raise ToolchainMissing(
            f"the toolchain {place.definition.name!r} could not be built: {' '.join(said[-3:])[:600]}",
            hint=f"It needs Python {place.definition.python} and access to a package index.",
        )


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    for pip, uv in PIP_SETTINGS.items():
        if pip in environment:
            environment.setdefault(uv, environment[pip])
    return environment


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One builder at a time, across processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
