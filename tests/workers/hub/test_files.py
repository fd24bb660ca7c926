"""Saving and loading: weights are mapped and streamed, damage and foreign files are refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from workers.errors import ConversionError, LimitExceeded, MalformedModel, MissingFile, UnsafeModel
from workers.hub.check import check, session
from workers.hub.graph import GraphBuilder
from workers.hub.load import load
from workers.hub.save import save

RNG = np.random.default_rng(0)


def network(weight: np.ndarray[Any, Any]) -> Any:
    g = GraphBuilder()
    x = g.input("x", ["n", weight.shape[0]])
    with g.layer("ip", "InnerProduct"):
        y = g.Add(g.MatMul(x, g.weight("w", weight)), g.weight("b", np.arange(weight.shape[1], dtype=np.float32)))
    g.output(y, "y")
    return g.model()


def run(path: Path, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result: np.ndarray[Any, Any] = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]
    return result


@pytest.mark.parametrize("external", [False, True])
def test_a_saved_model_computes_the_same_in_onnxruntime(tmp_path: Path, external: bool) -> None:
    weight = RNG.standard_normal((300, 40), np.float32)
    files = save(network(weight), tmp_path / "m.onnx", external=external)
    assert [file.name for file in files] == ["m.onnx", "m.onnx.data"][: 1 + external]
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    x = RNG.standard_normal((3, 300), np.float32)
    np.testing.assert_allclose(run(tmp_path / "m.onnx", x), x @ weight + np.arange(40), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("external", [False, True])
def test_loading_gives_views_on_the_file_and_saving_again_the_same_bytes(tmp_path: Path, external: bool) -> None:
    weight = RNG.standard_normal((300, 40), np.float32)
    save(network(weight), tmp_path / "m.onnx", external=external)
    model = load(tmp_path / "m.onnx")
    array = model.graph.initializers["w"].const_value.numpy()  # type: ignore[union-attr]
    assert not array.flags.owndata and not array.flags.writeable
    np.testing.assert_array_equal(array, weight)
    (tmp_path / "again").mkdir()
    for file in save(model, tmp_path / "again" / "m.onnx", external=external):
        assert file.read_bytes() == (tmp_path / file.name).read_bytes()


DTYPES = ["FLOAT16", "BFLOAT16", "DOUBLE", "INT8", "UINT16", "BOOL", "INT4", "UINT4", "FLOAT8E4M3FN", "COMPLEX64"]


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type_survives(tmp_path: Path, dtype: str, external: bool) -> None:
    type_ = getattr(TensorProto, dtype)
    tensor = numpy_helper.from_array(RNG.integers(0, 2, (64, 65)).astype(helper.tensor_dtype_to_np_dtype(type_)), "w")
    node = helper.make_node("Identity", ["w"], ["y"])
    graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", type_, [64, 65])], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "in.onnx").write_bytes(model.SerializeToString())
    save(load(tmp_path / "in.onnx"), tmp_path / "out.onnx", external=external)
    again = onnx.load(tmp_path / "out.onnx").graph.initializer[0]
    assert numpy_helper.to_array(again).tobytes() == numpy_helper.to_array(tensor).tobytes()
    assert again.data_type == type_ and list(again.dims) == [64, 65]


def test_typed_fields_are_read_like_raw_data(tmp_path: Path) -> None:
    values = RNG.standard_normal(4000).astype(np.float32)
    tensors = [
        helper.make_tensor("f", TensorProto.FLOAT, [4000], values.tolist()),
        helper.make_tensor("d", TensorProto.DOUBLE, [4000], values.astype(float).tolist()),
        helper.make_tensor("i", TensorProto.INT64, [4000], list(range(4000))),
        helper.make_tensor("s", TensorProto.STRING, [300], ["text"] * 300),
    ]
    graph = helper.make_graph([], "g", [], [], tensors)
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    found = load(tmp_path / "m.onnx").graph.initializers
    np.testing.assert_array_equal(found["f"].const_value.numpy(), values)  # type: ignore[union-attr]
    np.testing.assert_array_equal(found["d"].const_value.numpy(), values.astype(float))  # type: ignore[union-attr]
    np.testing.assert_array_equal(found["i"].const_value.numpy(), np.arange(4000))  # type: ignore[union-attr]
    assert found["s"].const_value.numpy()[299] == b"text"  # type: ignore[union-attr]


def test_weights_in_nested_graphs_and_attributes_are_streamed_too(tmp_path: Path) -> None:
    big = RNG.standard_normal((64, 64), np.float32)
    info = [helper.make_tensor_value_info("o", TensorProto.FLOAT, [64, 64])]
    then = helper.make_graph(
        [helper.make_node("Add", ["w", "w"], ["o"])], "then", [], info, [numpy_helper.from_array(big, "w")]
    )
    constant = helper.make_node("Constant", [], ["o2"], value=numpy_helper.from_array(big * 3))
    info2 = [helper.make_tensor_value_info("o2", TensorProto.FLOAT, [64, 64])]
    branch = helper.make_node(
        "If", ["c"], ["y"], then_branch=then, else_branch=helper.make_graph([constant], "e", [], info2)
    )
    graph = helper.make_graph(
        [branch],
        "g",
        [helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [64, 64])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "in.onnx").write_bytes(model.SerializeToString())
    for external in (False, True):
        save(load(tmp_path / "in.onnx"), tmp_path / "out.onnx", external=external)
        runtime = onnxruntime.InferenceSession(str(tmp_path / "out.onnx"))
        np.testing.assert_array_equal(runtime.run(None, {"c": np.array(True)})[0], big + big)
        np.testing.assert_array_equal(runtime.run(None, {"c": np.array(False)})[0], big * 3)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from workers.hub.load import load
from workers.hub.normalise import normalise
from workers.hub.save import save
save(normalise(load(Path(sys.argv[2])))[0], Path(sys.argv[3]))
"""


