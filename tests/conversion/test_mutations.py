"""A writer that gets one attribute wrong is found out, and the layer is named: the proof can see errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.conversion.table_mutations import MUTATIONS, Mutation
from workers.formats import all_formats
from workers.formats.contract import Format, WriteRequest, Written
from workers.hub import OPSET
from workers.hub.check import check
from workers.hub.graph import GraphBuilder
from workers.hub.normalise import normalise
from workers.hub.provenance import layer_of
from workers.hub.save import save
from workers.options import DEFAULTS
from workers.report.schema import Comparison
from workers.verification import Bench

IN_TORCH = ("conv-pads", "gemm-transB", "lrn-alpha", "average-pool-include-pad", "lstm-gate-order", "softmax-axis")


def hub_of(mutation: Mutation) -> ir.Model:
    """before -> suspect -> after"""
    g = GraphBuilder()
    x = g.input("x", mutation.shape)
    with g.layer("before", "Tanh"):
        x = g.Tanh(x)
    with g.layer("suspect", mutation.name):
        x = mutation.layer(g, x)
    with g.layer("after", "Affine"):
        g.output(g.Mul(x, np.float32(1.5)), "y")
    hub, _ = normalise(g.model())
    check(hub)
    return hub


def mutate(model: ir.Model, mutation: Mutation) -> None:
    """Change the attribute, or the constant input, of the suspect layer, where the model (or a part of it) has it."""
    for node in model.graph:
        if layer_of(node) != "suspect":
            continue
        if isinstance(mutation.attribute, str):
            if mutation.attribute in onnx.defs.get_schema(node.op_type, OPSET, "").attributes:
                changed = ir.convenience.convert_attribute(mutation.attribute, mutation.value)
                node.attributes[mutation.attribute] = changed
            continue
        value = node.inputs[mutation.attribute]
        assert value is not None and value.const_value is not None
        array = value.const_value.numpy()
        wrong = np.ascontiguousarray(mutation.value(array)).astype(array.dtype)
        node.replace_input_with(mutation.attribute, GraphBuilder(graph=model.graph).weight("mutated", wrong))


def faulty(format: Format, mutation: Mutation) -> Format:
    """The same format with a writer that always makes this one mistake."""
    write = format.write
    assert write is not None

    def wrong(request: WriteRequest) -> Written:
        model = request.model.clone()
        mutate(model, mutation)
        return write(replace(request, model=model))

    return replace(format, write=wrong)


def proof(mutation: Mutation, target: str, folder: Path) -> Comparison:
    hub = hub_of(mutation)
    out, work = folder / "out", folder / "work"
    place = out / target
    place.mkdir(parents=True)
    work.mkdir()
    save(hub, out / "hub.onnx")
    bench = Bench(out / "hub.onnx", hub, out, work, DEFAULTS)
    bench.prepare(())
    format = faulty(all_formats()[target], mutation)
    assert format.write is not None
    written = format.write(WriteRequest(hub.clone(), place))
    (comparison,) = bench.check_target(format, place, written)
    return comparison


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_wrong_attribute_in_a_written_onnx_file_is_caught_and_its_layer_named(
    mutation: Mutation, tmp_path: Path
) -> None:
    comparison = proof(mutation, "onnx", tmp_path)
    assert comparison.verdict == "mismatched", comparison.reason
    assert comparison.divergence is not None
    assert comparison.divergence.layer == "suspect"
    assert comparison.divergence.model and (tmp_path / "out" / comparison.divergence.model).exists()


@pytest.mark.xdist_group("torch-mutations")
@pytest.mark.parametrize("name", IN_TORCH)
def test_a_wrong_attribute_in_a_written_module_is_caught_and_its_layer_named(name: str, tmp_path: Path) -> None:
    (mutation,) = (mutation for mutation in MUTATIONS if mutation.name == name)
    comparison = proof(mutation, "pytorch", tmp_path)
    assert comparison.verdict == "mismatched", comparison.reason
    assert comparison.divergence is not None
    assert comparison.divergence.layer == "suspect"


def test_there_are_mutations_of_thirty_kinds() -> None:
    assert len({str(mutation.attribute) for mutation in MUTATIONS}) >= 30
