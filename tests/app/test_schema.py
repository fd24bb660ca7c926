"""The small JSON Schema checker agrees with pydantic, which the schema came from."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.catalog.schema import errors
from workers.options import Options

SCHEMA = Options.model_json_schema()
VALUES: list[Any] = [
    {},
    {"opset": 17},
    {"opset": 8},
    {"opset": 31},
    {"opset": 17.5},
    {"opset": True},
    {"opset": None},
    {"inputs": ["a"]},
    {"inputs": [1]},
    {"inputs": "a"},
    {"input_shapes": {"x": [1, None, "batch"]}},
    {"input_shapes": {"x": [0]}},
    {"input_shapes": {"x": [[1]]}},
    {"input_shapes": [1]},
    {"input_dtypes": {"x": "int64"}},
    {"input_dtypes": {"x": 1}},
    {"phase": "TRAIN"},
    {"phase": "test"},
    {"tolerance": {"rtol": 0.1}},
    {"tolerance": {"rtol": -1}},
    {"tolerance": {"cosine": 2}},
    {"tolerance": {"rtoll": 1}},
    {"tolerance": 1},
    {"seed": 2**32},
    {"dynamic_batch": False},
    {"unknown": 1},
    [],
    "x",
    None,
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_agrees_with_the_engine(value: Any) -> None:
    try:
        Options.model_validate(value, strict=True)
        valid = True
    except ValidationError:
        valid = False
    assert (errors(value, SCHEMA) == []) == valid


def test_names_the_place() -> None:
    found = errors({"input_shapes": {"a/b": [1, 0]}}, SCHEMA)
    assert [error.pointer for error in found] == ["/input_shapes/a~1b/1"]
    assert "at least 1" in found[0].detail
