"""Fields of a job: texts of a form and values of JSON mean the same; what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from app.catalog.catalog import Catalog
from app.jobs.request import input_shape, job_request
from app.problems import Problem
from app.uploads.receive import Submission
from workers.options import Options

CATALOG = Catalog(
    formats={
        "caffe": {"name": "caffe", "read": True, "write": True},
        "onnx": {"name": "onnx", "read": True, "write": True},
        "pytorch": {"name": "pytorch", "read": False, "write": True},
    },
    options=Options.model_json_schema(),
    workers=1,
)


def form(**values: Any) -> Submission:
    return Submission({name: value if isinstance(value, list) else [value] for name, value in values.items()})


@pytest.mark.parametrize(
    ("text", "name", "dims", "dtype"),
    [
        ("x:1,3,224,224", "x", [1, 3, 224, 224], None),
        ("x:1,3,224,224:float32", "x", [1, 3, 224, 224], "float32"),
        ("serving:0:2,16", "serving:0", [2, 16], None),
        ("ids:batch,?:int64", "ids", ["batch", None], "int64"),
        ("x: 1, -1, 8", "x", [1, None, 8], None),
        ("scalar:", "scalar", [], None),
    ],
)
def test_input_shapes_are_read(text: str, name: str, dims: list[Any], dtype: str | None) -> None:
    assert input_shape(text) == (name, dims, dtype)


def test_a_form_and_json_give_the_same_request() -> None:
    texts = form(
        target=["onnx", "pytorch"], source="caffe", options='{"opset": 17}', inputs=["data:1,3,8,8"], dry_run="true"
    )
    values = Submission(
        {
            "target": ["onnx", "pytorch"],
            "source": ["caffe"],
            "options": [{"opset": 17}],
            "inputs": ["data:1,3,8,8"],
            "dry_run": [True],
        },
        is_json=True,
    )
    assert job_request(texts, CATALOG) == job_request(values, CATALOG)
    assert job_request(texts, CATALOG).options == {"opset": 17, "input_shapes": {"data": [1, 3, 8, 8]}}


def test_a_target_named_twice_is_converted_once() -> None:
    assert job_request(form(target=["onnx", "caffe", "onnx"]), CATALOG).target == ["onnx", "caffe"]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("no target", {}, "invalid-request", "/target"),
    ("an unknown field", {"target": "onnx", "colour": "red"}, "invalid-request", "/colour"),
    ("source twice", {"target": "onnx", "source": ["caffe", "onnx"]}, "invalid-request", "/source"),
    ("an unknown verify", {"target": "onnx", "verify": "maybe"}, "invalid-request", "/verify"),
    ("an unknown device", {"target": "onnx", "device": "tpu"}, "invalid-request", "/device"),
    ("a device that no worker has", {"target": "onnx", "device": "cuda"}, "invalid-request", "/device"),
    ("a word for a flag", {"target": "onnx", "dry_run": "perhaps"}, "invalid-request", "/dry_run"),
    ("a long tag", {"target": "onnx", "tag": "x" * 201}, "invalid-request", "/tag"),
    ("an input without dimensions", {"target": "onnx", "inputs": ["x"]}, "invalid-request", "/inputs"),
    ("an unknown target", {"target": "word2vec"}, "unsupported-conversion", "/target/0"),
    ("a source that is only written", {"target": "onnx", "source": "pytorch"}, "unsupported-conversion", "/source"),
    ("an unknown option", {"target": "onnx", "options": '{"opsett": 17}'}, "invalid-options", "/options/opsett"),
    ("a nested unknown option", {"target": "onnx", "options": '{"tolerance": {"x": 1}}'}, "invalid-options", "/x"),
    ("a wrong type", {"target": "onnx", "options": '{"opset": "17"}'}, "invalid-options", "/options/opset"),
    ("a class name", {"target": "onnx", "options": '{"__class__": "x"}'}, "invalid-options", "__class__"),
    ("a vast tolerance", {"target": "onnx", "options": '{"tolerance": {"rtol": 1e308}}'}, "invalid-options", "rtol"),
    ("a dimension of 0", {"target": "onnx", "inputs": ["x:0,3"]}, "invalid-options", "/options/input_shapes/x/0"),
    ("100,000 keys", {"target": "onnx", "options": str({f"k{i}": 1 for i in range(100_000)}).replace("'", '"')},
     "invalid-options", "/options/k0"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "problem", "pointer"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_wrong_is_named(values: dict[str, Any], problem: str, pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        job_request(form(**values), CATALOG)
    assert caught.value.name == problem
    assert any(pointer in error["pointer"] for error in caught.value.members["errors"])
    assert len(caught.value.members["errors"]) <= 50


@pytest.mark.parametrize("text", ["{", "NaN", '{"tolerance": {"rtol": Infinity}}', "[" * 100_000, '{"a": 1}}'])
def test_options_that_are_no_json_are_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        job_request(form(target="onnx", options=text), CATALOG)
    assert caught.value.name == "invalid-options"


def test_options_must_be_an_object() -> None:
    with pytest.raises(Problem) as caught:
        job_request(form(target="onnx", options="[1]"), CATALOG)
    assert caught.value.name == "invalid-request"
