"""TensorFlow's own environment computes what was recorded, from the files as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import cases
from tests.workers.toolchains.asking import answer, needs
from workers.toolchains import Call, ToolRefused, ToolResult, find

needs_tensorflow = needs("tensorflow", "run:tensorflow")


@needs_tensorflow
def test_inner_tensors_and_timed_runs(tmp_path: Path) -> None:
    (case,) = cases("tensorflow", "tf1_lenet_frozen")
    sample = case.sample(0)
    names = [*case.output_names, *case.input_names]
    result = answer("run:tensorflow", case.files, sample.inputs, names, tmp_path / "work", runs=2)
    np.testing.assert_array_equal(result.outputs[case.input_names[0]], sample.inputs[case.input_names[0]])
    assert result.seconds is not None and result.seconds > 0


@needs_tensorflow
@pytest.mark.parametrize(
    ("outputs", "options", "words"),
    [(["nothing:0"], {}, "no such tensor"), (["scores"], {"signature": "other"}, "no signature 'other'")],
)
def test_what_is_not_there_is_told(outputs: list[str], options: dict[str, Any], words: str, tmp_path: Path) -> None:
    name = "tf2_mlp_savedmodel" if options else "tf1_lenet_frozen"
    (case,) = cases("tensorflow", name)
    with pytest.raises(ToolRefused, match=words):
        answer(
            "run:tensorflow",
            [file.path for file in case.uploaded],
            case.sample(0).inputs,
            outputs,
            tmp_path / "w",
            **options,
        )


@needs_tensorflow
@pytest.mark.parametrize("system", ["keras", "tflite"])
def test_other_formats_of_tensorflow_run(system: str, tmp_path: Path) -> None:
    """Keras' and TFLite's recorded cases, where they are there: both samples by the tool itself."""
    toolchain = find(f"run:{system}")
    assert toolchain is not None
    found = [case for case in cases(system) if not case.facts["producer"].lower().startswith("keras 1")][:6]
    calls = [Call(f"run:{system}", case.files, case.sample(0).inputs, case.output_names) for case in found]
    for case, result in zip(found, toolchain.run_all(calls, work=tmp_path), strict=True):
        assert isinstance(result, ToolResult), (case.name, result)
        wanted = list(case.sample(0).outputs.values())
        for want, got in zip(wanted, result.outputs.values(), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@needs_tensorflow
def test_a_lambda_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": {"layers": [{"class_name": "Lambda", "config": {"name": "evil", "function": ["4wEA", None, None]}}]},
    }
    path = tmp_path / "model.json"
    path.write_text(json.dumps(config))
    with pytest.raises(ToolRefused, match="'evil' is a Lambda"):
        answer("run:keras", [path], {"x": np.zeros((1, 2), np.float32)}, ["y"], tmp_path / "work")