def test_two_processes_with_different_hash_seeds_write_the_same_bytes(tmp_path: Path) -> None:
    source = sorted(Path(onnx.__file__).parent.glob("backend/test/data/light/light_inception_v2.onnx"))[0]
    written = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.onnx"
        root = str(Path(__file__).parents[3])
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SCRIPT, root, str(source), str(out)], check=True, env=environment)
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_a_large_model_is_copied_without_coming_into_memory(tmp_path: Path) -> None:
    """200 MB of weights, mapped and written: the peak of this process grows by a fraction of that."""
    path = tmp_path / "weights"
    with path.open("wb") as file:
        for _ in range(200):
            file.write(RNG.bytes(1 << 20))
    x = np.memmap(path, np.float32, "r", shape=(50, 1 << 20))
    save(network(x.T[:, :1].copy()), tmp_path / "small.onnx")
    g = GraphBuilder()
    g.output(g.MatMul(g.input("x", [1, 50]), g.weight("w", np.asarray(x))), "y")
    save(g.model(), tmp_path / "m.onnx")
    script = "import resource\n" + SCRIPT + "\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    peaks = []
    for name in ("small.onnx", "m.onnx"):
        command = [sys.executable, "-c", script, str(Path(__file__).parents[3]), str(tmp_path / name), str(path) + "o"]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True).stdout) * 1024)
    assert peaks[1] - peaks[0] < 60 << 20


# --- hostile files ------------------------------------------------------------------------------------------------


def external_tensor(location: str, name: str = "w", dims: tuple[int, ...] = (4,), **entries: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def in_initializer(tensor: TensorProto) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph([], "g", [], [], [tensor]))


def in_constant(tensor: TensorProto) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph([helper.make_node("Constant", [], ["y"], value=tensor)], "g", [], []))


def in_sparse(tensor: TensorProto) -> onnx.ModelProto:
    model = helper.make_model(helper.make_graph([], "g", [], []))
    sparse = model.graph.sparse_initializer.add(dims=[9])
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(4)))
    return model


def in_sub_graph(tensor: TensorProto) -> onnx.ModelProto:
    inner = helper.make_graph([], "inner", [], [], [tensor])
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def in_training_info(tensor: TensorProto) -> onnx.ModelProto:
    model = helper.make_model(helper.make_graph([], "g", [], []))
    model.training_info.add().initialization.CopyFrom(helper.make_graph([], "i", [], [], [tensor]))
    return model


def in_function(tensor: TensorProto) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    function = helper.make_function("own", "F", [], ["y"], [node], [helper.make_opsetid("", 21)])
    return helper.make_model(helper.make_graph([], "g", [], []), functions=[function])


PLACES = [in_initializer, in_constant, in_sparse, in_sub_graph, in_training_info, in_function]
LOCATIONS = ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "C:\\x", "a\0b", "http://x/y", ""]


@pytest.mark.parametrize("place", PLACES)
def test_foreign_files_are_refused_wherever_a_tensor_may_stand(
    tmp_path: Path, place: Callable[[TensorProto], onnx.ModelProto]
) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.onnx").write_bytes(place(external_tensor("../secret")).SerializeToString())
    with pytest.raises(UnsafeModel, match="w"):
        load(tmp_path / "in" / "m.onnx")


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_location_is_a_plain_relative_path(tmp_path: Path, location: str) -> None:
    (tmp_path / "m.onnx").write_bytes(in_initializer(external_tensor(location)).SerializeToString())
    with pytest.raises(UnsafeModel):
        load(tmp_path / "m.onnx")


