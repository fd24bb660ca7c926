"""Small Darknet nets written for one test: a cfg and a weights file in a temporary folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.workers.formats.cases import run
from workers.formats.contract import Reading, ReadRequest
from workers.formats.darknet.file import Header, print_header
from workers.formats.darknet.read import read
from workers.inspect.upload import Upload
from workers.options import Options

Array = npt.NDArray[Any]
PJREDDIE = Header(0, 2, 0, 0, 20)
ALEXEYAB = Header(0, 2, 5, 0, 20)


def section(type: str, **options: object) -> str:
    return f"[{type}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())


def image(channels: int, height: int, width: int, **options: object) -> str:
    return section("net", channels=channels, height=height, width=width, **options)


def vector(inputs: int, **options: object) -> str:
    return section("net", inputs=inputs, **options)


def save(folder: Path, cfg: str, parameters: Sequence[Array] = (), header: Header = PJREDDIE) -> list[Path]:
    """``parameters`` one after the other behind the header."""
    text, weights = folder / "net.cfg", folder / "net.weights"
    text.write_text(cfg)
    weights.write_bytes(print_header(header) + b"".join(np.asarray(p, np.float32).tobytes() for p in parameters))
    return [text, weights]


def read_files(*paths: Path, **options: Any) -> Reading:
    return read(ReadRequest(Upload.of(*paths), Options(**options)))


def read_net(
    folder: Path, cfg: str, parameters: Sequence[Array] = (), header: Header = PJREDDIE, **options: Any
) -> Reading:
    return read_files(*save(folder, cfg, parameters, header), **options)


def compute(
    folder: Path, x: Array, cfg: str, parameters: Sequence[Array] = (), header: Header = PJREDDIE, **options: Any
) -> Array:
    """The only output for the input ``x``."""
    (output,) = run(read_net(folder, cfg, parameters, header, **options).model, {"data": x}).values()
    return output


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)
