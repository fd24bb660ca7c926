"""Caffe -> ONNX -> Caffe for every recorded model: OpenCV and our own reader give what Caffe itself gave.

Both samples, batch 1 and batch 3 where the net allows it. What OpenCV cannot run stands here, with its words for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import onnx_ir as ir
import pytest

from tests.workers.formats.caffe.write_cases import in_opencv, read_back, written
from tests.workers.formats.cases import Case, assert_same, cases, run
from workers.errors import ConversionError
from workers.formats.caffe.file import read_caffemodel
from workers.formats.caffe.read import read
from workers.formats.contract import Written
from workers.hub.normalise import normalise
from workers.toolchains import ToolRefused

CASES = cases("caffe")
GROUPED = pytest.mark.xdist_group("caffe-writer")
# Outputs that OpenCV cannot compute: all the others agree.
OPENCV_LACKS = {
    "conv3d_nd": {"deconv3d": "does Deconvolution over two axes without dilation only"},
    "fcn_seg": {"pred": "no layer type ArgMax"},
    "opzoo_elementwise": {"mvn_across": "adds eps under the root in MVN", "threshold": "no layer type Threshold"},
    "opzoo_shape": {
        "arg_axis": "no layer type ArgMax", "arg_flat": "no layer type ArgMax", "arg_val": "no layer type ArgMax",
        "rall": "no layer type Reduction",
    },
}  # fmt: skip
# Models of which it cannot run a single output.
OPENCV_REFUSES = {"lstm_embed": "no layer type Embed"}
# Layer types that come back as they were; what is missing is said otherwise because more programs run that.
NATURAL = {
    "lenet_v1": {"Convolution", "InnerProduct", "Pooling", "ReLU", "Softmax"},
    "resnet_bn_scale": {"BatchNorm", "Convolution", "Eltwise", "InnerProduct", "Pooling", "ReLU", "Scale", "Softmax"},
    "mobilenet_v2_clip": {
        "BatchNorm", "Clip", "Convolution", "Eltwise", "Flatten", "Pooling", "ReLU", "Scale", "Softmax",
    },
    "googlenet_lrn": {"Concat", "Convolution", "InnerProduct", "LRN", "Pooling", "ReLU", "Softmax"},
    "ssd_detect": {
        "Concat", "Convolution", "DetectionOutput", "Flatten", "Normalize", "Parameter", "Permute", "Pooling", "ReLU",
        "Reshape", "Softmax",
    },
}  # fmt: skip


@cache
def trip(name: str) -> tuple[ir.Model, Path, Written]:
    """The hub model of a case, and the folder with the Caffe net that was written of it."""
    (case,) = cases("caffe", name)
    hub, _ = normalise(read(case.request()).model, case.options)
    folder, files = written(hub.clone())
    return hub, folder, files


@GROUPED
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("index", [0, 1])
def test_our_reader_reads_back_what_caffe_computed(case: Case, index: int) -> None:
    hub, folder, files = trip(case.name)
    sample = case.sample(index)
    assert list(files.input_names) == case.input_names
    assert_same(sample.outputs, run(read_back(folder, files, hub), sample.inputs))


@GROUPED
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("index", [0, 1])
def test_opencv_computes_what_caffe_computed(case: Case, index: int) -> None:
    _, folder, files = trip(case.name)
    sample = case.sample(index)
    paths = [folder / name for name in files.files]
    if case.name in OPENCV_REFUSES:
        with pytest.raises(ToolRefused, match=OPENCV_REFUSES[case.name]):
            in_opencv(paths, sample.inputs, files.output_names, folder)
        return
    result = in_opencv(paths, sample.inputs, files.output_names, folder)
    lacks = OPENCV_LACKS.get(case.name, {})
    assert set(result.answer["left_out"]) == set(lacks)
    for output, words in lacks.items():
        assert words in result.answer["left_out"][output]
    wanted = {name: array for name, array in sample.outputs.items() if name not in lacks}
    assert_same(wanted, result.outputs)


@GROUPED
@pytest.mark.parametrize("name", NATURAL)
def test_the_layers_of_well_known_nets_come_back(name: str) -> None:
    _, folder, _ = trip(name)
    types = {layer.type for layer in read_caffemodel((folder / "model.caffemodel").read_bytes()).layer}
    assert types - {"Input", "Silence"} == NATURAL[name]


@GROUPED
@pytest.mark.parametrize("case", CASES, ids=str)
def test_writing_twice_gives_the_same_bytes(case: Case, tmp_path: Path) -> None:
    hub, folder, files = trip(case.name)
    written(hub.clone(), tmp_path)
    for name in files.files:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_source_that_opencv_runs_is_confirmed_by_it(case: Case, tmp_path: Path) -> None:
    """The uploaded files themselves: the reference that the hub is held against."""
    sample = case.sample(1)
    options = {"phase": case.options.phase, "stages": case.options.stages}
    try:
        result = in_opencv(case.files, sample.inputs, case.output_names, tmp_path, **options)
    except (ToolRefused, ConversionError) as refusal:
        assert case.name in {"conv3d_nd", "lstm_embed", "nin_h5", "spp_net"}, str(refusal)
        return
    assert case.name not in {"lstm_embed", "nin_h5", "spp_net"}
    assert_same({name: sample.outputs[name] for name in result.outputs}, result.outputs)
