"""Uploads that are incomplete, hostile or of several files: refused in words, with nothing executed."""

from __future__ import annotations

import io
import json
import pickle  # noqa: TID251 - makes what the reader must not load
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import MODELS, Case, assert_same, cases, run
from workers.errors import (
    ConversionError,
    InvalidOptions,
    MalformedModel,
    MissingFile,
    UnsafeModel,
    UnsupportedConversion,
    UnsupportedOperators,
)
from workers.formats.contract import Reading, ReadRequest
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.checkpoint import LEGACY, read_legacy, read_safetensors, read_zip, stripped
from workers.formats.pytorch.read import coverage, read
from workers.formats.pytorch.recognise import sniff
from workers.inspect.upload import Upload
from workers.options import Options


def case(name: str) -> Case:
    return Case(MODELS / "pytorch" / name)


def upload(folder: Path, **files: bytes) -> Upload:
    """Files named with an underscore for the dot."""
    paths = []
    for name, data in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(data)
        paths.append(path)
    return Upload.of(*paths)


def archive(**members: bytes | str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, data in members.items():
            target.writestr(f"m/{name.replace('__', '/').replace('_pkl', '.pkl').replace('_py', '.py')}", data)
    return out.getvalue()


def script(body: str, **attributes: Any) -> bytes:
    """A TorchScript archive of one module; ``body`` is that of ``forward(self, x)``."""
    source = f"class N(Module):\n  def forward(self: __torch__.N,\n    x: Tensor) -> Tensor:\n    {body}\n"
    stream = b"\x80\x02c__torch__\nN\n)\x81}b."
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        members: dict[str, bytes | str] = {"data.pkl": stream, "constants.pkl": b"\x80\x02)."}
        for name, data in {**members, "code/__torch__.py": source}.items():
            target.writestr(f"m/{name}", data)
    return out.getvalue()


def read_script(folder: Path, body: str, **options: Any) -> Reading:
    return read(ReadRequest(upload(folder, m_pt=script(body)), Options(input_shapes={"x": [2, 3]}, **options)))


# --- hostile ---------------------------------------------------------------------------------------------------------


def test_the_recorded_hostile_pickle_is_refused_and_runs_nothing() -> None:
    hostile = case("malicious_pickle_refuse")
    with pytest.raises(UnsafeModel, match="eval") as refused:
        read(hostile.request())
    assert refused.value.hint and not Path(hostile.facts["canary"]).exists()


class Payload:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_no_protocol_of_pickle_runs_code(protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps({"w": Payload(exec, f"open({str(canary)!r}, 'w')")}, protocol=protocol)
    with pytest.raises(UnsafeModel, match="exec"):
        read(ReadRequest(upload(tmp_path, m_pth=archive(data_pkl=data), model_py=b"class M: pass")))
    assert not canary.exists()


def test_a_script_whose_pickle_names_foreign_classes_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps(Payload(print, "x"), protocol=2)
    found = archive(data_pkl=data, constants_pkl=b"\x80\x02).", **{"code____torch___py": ""})
    with pytest.raises(ConversionError):
        read(ReadRequest(upload(tmp_path, m_pt=found)))


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        (b"\x80\x02]q\x00", "damaged"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".", "damaged"),
        (b"\x80\x02" + b"(" * 100 + b".", "damaged"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"garbage", "damaged"),
    ],
)
def test_damaged_pickles_are_malformed(stream: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=what):
        read(ReadRequest(upload(tmp_path, m_pth=archive(data_pkl=stream), model_py=b"")))


def test_a_tensor_outside_its_storage_is_malformed(tmp_path: Path) -> None:
    good = Archive(case("statedict_mobilenet").request().upload.files[0])
    members = {name: bytes(good.view(name)) for name in good.names}
    members["data/0"] = members["data/0"][:4]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, data in members.items():
            target.writestr(f"m/{name}", data)
    with pytest.raises(MalformedModel, match="shorter"):
        read(ReadRequest(upload(tmp_path, m_pth=out.getvalue(), model_py=b"")))


def test_a_member_that_fails_its_checksum_is_malformed(tmp_path: Path) -> None:
    data = bytearray(script("return x"))
    at = data.index(b"return x")
    data[at : at + 8] = b"return y"
    with pytest.raises(MalformedModel, match="checksum"):
        read(ReadRequest(upload(tmp_path, m_pt=bytes(data)), Options(input_shapes={"x": [1]})))


def test_compiled_packages_are_refused(tmp_path: Path) -> None:
    data = archive(archive_format="pt2", **{"data__aotinductor__model__m.so": b"\x7fELF"})
    with pytest.raises(UnsafeModel, match="machine code"):
        read(ReadRequest(upload(tmp_path, m_pt2=data)))


@pytest.mark.parametrize(
    "body", ["import os", "x = lambda: 0", "return [y for y in x]", "return x if", "while True: pass"]
)
def test_source_that_is_no_torchscript_is_refused(body: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError):
        read_script(tmp_path, body)


# --- incomplete ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["statedict_mobilenet", "statedict_legacy_transformer", "safetensors_inception"])
def test_weights_alone_are_told_what_is_missing(name: str) -> None:
    whole = case(name).request()
    files = tuple(file for file in whole.upload.files if not file.name.endswith(".py"))
    with pytest.raises(MissingFile, match="weights and no graph") as refused:
        read(ReadRequest(Upload(files), whole.options))
    assert "model.py" in str(refused.value.hint) and "torch.export" in str(refused.value.hint)


