"""OpenCV, whose importer shares no code with ours, agrees; and where it is known not to, a doubt says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run
from tests.workers.formats.torch7.nets import linear, longs, module, normal, read_net, save, sequential
from tests.workers.formats.torch7.test_read_operators import read_recorded, recorded, sample
from workers.formats.torch7.doubts import doubts
from workers.formats.torch7.objects import Array
from workers.formats.torch7.read import read
from workers.toolchains import ToolRefused, find

RUNS = cases("torch7", "cudnn_resnet_cuda", "fast_neural_style", "lenet_ascii", "mlp_mnist", "resnet_shortcut_a")
# Recorded modules that OpenCV has and computes as Torch does, one of a kind.
MODULES = ["act_ELU", "act_SoftMax2", "average_pad_exclude", "average_ceil_pad", "batch_norm_spatial", "concat",
           "conv_dilated", "conv_mm", "depth_concat", "dropout_v1", "dropout_spatial", "full_conv", "linear", "lp",
           "lrn", "max_ceil_pad", "nearest", "normalize_3", "padding_front", "parallel", "power", "prelu_channels",
           "reflection", "reshape_false", "view_keep"]  # fmt: skip
DIFFERS = ["act_LogSoftMax1", "act_SoftMax3", "inplace_view", "normalize_inf", "view_rows"]


def opencv(file: Path, inputs: Mapping[str, Array], names: list[str], work: Path) -> Mapping[str, Array]:
    toolchain = find("run:torch7")
    assert toolchain is not None, "run: onnxhub toolchain install opencv"
    return toolchain.run("run:torch7", [file], inputs, work=work, output_names=names).outputs


@pytest.mark.parametrize("case", RUNS, ids=str)
def test_opencv_agrees_without_a_doubt(case: Case, tmp_path: Path) -> None:
    model = read(case.request()).model
    for index in (0, 1):
        inputs = case.sample(index).inputs
        assert_same(run(model, inputs), opencv(case.files[0], inputs, case.output_names, tmp_path))
    assert doubts(case.files, model) == []


def read_with_torch(name: str, folder: Path) -> tuple[Path, dict[str, Array], dict[str, Array], list[str]]:
    """A recorded module's file, what Torch took and gave, and the doubts about OpenCV."""
    inputs, outputs = sample(name)
    reading = read_recorded(name, folder, input_shapes={key: list(array.shape) for key, array in inputs.items()})
    return folder / f"{name}.t7", inputs, outputs, doubts([folder / f"{name}.t7"], reading.model)


@pytest.mark.parametrize("name", MODULES)
def test_opencv_computes_a_module_as_torch_does(name: str, tmp_path: Path) -> None:
    file, inputs, outputs, found = read_with_torch(name, tmp_path)
    assert found == []
    assert_same(outputs, opencv(file, inputs, list(outputs), tmp_path))


@pytest.mark.parametrize("name", DIFFERS)
def test_where_opencv_differs_there_is_a_doubt(name: str, tmp_path: Path) -> None:
    file, inputs, outputs, found = read_with_torch(name, tmp_path)
    assert len(found) >= 1
    with pytest.raises(AssertionError):
        assert_same(outputs, opencv(file, inputs, list(outputs), tmp_path))


def test_what_opencv_lacks_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "gru.t7").write_bytes(recorded()["rnn_seq_gru.t7"])
    with pytest.raises(ToolRefused, match="SeqGRU"):
        opencv(tmp_path / "gru.t7", {"input_0": np.zeros((3, 2, 6), np.float32)}, ["output_0"], tmp_path)


def test_several_outputs_are_refused(tmp_path: Path) -> None:
    net = module("nn.ConcatTable", modules=[linear(4, 2), linear(4, 3)])
    with pytest.raises(ToolRefused, match="one output"):
        opencv(save(net, tmp_path / "net.t7"), {"input_0": normal(1, 4)}, ["output_0", "output_1"], tmp_path)


def test_several_networks_in_a_file_are_doubted(tmp_path: Path) -> None:
    file = {"model": sequential(linear(4, 2)), "other": sequential(linear(4, 3))}
    reading = read_net(file, tmp_path, input_shapes={"input_0": [1, 4]})
    assert any("all networks" in words for words in doubts([tmp_path / "net.t7"], reading.model))


def test_a_file_that_cannot_be_read_again_is_not_doubted(tmp_path: Path) -> None:
    reading = read_net(sequential(module("nn.View", size=longs(4)), linear(4, 2)), tmp_path,
                       input_shapes={"input_0": [1, 4]})  # fmt: skip
    (tmp_path / "net.t7").write_bytes(b"no such thing")
    assert doubts([tmp_path / "net.t7"], reading.model) == []
