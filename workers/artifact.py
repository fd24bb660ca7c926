"""Running a written target as it lies in its folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from workers import toolchains
from workers.card import Card
from workers.errors import MalformedModel, MissingFile, ToolchainMissing
from workers.formats import all_formats
from workers.layout import CARD, HUB
from workers.parity.runtime import Session


def run(folder: Path, inputs: Path) -> dict[str, npt.NDArray[Any]]:
    """Run the model in ``folder`` (a target's, or a conversion's with its ``hub.onnx``) on the arrays of an .npz."""
    with np.load(inputs, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    card = folder / CARD
    if not card.exists():
        return _run_onnx(folder / HUB, arrays)
    try:
        described = Card.model_validate_json(card.read_bytes())
    except ValidationError as error:
        raise MalformedModel(
            f"{card.name} is damaged: {error.error_count()} members are wrong", file=str(card)
        ) from error
    ordered = _by_name_or_place(described.input_names, arrays)
    if described.format == "onnx":
        return _run_onnx(folder / described.files[0], ordered)
    return _run_foreign(folder, described, ordered)


def _run_onnx(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    if not path.exists():
        raise MissingFile(
            f"{path.parent} holds neither {CARD} nor {HUB}", hint="Name a folder that a conversion wrote."
        )
    session = Session(path)
    return session.run(_by_name_or_place(session.input_names, arrays))


def _run_foreign(folder: Path, card: Card, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    action = f"run:{card.format}"
    toolchain = toolchains.find(action)
    if toolchain is None:
        titles = [verifier.toolchain for verifier in all_formats()[card.format].verify if verifier.action == action]
        raise ToolchainMissing(
            f"no installed toolchain can {action}",
            hint=f"onnxhub toolchain install {titles[0]}" if titles else None,
        )
    with tempfile.TemporaryDirectory(prefix="onnxhub-run-") as work:
        files = [(folder / name).resolve() for name in card.files]
        result = toolchain.run(action, files, arrays, work=Path(work), output_names=card.output_names)
        return dict(result.outputs)


def _by_name_or_place(names: list[str], arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Arrays under the model's input names: by that name, or by position as ``input_0``, ``input_1``..."""
    found = {}
    for index, name in enumerate(names):
        array = arrays.get(name, arrays.get(f"input_{index}"))
        if array is None:
            raise MissingFile(f"the inputs hold no array {name!r} (nor input_{index})")
        found[name] = array
    return found
