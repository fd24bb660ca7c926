"""What a user does with a written module: train it, script it, move its weights, run it at other sizes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.pytorch.runs import torch_toolchain, written
from workers.hub.graph import GraphBuilder
from workers.hub.node import Array

pytestmark = pytest.mark.xdist_group("torch-modules")


def classifier() -> ir.Model:
    """Convolution, batch norm, activation, pooling, a dense layer, softmax: trained in the tests."""
    rng = np.random.default_rng(11)  # of its own: what it learns must not hang on which tests ran before

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    g = GraphBuilder("classifier")
    x = g.input("data", ["batch", 3, 8, 8])
    ones = np.ones(4, np.float32)
    with g.layer("conv", "Conv"):
        x = g.Conv(x, normal(4, 3, 3, 3), normal(4), pads=[1, 1, 1, 1])
    with g.layer("bn", "BatchNorm"):
        x = g.BatchNormalization(x, ones * 2, ones, ones, ones)
    with g.layer("relu", "ReLU"):
        x = g.Relu(x)
    with g.layer("scale", "Scale"):
        x = g.Mul(x, normal(4, 1, 1))
    with g.layer("pool", "Pooling"):
        x = g.GlobalAveragePool(x)
    with g.layer("fc", "InnerProduct"):
        x = g.Gemm(g.Flatten(x), normal(5, 4), normal(5), transB=1)
    g.output(x, "logits")
    return g.model()


def ask(folder: Path, program: str) -> Any:
    """Run ``program`` with the module as ``model`` in the torch environment; what it prints last, as JSON."""
    head = (
        f"import json, sys, torch\nsys.path.insert(0, {str(folder)!r})\nimport model as source\nmodel = source.load()\n"
    )
    python = torch_toolchain().place.python
    run = [str(python), "-c", head + program]
    result = subprocess.run(run, capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier")
    written(classifier(), path)
    return path


def test_training_lowers_the_loss_and_moves_every_parameter(folder: Path) -> None:
    program = """
torch.manual_seed(0)
torch.set_num_threads(1)
x, t = torch.randn(8, 3, 8, 8), torch.arange(8) % 5
before = {n: p.detach().clone() for n, p in model.named_parameters()}
model.train()
optimiser = torch.optim.SGD(model.parameters(), lr=0.02)
losses = []
for _ in range(100):
    optimiser.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), t)
    loss.backward()
    optimiser.step()
    losses.append(float(loss))
moved = [n for n, p in model.named_parameters() if not torch.equal(before[n], p)]
print(json.dumps([losses, moved, sorted(before), [n for n, _ in model.named_buffers()]]))
"""
    losses, moved, parameters, buffers = ask(folder, program)
    assert losses[-1] < 0.7 * losses[0]
    # A constant added ahead of batch norm has no gradient to speak of.
    assert set(parameters) - set(moved) <= {"conv.bias"}
    assert parameters == ["bn.bias", "bn.weight", "conv.bias", "conv.weight", "fc.bias", "fc.weight", "scale_const"]
    assert buffers == ["bn.running_mean", "bn.running_var", "bn.num_batches_tracked"]


def test_it_is_in_evaluation_mode_and_its_weights_go_to_another_instance(folder: Path) -> None:
    program = """
x = torch.randn(2, 3, 8, 8)
other = source.Classifier()
other.load_state_dict(model.state_dict())
print(json.dumps([model.training, bool(torch.equal(model(x), other.eval()(x)))]))
"""
    assert ask(folder, program) == [False, True]


def test_it_can_be_scripted(folder: Path) -> None:
    program = """
import warnings
warnings.simplefilter("ignore")
x = torch.randn(2, 3, 8, 8)
print(json.dumps(bool(torch.allclose(torch.jit.script(model)(x), model(x)))))
"""
    assert ask(folder, program) is True


def test_the_weights_may_lie_in_another_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert ask(folder, f"print(json.dumps(type(source.load({str(tmp_path)!r})).__name__))") == "Classifier"


def test_the_table_of_inputs_says_types_and_free_axes(folder: Path) -> None:
    assert ask(folder, "print(json.dumps(source.INPUTS))") == {"data": ["float32", ["batch", 3, 8, 8]]}


def test_requirements_are_what_the_module_imports(folder: Path) -> None:
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in lines] == ["numpy", "safetensors", "torch"]
    lock = (torch_toolchain().place.lock).read_text()
    assert all(line in lock for line in lines)