def test_links_of_both_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in" / "real").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "in" / "soft").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "hard").hardlink_to(tmp_path / "secret")
    (tmp_path / "in" / "folder").symlink_to(tmp_path)
    for location, word in (("soft", "symbolic"), ("hard", "hard link"), ("folder/secret", "symbolic"), ("real", "reg")):
        (tmp_path / "in" / "m.onnx").write_bytes(in_initializer(external_tensor(location)).SerializeToString())
        with pytest.raises(UnsafeModel, match=word):
            load(tmp_path / "in" / "m.onnx")


@pytest.mark.parametrize(
    "entries",
    [{"offset": "-4"}, {"offset": "8"}, {"offset": str(2**64)}, {"length": "12"}, {"length": "-1"}, {"offset": "x"}],
)
def test_offsets_and_lengths_lie_inside_the_file(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(20))
    (tmp_path / "m.onnx").write_bytes(in_initializer(external_tensor("w.bin", **entries)).SerializeToString())
    with pytest.raises(MalformedModel, match="'w'"):
        load(tmp_path / "m.onnx")


def test_a_missing_data_file_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(in_initializer(external_tensor("w.bin")).SerializeToString())
    with pytest.raises(MissingFile) as caught:
        load(tmp_path / "m.onnx")
    assert caught.value.file == "w.bin" and "w.bin" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("dims", "error"),
    [((2**40, 2**40), MalformedModel), ((10**12,), LimitExceeded), ((-1,), MalformedModel), ((5,), MalformedModel)],
)
def test_dimensions_that_do_not_fit_are_refused(tmp_path: Path, dims: tuple[int, ...], error: type) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(16))
    (tmp_path / "m.onnx").write_bytes(in_initializer(tensor).SerializeToString())
    with pytest.raises(error, match="'w'"):
        load(tmp_path / "m.onnx")


def test_a_sparse_tensor_becomes_dense(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.array([1, 2, 3, 4], np.float32), "w")
    (tmp_path / "m.onnx").write_bytes(in_sparse(tensor).SerializeToString())
    value = load(tmp_path / "m.onnx").graph.initializers["w"].const_value
    assert value is not None
    np.testing.assert_array_equal(value.numpy(), [1, 2, 3, 4, 0, 0, 0, 0, 0])


def test_damage_ends_in_one_of_our_errors(tmp_path: Path) -> None:
    model = network(RNG.standard_normal((40, 10)).astype(np.float32))
    save(model, tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    header = len(data) - 1600
    for position in [*range(0, 200), *range(header, len(data), 7)]:
        changed = bytearray(data)
        changed[position] ^= 0x2B
        (tmp_path / "x.onnx").write_bytes(changed)
        try:
            check(load(tmp_path / "x.onnx"))
        except ConversionError:
            continue
    for size in range(0, len(data), 97):
        (tmp_path / "x.onnx").write_bytes(data[:size])
        try:
            load(tmp_path / "x.onnx")
        except ConversionError:
            continue


def test_graphs_nested_without_end_are_a_limit(tmp_path: Path) -> None:
    graph = helper.make_graph([], "g", [], [], [numpy_helper.from_array(np.zeros(999, np.float32), "w")])
    data = graph.SerializeToString()

    def field(number: int, payload: bytes) -> bytes:
        size, out = len(payload), bytearray()
        while size > 127:
            out.append(size & 127 | 128)
            size >>= 7
        return bytes([number << 3 | 2]) + bytes(out) + bytes([size]) + payload

    for _ in range(400):
        data = field(1, field(5, field(6, data)))
    (tmp_path / "m.onnx").write_bytes(b"\x08\x0a" + field(7, data))
    with pytest.raises((LimitExceeded, MalformedModel), match="nests"):
        load(tmp_path / "m.onnx")


def test_a_session_opens_and_refusals_name_the_node(tmp_path: Path) -> None:
    save(network(np.eye(4, dtype=np.float32)), tmp_path / "m.onnx")
    assert session(tmp_path / "m.onnx", optimize=False).get_inputs()[0].name == "x"
    node = helper.make_node("Conv", ["x", "x", "x", "x"], ["y"], name="odd")
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ConversionError) as caught:
        session(tmp_path / "bad.onnx")
    assert caught.value.layer == "odd" and caught.value.type == "checker-failed"
