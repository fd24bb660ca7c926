"""OpenCV, whose importer shares no code with ours, agrees; and where it is known not to, a doubt says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run
from tests.workers.formats.darknet.nets import ALEXEYAB, Array, image, normal, read_files, save, section
from workers.formats.darknet.doubts import doubts
from workers.formats.darknet.read import read
from workers.toolchains import ToolRefused, find

# The recorded nets of which OpenCV has every layer, and whether it computes them as Darknet does.
RUNS = cases("darknet", "darknet19_oldheader", "mlp_784_64_10", "mobilenet_dw", "pj_pools", "yolov2_region",
             "yolov3_tiny", "yolov4_tiny")  # fmt: skip
DIFFERS = cases("darknet", "old_pooling_odd", "pj_region_background", "ab_region", "se_sam")


def opencv(files: Sequence[Path], inputs: Mapping[str, Array], names: Sequence[str], work: Path) -> Mapping[str, Array]:
    toolchain = find("run:darknet")
    assert toolchain is not None, "run: onnxhub toolchain install opencv"
    return toolchain.run("run:darknet", files, inputs, work=work, output_names=names).outputs


@pytest.mark.parametrize("case", RUNS, ids=str)
def test_opencv_agrees_without_a_doubt(case: Case, tmp_path: Path) -> None:
    model = read(case.request()).model
    for index in (0, 1):
        sample = case.sample(index)
        assert_same(run(model, sample.inputs), opencv(case.files, sample.inputs, case.output_names, tmp_path))
    assert doubts(case.files, model) == []


@pytest.mark.parametrize("case", DIFFERS, ids=str)
def test_where_opencv_differs_there_is_a_doubt(case: Case, tmp_path: Path) -> None:
    model = read(case.request()).model
    assert doubts(case.files, model)
    sample = case.sample(0)
    with pytest.raises(AssertionError):
        assert_same(sample.outputs, opencv(case.files, sample.inputs, case.output_names, tmp_path))


CONV = section("convolutional", filters=4, size=3, pad=1, activation="leaky")
PARAMETERS = [normal(4), normal(4, 4, 3, 3)]
ROWS = {
    "dilation": (CONV + "dilation=2\n", PARAMETERS),
    "stride_x": (CONV + "stride_x=2\nstride_y=1\n", PARAMETERS),
    "blur": (CONV + "stride=2\nantialiasing=1\n", PARAMETERS),
    "of its own": (CONV + CONV + "share_index=0\n", PARAMETERS),
    "statistics before": (
        section("connected", output=3, batch_normalize=1, activation="linear"),
        [normal(3), normal(3, 256), normal(3), normal(3), np.abs(normal(3))],
    ),
    "maxpool_depth": (CONV + section("maxpool", maxpool_depth=1, out_channels=2, size=1, stride=1), PARAMETERS),
    "the scale": (CONV + section("upsample", stride=2, scale=0.5), PARAMETERS),
    "temperature": (section("avgpool") + section("softmax", temperature=3), []),
    "the whole map": (CONV + section("softmax"), PARAMETERS),
    "first source": (CONV * 3 + section("shortcut", activation="linear", **{"from": "-2,-3"}), PARAMETERS * 3),
    "a group": (CONV * 2 + section("route", layers="-1,-2", groups=2, group_id=1), PARAMETERS * 2),
}  # fmt: skip


@pytest.mark.parametrize("words", ROWS)
def test_every_row_of_the_table_was_seen(words: str, tmp_path: Path) -> None:
    layers, parameters = ROWS[words]
    files = save(tmp_path, image(4, 8, 8) + layers, parameters, ALEXEYAB)
    model = read_files(*files).model
    found = doubts(files, model)
    assert len(found) == 1 and words in found[0], found
    inputs = {"data": normal(2, 4, 8, 8)}
    outputs = run(model, inputs)
    with pytest.raises((AssertionError, ToolRefused)):
        assert_same(outputs, opencv(files, inputs, list(outputs), tmp_path / "work"))


@pytest.mark.parametrize(
    ("name", "words"), [("char_rnn", "Unknown layer type: rnn"), ("shortcut_mix", "Unsupported activation: elu")]
)
def test_what_opencv_lacks_it_refuses_by_name(name: str, words: str, tmp_path: Path) -> None:
    case = cases("darknet", name)[0]
    with pytest.raises(ToolRefused, match=words):
        opencv(case.files, case.sample(0).inputs, case.output_names, tmp_path)


def test_decoded_outputs_are_refused(tmp_path: Path) -> None:
    case = cases("darknet", "yolov3_tiny")[0]
    with pytest.raises(ToolRefused, match="'boxes'"):
        opencv(case.files, case.sample(0).inputs, ["boxes"], tmp_path)
