"""The text of model.py: names, layout, sameness; and no weight in it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.pytorch import table_layers, table_programs, table_tensors
from tests.workers.formats.pytorch.runs import Case, built, normal, written
from workers.formats.pytorch.write.library import helpers
from workers.formats.pytorch.write.lifetime import release
from workers.formats.pytorch.write.names import Tree, Wish, class_name, components, identifier
from workers.hub.graph import GraphBuilder

SETTINGS = ["--isolated", "--line-length", "120", "--target-version", "py311"]
RULES = ["--select", "E,F,I,UP,B,SIM,RUF,W"]
CASES = [*table_layers.CASES, *table_tensors.CASES, *table_programs.CASES]


def assert_quiet(*arguments: str, given: str | None = None) -> None:
    """ruff has nothing to say."""
    run = [sys.executable, "-m", "ruff", *arguments]
    result = subprocess.run(run, input=given, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]


def small_net() -> ir.Model:
    """Two named convolutions with a shared parent, an in-place activation, a dense layer."""
    g = GraphBuilder("tiny_net")
    x = g.input("data", ["batch", 3, 8, 8])
    with g.layer("block1/3x3", "Convolution"):
        x = g.rename(g.Conv(x, normal(4, 3, 3, 3), normal(4)), "block1_raw")
    with g.layer("block1/relu", "ReLU"):
        x = g.rename(g.Relu(x), "block1/out")
    with g.layer("layer1.0.conv", "Conv"):
        x = g.Conv(x, normal(4, 4, 1, 1))
    with g.layer("layer1.1.conv", "Conv"):
        x = g.Conv(x, normal(2, 4, 1, 1))
    with g.layer("forward", "InnerProduct"):
        x = g.MatMul(g.Flatten(x), normal(72, 5))
    g.output(x, "class")
    return g.model()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the text of every case of the operator tables."""
    root = tmp_path_factory.mktemp("texts")
    for case in CASES:
        written(built([np.asarray(array) for array in case.inputs], case.build, case.free), root / case.name)
    return root


def test_layers_keep_their_names_and_nest(tmp_path: Path) -> None:
    files = written(small_net(), tmp_path)
    text = (tmp_path / "model.py").read_text()
    assert "class TinyNet(nn.Module):" in text
    assert "self.block1.conv_3x3 = nn.Conv2d(3, 4, 3)" in text
    assert "self.layer1 = nn.ModuleDict()" in text
    assert 'self.layer1["0"].conv = nn.Conv2d(4, 4, 1, bias=False)' in text
    assert "self.forward_ = " not in text  # a module has a method of that name
    assert files.input_names == ("data",)
    assert files.files == ("model.py", "model.safetensors", "requirements.txt")


def test_numbers_in_a_path_become_keys_so_that_the_state_dict_has_the_source_names(tmp_path: Path) -> None:
    written(small_net(), tmp_path)
    header = (tmp_path / "model.safetensors").read_bytes()[:2000].decode(errors="replace")
    assert '"layer1.0.conv.weight"' in header and '"layer1.1.conv.weight"' in header


def test_a_variable_taken_over_is_called_after_its_last_value(tmp_path: Path) -> None:
    written(small_net(), tmp_path)
    forward = (tmp_path / "model.py").read_text()
    assert "forward = self.block1.conv_3x3(data)" in forward
    assert "forward = self.block1.relu(forward)" in forward
    assert "class_ = self.forward_1(forward)" in forward


def test_tensors_are_let_go_behind_their_last_use() -> None:
    statements = [
        (0, "a = f(x)"), (0, "n = a.shape[0]"), (0, "b = a + x"), (0, "if n > 1:"), (1, "b = f(b)"), (0, "else:"),
        (1, "c = f(a)"), (0, "d = f(x)"), (0, "e = [f(each) for each in d]"), (0, "g = f(e)"), (0, "h = f(g)"),
        (0, "return h"),
    ]  # fmt: skip
    released = [line for _, line in release(statements, {"x", "n"})]
    assert [line for line in released if line.startswith("del ")] == ["del a", "del e"]
    assert released.index("del a") == released.index("c = f(a)") + 1
    assert released.index("del e") == released.index("g = f(e)") + 1


def test_outputs_are_named_as_far_as_python_can(tmp_path: Path) -> None:
    assert written(small_net(), tmp_path).output_names == ("class_",)


def test_no_weight_is_in_the_text(tmp_path: Path) -> None:
    written(small_net(), tmp_path)
    numbers = [node.value for node in ast.walk(ast.parse((tmp_path / "model.py").read_text()))
               if isinstance(node, ast.Constant) and isinstance(node.value, float)]  # fmt: skip
    assert numbers == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_text_is_python_of_at_most_120_columns(case: Case, texts: Path) -> None:
    text = (texts / case.name / "model.py").read_text()
    ast.parse(text)
    assert max(len(line) for line in text.splitlines()) <= 120


