"""The user's sample files held against the model's inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.parity.nets import conv_net
from workers.errors import InvalidOptions
from workers.parity import samples
from workers.parity.samples import Sample

IMAGE = np.random.default_rng(0).random((2, 3, 12, 12), np.float32)
SCORES = np.ones((2, 16, 18), np.float32)


@pytest.fixture(scope="module")
def graph() -> ir.Graph:
    return conv_net().graph


def load(path: Path, graph: ir.Graph, **arrays: np.ndarray) -> Sample:
    np.savez(path / "io.npz", **arrays)
    return samples.load(path / "io.npz", graph.inputs, graph.outputs)


@pytest.mark.parametrize("names", [("data", "prob"), ("input_0", "output_0"), ("data", "output_0")])
def test_arrays_go_by_name_or_by_position(names: tuple[str, str], tmp_path: Path, graph: ir.Graph) -> None:
    sample = load(tmp_path, graph, **{names[0]: IMAGE, names[1]: SCORES})
    assert (sample.name, sample.origin, sample.seed) == ("io.npz", "user", None)
    np.testing.assert_array_equal(sample.inputs["data"], IMAGE)
    np.testing.assert_array_equal(sample.outputs["prob"], SCORES)


def test_outputs_may_be_left_out(tmp_path: Path, graph: ir.Graph) -> None:
    assert load(tmp_path, graph, data=IMAGE).outputs == {}


def test_an_unknown_array_is_named(tmp_path: Path, graph: ir.Graph) -> None:
    with pytest.raises(InvalidOptions, match="no tensor 'prbo'") as raised:
        load(tmp_path, graph, data=IMAGE, prbo=SCORES)
    assert raised.value.hint is not None and "'prob'" in raised.value.hint


def test_a_missing_input_is_named(tmp_path: Path, graph: ir.Graph) -> None:
    with pytest.raises(InvalidOptions, match="no array for the input 'data'"):
        load(tmp_path, graph, prob=SCORES)


def test_a_position_beyond_the_last_is_unknown(tmp_path: Path, graph: ir.Graph) -> None:
    with pytest.raises(InvalidOptions, match="no tensor 'output_1'"):
        load(tmp_path, graph, data=IMAGE, output_1=SCORES)


def test_the_same_input_twice_is_refused(tmp_path: Path, graph: ir.Graph) -> None:
    with pytest.raises(InvalidOptions, match="'data' also as 'input_0'"):
        load(tmp_path, graph, data=IMAGE, input_0=IMAGE)


def test_a_wrong_element_type_is_named_with_the_way_out(tmp_path: Path, graph: ir.Graph) -> None:
    with pytest.raises(InvalidOptions, match="'data' as float64; the model takes float32") as raised:
        load(tmp_path, graph, data=IMAGE.astype(np.float64))
    assert raised.value.hint == "Convert it with array.astype('float32')."


@pytest.mark.parametrize("shape", [(3, 12, 12), (2, 3, 12, 13), (2, 12, 12, 3)])
def test_a_shape_that_does_not_fit_is_named(shape: tuple[int, ...], tmp_path: Path, graph: ir.Graph) -> None:
    with pytest.raises(InvalidOptions, match=r"the model takes \[batch, 3, 12, 12\]"):
        load(tmp_path, graph, data=np.zeros(shape, np.float32))


def test_what_was_used_can_be_loaded_again(tmp_path: Path, graph: ir.Graph) -> None:
    samples.save(Sample("drawn 1", "drawn", {"data": IMAGE}, seed=3), tmp_path / "used.npz", {"prob": SCORES})
    again = samples.load(tmp_path / "used.npz", graph.inputs, graph.outputs)
    np.testing.assert_array_equal(again.inputs["data"], IMAGE)
    np.testing.assert_array_equal(again.outputs["prob"], SCORES)
