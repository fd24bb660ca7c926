"""The torch toolchain: runs written modules and exported programs, and says what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.pytorch.runs import built, by_onnxruntime, normal, torch_toolchain, written
from tests.workers.formats.pytorch.table_programs import choose
from workers.hub.graph import GraphBuilder
from workers.toolchains import ToolRefused

pytestmark = pytest.mark.xdist_group("torch-tool")
X = normal(1, 3, 8, 8)


def net() -> ir.Model:
    g = GraphBuilder("net")
    x = g.input("data", ["batch", 3, "height", 8])
    y = g.Relu(g.Conv(x, np.full((4, 3, 3, 3), 0.1, np.float32), pads=[1, 1, 1, 1]))
    g.output(g.Softmax(g.GlobalAveragePool(y), axis=1), "prob")
    g.output(y, "features")
    return g.model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net")
    written(net(), path)
    return path


@pytest.fixture(scope="module")
def program(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The exported program, and what the tool said about it."""
    result = torch_toolchain().run(
        "export:pytorch", files(folder), {"data": X}, work=tmp_path_factory.mktemp("export"), output_names=NAMES
    )
    assert [file.name for file in result.files] == ["model.pt2"]
    want = by_onnxruntime(net(), [X])
    np.testing.assert_allclose(result.outputs["features"], want[1], atol=1e-5)
    return result.files[0], result.answer


NAMES = ["prob", "features"]


def files(folder: Path) -> list[Path]:
    return [folder / "model.py", folder / "model.safetensors"]


def test_a_written_module_runs_with_its_outputs_named(folder: Path, tmp_path: Path) -> None:
    result = torch_toolchain().run(
        "run:pytorch", files(folder), {"data": X}, work=tmp_path, output_names=NAMES, options={"runs": 3}
    )
    assert list(result.outputs) == NAMES
    for want, got in zip(by_onnxruntime(net(), [X]), result.outputs.values(), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)
    assert result.versions["torch"].startswith("2.13.0")
    assert result.seconds is not None and 0 < result.seconds < 10


def test_an_exported_program_keeps_its_free_axes(program: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    path, answer = program
    assert (answer["free_axes"], answer["fixed_axes"], answer["reason"]) == (["data[0]", "data[2]"], [], None)
    x = normal(3, 3, 11, 8)
    result = torch_toolchain().run("run:pt2", [path], {"data": x}, work=tmp_path, output_names=NAMES)
    for want, got in zip(by_onnxruntime(net(), [x]), result.outputs.values(), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_model_that_cannot_be_traced_is_refused_with_the_reason(tmp_path: Path) -> None:
    given = {"x0": normal(3), "x1": np.array(True)}
    written(built(list(given.values()), choose), tmp_path)
    with pytest.raises(ToolRefused, match=r"torch\.export cannot trace the model"):
        torch_toolchain().run(
            "export:pytorch", [tmp_path / "model.py"], given, work=tmp_path / "w", output_names=["y0"]
        )


def test_half_floats_travel_by_their_bits(tmp_path: Path) -> None:
    g = GraphBuilder("half")
    g.output(g.Neg(g.input("x", [2], ir.DataType.BFLOAT16)), "y")
    written(g.model(), tmp_path)
    x = np.array([1.5, -2], ml_dtypes.bfloat16)
    result = torch_toolchain().run(
        "run:pytorch", [tmp_path / "model.py"], {"x": x.view(np.uint16)}, work=tmp_path / "w", output_names=["y"]
    )
    assert result.answer["output_types"] == ["bfloat16"]
    np.testing.assert_array_equal(result.outputs["y"].view(ml_dtypes.bfloat16), -x)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"other": X}, "the model takes data, given were other"),
        ({}, "the model takes data"),
        ({"data": normal(1, 5, 8, 8)}, "expected input"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    folder: Path, inputs: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ToolRefused, match=message):
        torch_toolchain().run("run:pytorch", files(folder), inputs, work=tmp_path, output_names=NAMES)


def test_missing_weights_are_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_bytes((folder / "model.py").read_bytes())
    with pytest.raises(ToolRefused, match=r"model\.safetensors"):
        torch_toolchain().run(
            "run:pytorch", [tmp_path / "model.py"], {"data": X}, work=tmp_path / "w", output_names=NAMES
        )


def test_another_number_of_outputs_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolRefused, match="gives 2 outputs, expected were 1"):
        torch_toolchain().run("run:pytorch", files(folder), {"data": X}, work=tmp_path, output_names=["prob"])


def test_many_models_run_in_one_process_and_fail_alone(folder: Path, tmp_path: Path) -> None:
    path = str(folder / "model.py")
    cases = [{"model": path, "inputs": [0]}, {"model": path, "inputs": [1]}]
    arrays = {"a0": X, "a1": normal(1, 2)}
    result = torch_toolchain().run("run:many", files(folder), arrays, work=tmp_path, options={"cases": cases})
    first, second = result.answer["cases"]
    assert first == {"ok": True, "outputs": [0, 1]}
    assert second["ok"] is False and "RuntimeError" in second["error"]