def test_linters_find_nothing(texts: Path) -> None:
    assert_quiet("check", *SETTINGS, *RULES, str(texts))


def test_formatters_change_nothing(texts: Path) -> None:
    assert_quiet("format", *SETTINGS, "--diff", str(texts))


def test_the_same_model_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from tests.workers.formats.pytorch.test_write_text import small_net, written;"
        "written(small_net(), Path(sys.argv[2]))"
    )
    root = str(Path(__file__).parents[4])
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, root, str(tmp_path / seed)],
            check=True, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=root,
        )  # fmt: skip
    for name in ("model.py", "model.safetensors", "requirements.txt"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_weights_shared_by_two_layers_are_one_module(tmp_path: Path) -> None:
    g = GraphBuilder("siamese")
    weight = g.weight("w", normal(4, 3, 3, 3))
    for index in range(2):
        x = g.input(f"x{index}", [1, 3, 5, 5])
        g.output(g.Conv(x, weight), f"y{index}")
    written(g.model(), tmp_path)
    assert (tmp_path / "model.py").read_text().count("nn.Conv2d(") == 1


def test_norms_that_start_alike_are_modules_of_their_own(tmp_path: Path) -> None:
    g = GraphBuilder("twins")
    x = g.input("x", [1, 3, 5, 5])
    ones, zeros = (g.weight(name, np.full(3, value, np.float32)) for name, value in (("ones", 1), ("zeros", 0)))
    for _ in range(2):
        x = g.BatchNormalization(x, ones, zeros, zeros, ones, epsilon=1e-3)
    g.output(x, "y")
    written(g.model(), tmp_path)
    assert (tmp_path / "model.py").read_text().count("nn.BatchNorm2d(3") == 2


def test_modules_of_an_onnx_model_are_named_after_their_weights(tmp_path: Path) -> None:
    g = GraphBuilder("main_graph")
    x = g.input("x", ["n", 4])
    for index in range(2):
        x = g.Gemm(x, g.weight(f"body.{index}.fc.weight", normal(4, 4)), normal(4), transB=1)
    g.output(x, "y")
    written(g.model(), tmp_path)
    text = (tmp_path / "model.py").read_text()
    assert 'self.body["0"].fc = nn.Linear(4, 4)' in text and 'self.body["1"].fc = nn.Linear(4, 4)' in text
    assert "class Model(nn.Module):" in text


def test_a_model_without_weights_has_no_weights_file(tmp_path: Path) -> None:
    files = written(built([normal(2)], lambda g, x: g.Relu(x)), tmp_path)
    assert files.files == ("model.py", "requirements.txt")
    assert "load_file" not in (tmp_path / "model.py").read_text()


def test_helpers_are_formatted_and_documented() -> None:
    library = "\n\n\n".join(helper.text for helper in helpers().values()) + "\n"
    assert_quiet("format", *SETTINGS, "--diff", "-", given=library)
    assert max(len(line) for line in library.splitlines()) <= 120
    functions = ast.parse(library).body
    assert all(isinstance(function, ast.FunctionDef) and function.returns is not None for function in functions)


@pytest.mark.parametrize(
    ("name", "op", "path"),
    [
        ("conv1", "Conv", ("conv1",)),
        ("inception_3a/1x1", "Conv", ("inception_3a", "1x1")),
        ("/layer1/layer1.0/conv1/Conv", "Conv", ("layer1", "0", "conv1")),
        ("/fc/Gemm_2", "Gemm", ("fc",)),
        ("", "Relu", ("relu",)),
    ],
)
def test_layer_names_become_paths(name: str, op: str, path: tuple[str, ...]) -> None:
    assert components(name, op) == path


@pytest.mark.parametrize(
    ("name", "want"),
    [("a:0", "a_0"), ("lambda", "lambda_"), ("7x7", "x_7x7"), ("été", "t"), ("", "x"), ("match", "match_")],
)
def test_names_become_identifiers(name: str, want: str) -> None:
    assert identifier(name) == want and want.isidentifier()


@pytest.mark.parametrize(("name", "want"), [("le net-5", "LeNet5"), ("18", "Model18"), ("", "Model"), ("F", "FNet")])
def test_graph_names_become_class_names(name: str, want: str) -> None:
    assert class_name(name) == want


def test_a_layer_that_is_also_a_parent_does_not_nest() -> None:
    tree = Tree([Wish(("conv",), "conv", True), Wish(("conv", "bn"), "norm", True), Wish(("conv", "act"), "act", True)])
    assert tree.paths == [("conv",), ("conv_bn",), ("conv_act",)]


def test_colliding_names_are_told_apart() -> None:
    tree = Tree([Wish(("a b",), "conv", True), Wish(("a.b",), "conv", True), Wish(("train",), "conv", True)])
    assert tree.paths == [("a_b",), ("a_b_1",), ("train_1",)]
