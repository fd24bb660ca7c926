"""Each pass of the normal form on the smallest graph that needs it; what is not fused stays equal bit for bit."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from workers.errors import InvalidOptions
from workers.hub.graph import GraphBuilder
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.options import Options
from workers.parity.runtime import Session

X = np.random.default_rng(0).standard_normal((2, 3, 8, 9)).astype(np.float32)


def builder() -> tuple[GraphBuilder, ir.Value]:
    g = GraphBuilder()
    return g, g.input("x", ["n", 3, 8, 9])


def names(changes: list[object]) -> set[str]:
    return {change.name for change in changes}  # type: ignore[attr-defined]


def same_before_and_after(model: ir.Model) -> ir.Model:
    before = Session.of(model.clone()).run({"x": X})
    hub, _ = normalise(model)
    after = Session.of(hub).run({"x": X})
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
    return hub


def test_identities_go_and_outputs_keep_their_names() -> None:
    g, x = builder()
    g.output(g.Identity(g.Relu(g.Identity(x))), "result")
    hub = same_before_and_after(g.model())
    assert [node.op_type for node in hub.graph] == ["Relu"]
    assert [value.name for value in hub.graph.outputs] == ["result"]


def test_an_output_that_is_an_input_keeps_its_identity() -> None:
    g, x = builder()
    g.output(x, "copy")
    hub = same_before_and_after(g.model())
    assert [node.op_type for node in hub.graph] == ["Identity"]


def test_dead_nodes_and_weights_go() -> None:
    g, x = builder()
    g.Conv(x, g.weight("unused", np.ones((1, 3, 1, 1), np.float32)))
    g.output(g.Relu(x), "y")
    hub = same_before_and_after(g.model())
    assert [node.op_type for node in hub.graph] == ["Relu"]
    assert not hub.graph.initializers


def test_equal_weights_are_stored_once_and_different_ones_are_not() -> None:
    g, x = builder()
    same, other = np.ones((3, 3, 1, 1), np.float32), np.full((3, 3, 1, 1), 2, np.float32)
    y = g.Conv(g.Conv(x, g.weight("a", same)), g.weight("b", same.copy()))
    g.output(g.Conv(y, g.weight("c", other)), "y")
    hub = same_before_and_after(g.model())
    assert len(hub.graph.initializers) == 2


def test_constants_are_folded() -> None:
    g, x = builder()
    shape = g.Concat(g.constant([0]), g.constant([-1]), axis=0)
    g.output(g.Reshape(x, shape), "y")
    hub = same_before_and_after(g.model())
    assert [node.op_type for node in hub.graph] == ["Reshape"]


def test_dropout_of_inference_goes() -> None:
    g, x = builder()
    g.output(g.Relu(g.Dropout(x, np.float32(0.5))), "y")
    hub = same_before_and_after(g.model())
    assert [node.op_type for node in hub.graph] == ["Relu"]


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_automatic_padding_is_written_out(mode: str, stride: int) -> None:
    g, x = builder()
    weight = np.random.default_rng(1).standard_normal((2, 3, 3, 4)).astype(np.float32)
    y = g.Conv(x, g.weight("w", weight), auto_pad=mode, strides=[stride, stride])
    g.output(g.MaxPool(y, kernel_shape=[2, 2], auto_pad=mode, strides=[2, 1]), "y")
    hub = same_before_and_after(g.model())
    for node in hub.graph:
        assert "auto_pad" not in node.attributes
        assert len(node.attributes["pads"].as_ints()) == 4


def test_names_become_valid_and_unique_and_the_ends_keep_theirs() -> None:
    g = GraphBuilder()
    x = g.input("data/x:0", ["n", 3, 8, 9])
    with g.layer("block/conv 1", "Convolution"):
        y = g.Relu(x)
    g.output(g.Sigmoid(y), "out/y:0")
    hub, changes = normalise(g.model())
    assert [value.name for value in (*hub.graph.inputs, *hub.graph.outputs)] == ["data/x:0", "out/y:0"]
    first = next(iter(hub.graph))
    assert first.outputs[0].name == "block_conv_1"
    assert first.metadata_props["onnxhub.layer"] == "block/conv 1"
    assert "names" in names(list(changes))


def test_a_graph_is_cut_at_the_tensors_that_are_asked_for() -> None:
    g, x = builder()
    middle = g.rename(g.Relu(x), "middle")
    g.output(g.Sigmoid(middle), "y")
    hub, _ = normalise(g.model(), Options(outputs=["middle"]))
    assert [node.op_type for node in hub.graph] == ["Relu"]


def test_a_cut_at_an_unknown_tensor_names_what_is_near() -> None:
    g, x = builder()
    g.output(g.rename(g.Relu(x), "middle"), "y")
    with pytest.raises(InvalidOptions, match="'midle'"):
        normalise(g.model(), Options(outputs=["midle"]))


def test_free_axes_are_fixed_when_asked() -> None:
    g, x = builder()
    g.output(g.Relu(x), "y")
    hub, _ = normalise(g.model(), Options(input_shapes={"x": [5, 3, 8, 9]}))
    assert list(hub.graph.outputs[0].shape or ()) == [5, 3, 8, 9]


PROGRAM = """
import sys
from pathlib import Path
from workers.formats import caffe
from workers.formats.contract import ReadRequest
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.inspect.upload import Upload
folder = Path(sys.argv[1])
files = [folder / "deploy.prototxt", *folder.glob("*.caffemodel")]
hub, _ = normalise(caffe.FORMAT.read(ReadRequest(Upload.of(*files))).model)
save(hub, Path(sys.argv[2]))
"""


def test_the_same_upload_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    case = Path(__file__).parents[3] / "models" / "caffe" / "googlenet_lrn"
    digests = set()
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.onnx"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[4])}
        subprocess.run([sys.executable, "-c", PROGRAM, str(case), str(target)], check=True, env=environment)
        digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_saving_external_data_changes_no_number(tmp_path: Path) -> None:
    g, x = builder()
    weight = np.random.default_rng(2).standard_normal((3, 3, 1, 1)).astype(np.float32)
    g.output(g.Conv(x, g.weight("w", weight)), "y")
    hub, _ = normalise(g.model())
    inside, beside = tmp_path / "inside.onnx", tmp_path / "beside.onnx"
    save(hub, inside)
    assert [path.name for path in save(hub, beside, external=True)] == ["beside.onnx", "beside.onnx.data"]
    np.testing.assert_array_equal(Session(inside).run({"x": X})["y"], Session(beside).run({"x": X})["y"])