def test_a_whole_pickled_module_is_refused_with_its_classes_and_the_way_out() -> None:
    whole = case("whole_module_pickle").request()
    files = tuple(file for file in whole.upload.files if not file.name.endswith(".py"))
    with pytest.raises(UnsafeModel, match=r"model\.Net") as refused:
        read(ReadRequest(Upload(files), whole.options))
    assert "state_dict" in str(refused.value.hint)


def test_a_whole_pickled_module_with_its_source_is_read_without_loading_it() -> None:
    recorded = case("whole_module_pickle")
    reading = read(recorded.request())
    for index in (0, 1):
        sample = recorded.sample(index)
        assert_same(sample.outputs, run(reading.model, sample.inputs))
    assert "pickled-module" in {note.code for note in reading.notes}


def test_the_operator_can_forbid_source_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONNXHUB_MODEL_CODE", "0")
    with pytest.raises(UnsupportedConversion, match="does not run uploaded source"):
        read(case("statedict_mobilenet").request())


def test_a_scripted_model_asks_for_the_shapes_of_its_inputs() -> None:
    with pytest.raises(InvalidOptions, match="'x'") as refused:
        read(case("ts_scripted_lenet").request(input_shapes={}))
    assert "input_shapes" in str(refused.value.hint)


def test_an_unknown_input_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidOptions, match="'y'") as refused:
        read(case("ts_scripted_control_flow").request(input_shapes={"a": [1, 6], "y": [1]}))
    assert "a, b, n" in str(refused.value.hint)


def test_a_traced_model_needs_no_shapes() -> None:
    reading = read(case("ts_traced_mlp").request(input_shapes={}))
    assert [value.name for value in reading.model.graph.inputs] == ["input"]


def test_all_that_cannot_be_read_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators) as refused:
        read_script(tmp_path, "return torch.add(torch.lgamma(x), torch.erfinv(x))")
    assert [item.type for item in refused.value.items] == ["aten::lgamma", "aten::erfinv"]


def test_random_operators_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators, match="random"):
        read_script(tmp_path, "return torch.rand_like(x)")


def test_a_baked_batch_falls_back_to_the_fixed_size_with_a_note(tmp_path: Path) -> None:
    reading = read_script(tmp_path, "return torch.view(x, [6])")
    (x,) = reading.model.graph.inputs
    assert x.shape is not None and list(x.shape) == [2, 3]
    assert "fixed-batch" in {note.code for note in reading.notes}


def test_source_and_weights_that_do_not_fit_are_told_so(tmp_path: Path) -> None:
    recorded = case("statedict_mobilenet")
    source = b"import torch\nclass MobileNet(torch.nn.Linear):\n    def __init__(self, **_): super().__init__(3, 2)\n"
    request = ReadRequest(upload(tmp_path, model_pth=recorded.files[0].read_bytes(), model_py=source), recorded.options)
    with pytest.raises(InvalidOptions, match="weights do not fit"):
        read(request)


# --- weights ---------------------------------------------------------------------------------------------------------


def test_weights_of_all_containers_have_the_shapes_of_their_source() -> None:
    zip_, legacy, safe = (case(n).request().upload for n in
                          ("statedict_mobilenet", "statedict_legacy_transformer", "safetensors_inception"))  # fmt: skip
    assert read_zip(Archive(zip_.files[0])).tensors
    assert legacy.files[0].head(len(LEGACY)) == LEGACY
    assert read_legacy(legacy.files[0]).tensors["emb.weight"].shape == (50, 24)
    assert all(array.dtype == np.float32 for array in read_safetensors(safe.files[0]).tensors.values())


def test_prefixes_of_wrappers_are_taken_off() -> None:
    one = np.zeros(1)
    assert list(stripped({"module._orig_mod.a": one})[-1]) == ["a"]


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"w": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},
        {"w": 3},
    ],
)
def test_damaged_safetensors_are_malformed(header: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(8)
    with pytest.raises(MalformedModel):
        read(ReadRequest(upload(tmp_path, m_safetensors=data, model_py=b"")))


# --- capture ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capture", ["export", "trace", "script"])
def test_source_is_captured_in_the_way_that_is_asked_for(capture: str) -> None:
    recorded = case("statedict_mobilenet")
    reading = read(recorded.request(capture=capture))
    for index in (0, 1):
        sample = recorded.sample(index)
        assert_same(sample.outputs, run(reading.model, sample.inputs))
    (note,) = [note for note in reading.notes if note.code == "capture"]
    assert f"torch.{'export' if capture == 'export' else f'jit.{capture}'}" in note.detail


# --- recognition -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", cases("pytorch"), ids=str)
def test_a_file_is_told_by_its_content_whatever_its_name(recorded: Case, tmp_path: Path) -> None:
    paths = []
    for index, file in enumerate(recorded.files):
        paths.append(tmp_path / (f"{index}.bin" if file.suffix != ".py" else "model.py"))
        paths[-1].write_bytes(file.read_bytes())
    evidence = sniff(Upload.of(*paths))
    assert evidence is not None and evidence.score >= 0.9


def test_other_files_are_not_taken(tmp_path: Path) -> None:
    assert sniff(upload(tmp_path, a_bin=b"\x08\x07", b_zip=archive(readme="x"), c_py=b"pass")) is None


def test_refusals_have_reasons_and_common_operators_none() -> None:
    table = coverage()
    assert all(table[f"aten::{name}"] == "" for name in ("conv2d", "linear", "lstm", "size", "add"))
    assert table["aten::rand"] and table["aten::fft_fft"] == ""
