"""What cannot be written is refused by name, all of it at once, with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.workers.formats.pytorch.runs import built, normal, written
from workers.errors import UnsupportedOperators
from workers.formats.pytorch import FORMAT
from workers.formats.pytorch.write import NEVER, coverage
from workers.hub import OPSET
from workers.hub.graph import GraphBuilder

POINT = normal(1, 2, 1, 1, 1, 1)


def refusal(inputs: list[Any], build: Any, folder: Path, free: tuple[int, ...] = ()) -> UnsupportedOperators:
    with pytest.raises(UnsupportedOperators) as caught:
        written(built(inputs, build, free), folder)
    assert not (folder / "model.py").exists()
    return caught.value


def test_all_layers_that_cannot_be_written_are_named_at_once(tmp_path: Path) -> None:
    def build(g: GraphBuilder, x: ir.Value) -> ir.Value:
        with g.layer("odd1", "Custom"):
            y = g.op("Strange", x, domain="com.example")
        with g.layer("odd2", "Custom"):
            return g.op("Stranger", y, domain="com.example")

    error = refusal([normal(2)], build, tmp_path)
    assert [item.layer for item in error.items] == ["odd1", "odd2"]
    assert "com.example::Strange" in error.items[0].reason
    assert "pytorch" in error.detail


def test_strings_are_refused(tmp_path: Path) -> None:
    g = GraphBuilder()
    x = g.input("x", [2], ir.DataType.STRING)
    g.output(g.Equal(x, x), "y")
    with pytest.raises(UnsupportedOperators, match="PyTorch has no tensors of strings"):
        written(g.model(), tmp_path)


def test_four_bit_floats_are_refused(tmp_path: Path) -> None:
    g = GraphBuilder()
    x = g.input("x", [2])
    g.output(g.Transpose(x, perm=[0]), "y")
    x.type = ir.TensorType(ir.DataType.FLOAT4E2M1)
    with pytest.raises(UnsupportedOperators, match="PyTorch has no tensors of FLOAT4E2M1"):
        written(g.model(), tmp_path)


@pytest.mark.parametrize(
    ("shape", "build", "free", "reason"),
    [
        ((2, 3, 2, 2, 2, 2), lambda g, x: g.MaxPool(x, kernel_shape=[1] * 4), (), "no pooling of an input of rank 6"),
        (
            (1, 2, 2, 2, 2, 2),
            lambda g, x: g.Conv(x, normal(1, 2, 1, 1, 1, 1)),
            (),
            "no convolution of an input of rank 6",
        ),
        (
            (1, 2, 5, 5),
            lambda g, x: g.ConvTranspose(x, normal(2, 1, 3, 3), strides=[2, 2], output_shape=[9, 9]),
            (2,),
            "its padding follows from output_shape, and its input has free axes",
        ),
        (
            (1, 2, 9, 9),
            lambda g, x: g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[2, 0, 0, 1], ceil_mode=1),
            (2,),
            "it rounds up with pads that PyTorch has not, over a free axis",
        ),
    ],
)
def test_the_reason_says_what_pytorch_lacks(
    shape: tuple[int, ...], build: Any, free: tuple[int, ...], reason: str, tmp_path: Path
) -> None:
    assert reason in refusal([normal(*shape)], build, tmp_path, free).detail


def test_interpolated_integers_are_refused(tmp_path: Path) -> None:
    def build(g: GraphBuilder, x: ir.Value) -> ir.Value:
        return g.Resize(x, None, np.array([1, 1, 1.5, 1.5], np.float32), mode="linear")

    assert "rounding" in refusal([np.zeros((1, 1, 4, 4), np.uint8)], build, tmp_path).detail


def test_every_operator_of_the_hub_is_written_or_refused_with_a_reason() -> None:
    covered = coverage()
    schemas = [schema for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""]
    hub = {schema.name for schema in schemas if schema.since_version <= OPSET and not schema.deprecated}
    gone = {schema.name for schema in schemas if schema.since_version <= OPSET and schema.deprecated}
    assert hub - gone - {"Constant"} <= set(covered)
    strings = {"RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"}
    assert {op for op, reason in covered.items() if reason} == {"ImageDecoder"} | strings | set(NEVER)
    assert not set(NEVER) & hub


def test_the_format_offers_writing_and_its_check() -> None:
    assert FORMAT.write is not None and FORMAT.legalise is not None
    assert [verifier.action for verifier in FORMAT.verify] == ["run:pytorch"]
    assert [export.file for export in FORMAT.exports] == ["model.pt2"]
