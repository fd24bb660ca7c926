"""What users upload besides whole models: parts, wrong parts, damage and hostility, each answered in words."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.workers.formats.cases import MODELS, Case, assert_same, cases, run, shapes
from workers.errors import (
    ConversionError,
    InvalidOptions,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsafeArchive,
    UnsafeModel,
    UnsupportedOperators,
)
from workers.formats.contract import Reading, ReadRequest
from workers.formats.keras.read import read
from workers.inspect.upload import Upload
from workers.options import Options

CANARY = Path("/tmp/corpus_canary_malicious_lambda_h5_refuse")


def case(name: str) -> Case:
    return Case(MODELS / "keras" / name)


def read_files(*paths: Path, **options: Any) -> Reading:
    return read(ReadRequest(Upload.of(*paths), Options(**options)))


def sequential(*layers: dict[str, Any]) -> str:
    return json.dumps({"class_name": "Sequential", "keras_version": "2.2.4", "backend": "tensorflow",
                       "config": {"name": "net", "layers": list(layers)}})  # fmt: skip


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": class_name.lower(), **config}}


def weights(path: Path, **arrays: list[np.ndarray[Any, Any]]) -> Path:
    """A weights file of Keras 2 with these layers."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in arrays]
        for name, items in arrays.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/w{place}:0".encode() for place in range(len(items))]
            for place, item in enumerate(items):
                group[f"{name}/w{place}:0"] = item
    return path


def upload(folder: Path, text: str, **arrays: list[np.ndarray[Any, Any]]) -> list[Path]:
    (folder / "model.json").write_text(text)
    return [folder / "model.json", weights(folder / "weights.h5", **arrays)]


def test_a_lambda_is_refused_by_name_and_its_code_never_runs() -> None:
    CANARY.unlink(missing_ok=True)
    with pytest.raises(UnsupportedOperators, match=r"'lambda_1' \(Lambda\).*never run"):
        read(case("malicious_lambda_h5_refuse").request())
    assert not CANARY.exists()


def test_weights_alone_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="holds weights only") as caught:
        read_files(case("keras2_lenet_json_h5").folder / "weights.h5")
    assert caught.value.hint is not None and "to_json" in caught.value.hint


def test_an_architecture_alone_says_what_is_missing() -> None:
    with pytest.raises(MissingFile, match="no weights"):
        read_files(case("keras2_lenet_json_h5").folder / "model.json")


def test_the_parts_of_a_keras_archive_can_be_uploaded_apart(tmp_path: Path) -> None:
    (one,) = cases("keras", "keras3_mobilenet_keras")
    with zipfile.ZipFile(one.files[0]) as archive:
        archive.extractall(tmp_path)
    reading = read_files(*sorted(tmp_path.iterdir()))
    assert_same(one.sample(0).outputs, run(reading.model, one.sample(0).inputs))


def test_a_deflated_archive_in_a_folder_reads_the_same(tmp_path: Path) -> None:
    (one,) = cases("keras", "keras3_mobilenet_keras")
    with zipfile.ZipFile(one.files[0]) as archive, zipfile.ZipFile(tmp_path / "m.keras", "w", 8) as packed:
        for name in archive.namelist():
            packed.writestr(f"net/{name}", archive.read(name))
    assert_same(one.sample(0).outputs, run(read_files(tmp_path / "m.keras").model, one.sample(0).inputs))


def test_an_archive_of_zeros_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    (one,) = cases("keras", "keras3_mobilenet_keras")
    with zipfile.ZipFile(one.files[0]) as archive, zipfile.ZipFile(tmp_path / "m.keras", "w", 8) as packed:
        packed.writestr("config.json", archive.read("config.json"))
        packed.writestr("model.weights.h5", bytes(80 << 20))
    with pytest.raises(ConversionError, match="inflates"):
        read_files(tmp_path / "m.keras")


def test_links_into_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    shutil.copy(case("keras2_mlp_h5").files[0], path)
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        name = next(iter(file["model_weights"]))
        file["model_weights"][name]["outside"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(UnsafeModel, match="link into another file"):
        read_files(path)


def test_yaml_reads_like_json(tmp_path: Path) -> None:
    import yaml  # type: ignore[import-untyped]

    (one,) = cases("keras", "keras2_lenet_json_h5")
    config = json.loads((one.folder / "model.json").read_text())
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(config))
    reading = read_files(tmp_path / "model.yaml", one.folder / "weights.h5")
    assert_same(one.sample(0).outputs, run(reading.model, one.sample(0).inputs))


