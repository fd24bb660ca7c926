# ruff: noqa: E501 - bytes of other systems
"""Caffe's files are told by content from those of systems that wrap theirs alike."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from workers.formats.caffe.file import LAYER, NET
from workers.formats.caffe.recognise import CAFFEMODEL, OTHER, PROTOTXT, SOLVER, kind_of, sniff
from workers.inspect.protobuf_write import encode
from workers.inspect.schema import Schema
from workers.inspect.upload import Upload, UploadedFile

# Outlines of other systems' nets, with the field numbers of their own tables.
OTHERS = Schema("""
message NetDef { string name = 1; repeated OperatorDef op = 2; string type = 3; repeated string external_input = 7; }
message OperatorDef { repeated string input = 1; repeated string output = 2; string name = 3; string type = 4;
  repeated Argument arg = 5; }
message Argument { string name = 1; int64 i = 3; }
message Dictionary { int64 version = 1; repeated Entry data = 2; }
message Entry { string key = 1; Value value = 2; }
message Value { int64 version = 1; int64 size = 4; string text = 5; }
message GraphDef { repeated NodeDef node = 1; }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; }
message MetaGraphDef { NodeDef meta_info = 1; GraphDef graph_def = 2; }
message ProgramDesc { repeated BlockDesc blocks = 1; }
message BlockDesc { int32 idx = 1; int32 parent = 2; }
""")
NODE = {"name": "conv1", "op": "Conv2D", "input": ["x"]}


def upload(folder: Path, content: bytes, name: str = "model") -> UploadedFile:
    path = folder / name
    path.write_bytes(content)
    return Upload.of(path).files[0]


@pytest.mark.parametrize(
    "content",
    [
        encode(OTHERS["NetDef"](name="net", op=[{"input": ["data"], "output": ["y"], "type": "Relu"}])),
        encode(OTHERS["NetDef"](op=[{"input": ["data"], "output": ["y"], "name": "a", "type": "Conv",
                                     "arg": [{"name": "kernel", "i": 3}]}], external_input=["data"])),
        encode(OTHERS["NetDef"](name="init", op=[{"output": ["w"], "type": "GivenTensorFill"}])),
        encode(OTHERS["Dictionary"](version=1, data=[{"key": "type", "value": {"version": 1, "text": "Composite"}}])),
        encode(OTHERS["Dictionary"](data=[{"key": "type", "value": {"size": 3}}])),
        encode(OTHERS["GraphDef"](node=[NODE, NODE])),
        encode(OTHERS["MetaGraphDef"](meta_info=NODE, graph_def={"node": [NODE]})),
        encode(OTHERS["ProgramDesc"](blocks=[{"idx": 0, "parent": -1}])),
        onnx.helper.make_model(onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [], [])).SerializeToString(),
        b'op {\n  input: "data"\n  output: "y"\n  type: "Relu"\n}\nexternal_input: "data"\n',
        b'node {\n  name: "x"\n  op: "Placeholder"\n}\n',
        b"[net]\nwidth=416\n[convolutional]\nfilters=32\n",
        b'{"nodes": [{"op": "null", "name": "layers {"}]}',
        b"\x2a\x04\x00\x00\x80\x3f\x3a\x02\xff\xff",
        b"just words about a layer",
        bytes(range(256)) * 10,
    ],
    ids=range(16),
)  # fmt: skip
def test_files_of_other_systems_are_not_caffe(tmp_path: Path, content: bytes) -> None:
    file = upload(tmp_path, content)
    assert kind_of(file).role == OTHER and sniff(Upload((file,))) is None


@pytest.mark.parametrize(
    "content",
    [
        encode(NET(name="n", layer=[LAYER(name="a", type="ReLU", bottom=["x"], top=["y"])])),
        encode(NET(layer=[LAYER(type="ReLU")])),
        encode(NET(layers=[{"name": "a", "type": "RELU", "bottom": ["x"], "top": ["y"]}])),
        encode(NET(name="n", layers=[{"bottom": ["x"], "layer": {"name": "a", "type": "conv"}}])),
        encode(NET(name="n", input=["x"], input_dim=[1, 2, 3, 4], layers=[{"name": "a", "type": "RELU"}])),
    ],
    ids=range(5),
)
def test_nets_of_every_generation_are(tmp_path: Path, content: bytes) -> None:
    assert kind_of(upload(tmp_path, content)).role == CAFFEMODEL


def test_a_truncated_net_is_still_recognised(tmp_path: Path) -> None:
    layer = LAYER(name="conv1", type="Convolution", top=["y"], blobs=[{"data": [0.0] * 1000}])
    content = encode(NET(name="n", layer=[layer, layer]))
    for keep in (200, 4100, len(content) - 1):
        assert kind_of(upload(tmp_path, content[:keep])).role == CAFFEMODEL


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ('name: "a"\nlayer {\n name: "b" }', PROTOTXT), ("layers { }", PROTOTXT), ("layer: < >", PROTOTXT),
        ('name: "a" # x\ninput: "d"; layer{}', PROTOTXT), ("\ufeffLAYER {", OTHER), ("# layer {\nname: 'x'", OTHER),
        ("net: 'a'\nbase_lr: 0.1", SOLVER), ("\ufefflayer {", PROTOTXT),
    ],
)  # fmt: skip
def test_texts(tmp_path: Path, text: str, role: str) -> None:
    assert kind_of(upload(tmp_path, text.encode())).role == role
