"""Every operator as the layers it becomes: OpenCV and our own reader compute what the hub computes, for batch 2."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.formats.caffe.write_cases import Wanted, family
from tests.workers.formats.caffe.write_table import FAMILIES
from tests.workers.formats.cases import assert_same

CASES = [pytest.param(name, wanted, id=f"{name}-{wanted.name}") for name, table in FAMILIES.items() for wanted in table]
GROUPED = pytest.mark.xdist_group("caffe-writer")


@GROUPED
@pytest.mark.parametrize(("name", "wanted"), CASES)
def test_the_layers_are_those_a_caffe_user_would_write(name: str, wanted: Wanted) -> None:
    """A long spelling is given by its beginning and three dots."""
    types = family(FAMILIES[name]).types(wanted.name)
    expected = wanted.layers.split()
    if expected[-1] == "...":
        assert types[: len(expected) - 1] == expected[:-1]
    else:
        assert types == expected


@GROUPED
@pytest.mark.parametrize(("name", "wanted"), CASES)
def test_our_reader_reads_back_what_the_hub_computes(name: str, wanted: Wanted) -> None:
    made = family(FAMILIES[name])
    assert_same({wanted.name: made.hub[wanted.name]}, {wanted.name: made.back[wanted.name]})


@GROUPED
@pytest.mark.parametrize(("name", "wanted"), CASES)
def test_opencv_computes_what_the_hub_computes(name: str, wanted: Wanted) -> None:
    made = family(FAMILIES[name])
    if wanted.opencv:
        assert wanted.opencv in made.opencv.answer["left_out"][wanted.name]
        return
    assert wanted.name in made.opencv.outputs, made.opencv.answer["left_out"]
    assert_same({wanted.name: made.hub[wanted.name]}, {wanted.name: made.opencv.outputs[wanted.name]})


@GROUPED
@pytest.mark.parametrize("name", FAMILIES)
def test_names_shapes_and_weights_are_whole(name: str) -> None:
    """Layer names are unique, no blob is written twice, every Input has numbers, the batch written as 1."""
    net = family(FAMILIES[name]).net
    names = [layer.name for layer in net.layer]
    tops = [top for layer in net.layer for top in layer.top]
    assert len(set(names)) == len(names)
    assert len(set(tops)) == len(tops)
    assert all(dim >= 1 for layer in net.layer for shape in layer.input_param.shape for dim in shape.dim)
    for layer in net.layer:
        for blob in layer.blobs:
            assert len(blob.data) == np.prod(blob.shape.dim, dtype=int)