def test_yaml_that_would_build_objects_is_refused(tmp_path: Path) -> None:
    text = "class_name: Sequential\nconfig: !!python/object/apply:os.system ['true']\nkeras_version: 2.2.4\n"
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(MalformedModel, match="no YAML that Keras writes"):
        read_files(tmp_path / "model.yaml", case("keras2_lenet_json_h5").folder / "weights.h5")


def test_all_unknown_classes_are_named_at_once(tmp_path: Path) -> None:
    text = sequential(
        layer("MyBlock", batch_input_shape=[None, 4]), layer("Dense", units=3, use_bias=False), layer("Other>Thing")
    )
    with pytest.raises(UnsupportedOperators) as caught:
        read_files(*upload(tmp_path, text, dense=[np.ones((4, 3), np.float32)]))
    assert [item.type for item in caught.value.items] == ["MyBlock", "Other>Thing"]


def test_an_activation_of_the_users_is_refused_by_name(tmp_path: Path) -> None:
    text = sequential(layer("Activation", batch_input_shape=[None, 4], activation="my_function"))
    with pytest.raises(UnsupportedOperators, match="my_function"):
        read_files(*upload(tmp_path, text))


def test_a_users_class_with_the_name_of_one_of_keras_is_refused(tmp_path: Path) -> None:
    dense = {**layer("Dense", batch_input_shape=[None, 4], units=3), "module": "mine", "registered_name": "mine>Dense"}
    with pytest.raises(UnsupportedOperators, match="mine>Dense"):
        read_files(*upload(tmp_path, sequential(dense), dense=[np.ones((4, 3), np.float32), np.ones(3, np.float32)]))


def test_a_subclassed_model_is_refused_by_name(tmp_path: Path) -> None:
    text = json.dumps({"class_name": "MyModel", "config": {}, "keras_version": "2.9.0", "registered_name": "MyModel"})
    with pytest.raises(UnsupportedOperators, match="MyModel"):
        read_files(*upload(tmp_path, text))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    text = sequential(layer("Dense", batch_input_shape=[None, 4], units=3))
    with pytest.raises(MalformedModel, match=r"shape \[5, 3\] for 4 features"):
        read_files(*upload(tmp_path, text, dense=[np.ones((5, 3), np.float32), np.ones(3, np.float32)]))


def test_an_unknown_input_shape_is_asked_for(tmp_path: Path) -> None:
    text = sequential(layer("Conv2D", filters=2, kernel_size=[1, 1], use_bias=False))
    files = upload(tmp_path, text, conv2d=[np.ones((1, 1, 3, 2), np.float32)])
    with pytest.raises(InvalidOptions, match="stands in no file") as caught:
        read_files(*files)
    assert caught.value.hint is not None and "input_shapes" in caught.value.hint
    reading = read_files(*files, input_shapes={"conv2d_input": [None, 8, 8, 3]})
    assert shapes(reading.model) == {"conv2d_input": ["batch", 8, 8, 3]}


def test_kernels_that_theano_wrote_are_flipped(tmp_path: Path) -> None:
    """Keras 2 with Theano convolves truly: the kernel [1, 2] runs over the map as [2, 1]."""
    text = sequential(layer("Conv2D", batch_input_shape=[None, 1, 2, 1], filters=1, kernel_size=[1, 2], use_bias=False))
    kernel = np.asarray([1, 2], np.float32).reshape(1, 2, 1, 1)
    x = np.asarray([10, 100], np.float32).reshape(1, 1, 2, 1)
    for backend, want in (("tensorflow", 210), ("theano", 120)):
        files = upload(tmp_path, text.replace('"backend": "tensorflow"', f'"backend": "{backend}"'), conv2d=[kernel])
        assert run(read_files(*files).model, {"conv2d_input": x})["conv2d"].item() == want


def test_files_that_are_none_of_keras_are_called_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"\x80\x04pickle")
    with pytest.raises(MalformedModel, match="a Python pickle"):
        read_files(tmp_path / "model.h5")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UnknownFormat, match=r"'notes.txt' is no Keras file"):
        read_files(tmp_path / "notes.txt")


def test_an_archive_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as packed, pytest.warns(UserWarning):
        for name in ("config.json", "metadata.json", "model.weights.h5", "config.json"):
            packed.writestr(name, "{}")
    with pytest.raises((UnsafeArchive, MalformedModel)):
        read_files(path)


def test_nothing_is_transposed_between_the_layers_of_a_convolution_net() -> None:
    for name in ("keras3_mobilenet_keras", "tfkeras_resnet_h5", "keras2_inception_h5"):
        nodes = list(read(case(name).request()).model.graph)
        assert sum(node.op_type == "Transpose" for node in nodes) == 1, "the one behind the input"
