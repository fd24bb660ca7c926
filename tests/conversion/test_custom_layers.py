"""A function of the user's in the place of a layer type: the outputs stay those that the real framework recorded.

Recorded models with a type that onnxhub reads itself: what the function says comes first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.workers.formats.cases import MODELS, Case, assert_same, cases, run, upload_of
from workers.errors import ConversionError, LimitExceeded, UnsupportedOperators
from workers.inspect.upload import Upload, UploadedFile
from workers.options import Options
from workers.pipeline import Conversion, convert

HEAD = '<opset_import: ["" : 21]>\n'
DENSE = "(x, w, b) => (y) { f = Flatten (x)  y = Gemm <transB = 1> (f, w, b) }"
RELU = "(x) => (y) { y = Relu (x) }"
OVERRIDES = {
    "caffe/lenet_v1": f"InnerProduct <num_output: int = 0> {DENSE}",
    "caffe2/mlp_brew": f"FC {DENSE}",
    "darknet/lenet_padding": "softmax (x) => (y) { y = Softmax <axis = 1> (x) }",
    "keras/keras3_mobilenet_keras": "GlobalAveragePooling2D <keepdims: int = 0> (x) => (y) { "
    "a = Constant <value_ints = [1, 2]> ()  y = ReduceMean <keepdims: int = @keepdims> (x, a) }",
    "mxnet/mlp_module": f"FullyConnected {DENSE}",
    "paddle/p26_lenet_pdmodel": f"relu {RELU}",
    "paddle/p3_resnet_json": f"relu {RELU}",
    "pytorch/ts_traced_mlp": '"aten::linear" (x, w, b) => (y) { y = Gemm <transB = 1> (x, w, b) }',
    "pytorch/pt2_resnet": f'"aten::relu" {RELU}',
    "tensorflow/tf1_lenet_frozen": f"Relu {RELU}",
    "tflite/unet_resize": "SOFTMAX <beta> (x) => (y) { b = Constant <value_float: float = @beta> ()  m = Mul (x, b)"
    "  y = Softmax <axis = -1> (m) }",
    "torch7/mlp_mnist": '"nn.Linear" (x, w, b) => (y) { y = Gemm <transB = 1> (x, w, b) }',
}


def converted(folder: Path, files: tuple[UploadedFile, ...], options: Options) -> tuple[ir.Model, list[str]]:
    """The hub model, and the codes of what was noted."""
    out, work = folder / "out", folder / "work"
    out.mkdir()
    work.mkdir()
    report = convert(Conversion(files, (), out, work, options=options, verify="none"))
    assert report.source is not None
    assert "custom_ops.onnxtxt" in [file.name for file in report.source.files]
    return ir.load(out / "hub.onnx"), [note.code for note in report.source.notes]


def written(folder: Path, text: str) -> UploadedFile:
    return upload_of(folder, {"custom_ops.onnxtxt": text.encode()}).files[0]


def case_of(name: str) -> Case:
    system, _, case = name.partition("/")
    return cases(system, case)[0]


@pytest.mark.parametrize("name", OVERRIDES)
def test_the_outputs_stay_those_of_the_framework(name: str, tmp_path: Path) -> None:
    case = case_of(name)
    files = (*case.uploaded, written(tmp_path, HEAD + OVERRIDES[name]))
    model, codes = converted(tmp_path, files, case.options)
    assert "custom-layer" in codes and "unused-function" not in codes
    for index in (0, 1):
        sample = case.sample(index)
        assert_same(sample.outputs, run(model, sample.inputs))


ROOT = Path(__file__).parents[2]
SWIRL = MODELS / "custom" / "swirl"


@pytest.mark.parametrize("model", ["model.keras", "model.h5"])
def test_a_class_of_the_users_and_a_lambda_are_what_their_functions_say(model: str, tmp_path: Path) -> None:
    """As the documentation says."""
    example = (ROOT / "docs" / "custom-layers.md").read_text().split("```")[1]
    files = (*Upload.of(SWIRL / model).files, written(tmp_path, example))
    hub, codes = converted(tmp_path, files, Options())
    assert codes.count("custom-layer") == 2
    for index in (0, 1):
        with np.load(SWIRL / f"io_{index}.npz") as recorded:
            got = run(hub, {hub.graph.inputs[0].name or "": recorded["input_0"]})
            assert_same({next(iter(got)): recorded["output_0"]}, got)


def test_without_a_function_the_refusal_tells_of_them(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators, match="Swirl") as caught:
        refused(tmp_path, Upload.of(SWIRL / "model.keras").files)
    assert {item.layer for item in caught.value.items} == {"sw", "twice"}
    assert "custom_ops.onnxtxt" in str(caught.value.problem()["hint"])


def refused(folder: Path, files: tuple[UploadedFile, ...]) -> None:
    for name in ("out", "work"):
        (folder / name).mkdir()
    convert(Conversion(files, (), folder / "out", folder / "work", verify="none"))


def prototxt(folder: Path, layer: str) -> tuple[UploadedFile, ...]:
    """A Caffe net of one layer of the user's."""
    net = (
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } } }\n'
        f'layer {{ name: "mine" bottom: "x" top: "y" {layer} }}\n'
    )
    return upload_of(folder, {"net.prototxt": net.encode()}).files


PYTHON = """type: "Python" python_param { module: "m" layer: "L" param_str: "{'slope': 0.25, 'axes': [2, 3]}" }"""


def test_a_python_layers_parameters_are_settings(tmp_path: Path) -> None:
    text = (
        "Python <slope, axes> (x) => (y) { a = Constant <value_float: float = @slope> ()  m = Mul (x, a)"
        "  i = Constant <value_ints: ints = @axes> ()  y = ReduceSum <keepdims = 1> (m, i) }"
    )
    files = (*prototxt(tmp_path, PYTHON), written(tmp_path, HEAD + text))
    hub, _ = converted(tmp_path, files, Options())
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    np.testing.assert_allclose(run(hub, {"x": x})["y"], x.sum((2, 3), keepdims=True) * 0.25)


def test_functions_call_each_other_and_branch(tmp_path: Path) -> None:
    text = (
        '<domain: "mine", opset_import: ["" : 21]> half (x) => (y)'
        " { h = Constant <value_float = 0.5> ()  y = Mul (x, h) }\n"
        '<opset_import: ["" : 21, "mine" : 1]> Python (x) => (y) { s = ReduceSum <keepdims = 0> (x)'
        "  z = Constant <value_float = 0.0> ()  p = Greater (s, z)"
        "  y = If (p) <then_branch = a () => (float[N, C, H, W] q) { q = mine.half (x) },"
        " else_branch = b () => (float[N, C, H, W] r) { r = Neg (x) }> }"
    )
    files = (*prototxt(tmp_path, PYTHON), written(tmp_path, text))
    hub, _ = converted(tmp_path, files, Options())
    x = np.ones((1, 2, 3, 4), np.float32)
    np.testing.assert_array_equal(run(hub, {"x": x})["y"], x / 2)
    np.testing.assert_array_equal(run(hub, {"x": -x})["y"], x)


def test_operators_of_another_domain_in_an_onnx_file(tmp_path: Path) -> None:
    graph = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13, "acme" : 1]> g (float[N, 3] x) => (float[N, 3] y)'
        " { t = Relu (x)  y = acme.Wave <amplitude = 2.0> (t) }"
    )
    text = (
        "Wave <amplitude> (x) => (y) { a = Constant <value_float: float = @amplitude> ()  s = Sin (x)  y = Mul (s, a) }"
    )
    files = upload_of(tmp_path, {"m.onnx": graph.SerializeToString()}).files
    hub, codes = converted(tmp_path, (*files, written(tmp_path, HEAD + text)), Options())
    assert codes == ["custom-layer"]
    x = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(run(hub, {"x": x})["y"], np.sin(np.maximum(x, 0)) * 2, rtol=1e-6)


def test_a_section_that_darknet_does_not_know(tmp_path: Path) -> None:
    cfg = b"[net]\nheight=4\nwidth=4\nchannels=2\n[wobble]\nslope=.5\n[softmax]\n"
    weights = np.array([0, 2, 0], np.int32).tobytes() + bytes(8)
    text = "wobble <slope> (x) => (y) { a = Constant <value_float: float = @slope> ()  y = Mul (x, a) }"
    files = upload_of(tmp_path, {"net.cfg": cfg, "net.weights": weights}).files
    hub, _ = converted(tmp_path, (*files, written(tmp_path, HEAD + text)), Options())
    assert next(node.op_type for node in hub.graph) == "Mul"


def test_a_function_that_no_layer_was_read_by_is_noted(tmp_path: Path) -> None:
    files = (*case_of("caffe/lenet_v1").uploaded, written(tmp_path, HEAD + f"Rleu {RELU}"))
    _, codes = converted(tmp_path, files, Options())
    assert codes.count("unused-function") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"Python {DENSE}", "takes 3 values (x, w, b); the layer has 1 inputs and 0 weights"),
        ("Python <size> (x) => (y) { y = Flatten <axis: int = @size> (x) }", "asks for 'size'"),
        ("Python <slope> (x) => (y) { y = Flatten <axis: int = @slope> (x) }", "wants it as int"),
        ("Python (x) => (y) { y = MatMul (x, x) }", "do not fit it"),
    ],
)
def test_a_function_that_does_not_fit_the_layer(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        refused(tmp_path, (*prototxt(tmp_path, PYTHON), written(tmp_path, HEAD + text)))
    assert words in caught.value.detail and caught.value.layer == "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "in line 2"),
        ("Python (x) => (y) {", "in line 2"),
        ("Python (x) => (y) { y = Rleu (x) }", "uses Rleu, which opset 21"),
        ("Python (x) => (y) { y = acme.Relu (x) }", "uses acme.Relu"),
        ("Python (x) => (y) { y = Relu (z) }", "topologically sorted"),
        ("Python (x) => (y) { y = Flatten <axis: int = @size> (x) }", "has no attribute 'size'"),
        (f"Python {RELU}\n{HEAD}Python {RELU}", "defines the function 'Python' twice"),
        (f"Python {RELU}".replace("x", "\0"), "zero bytes"),
        ("Python (x) => (y) { y = " + "(" * 100_000 + " }", "nests brackets too deeply"),
    ],
)
def test_a_text_that_is_damaged(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        refused(tmp_path, (*prototxt(tmp_path, PYTHON), written(tmp_path, HEAD + text)))
    assert words in caught.value.detail and "custom_ops.onnxtxt" in caught.value.detail


def test_a_text_without_functions(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="holds no functions"):
        refused(tmp_path, (*prototxt(tmp_path, PYTHON), written(tmp_path, "# nothing\n")))


def test_a_function_that_calls_itself(tmp_path: Path) -> None:
    text = '<domain: "m", opset_import: ["" : 21, "m" : 1]> f (x) => (y) { y = m.f (x) }'
    with pytest.raises(ConversionError, match="calls itself"):
        refused(tmp_path, (*prototxt(tmp_path, PYTHON), written(tmp_path, text)))


def test_functions_that_grow_beyond_measure(tmp_path: Path) -> None:
    head = '<domain: "m", opset_import: ["" : 21, "m" : 1]> '
    text = "".join(f"{head}f{i} (x) => (y) {{ a = m.f{i + 1} (x)  y = m.f{i + 1} (a) }}\n" for i in range(40))
    text += f"{head}f40 (x) => (y) {{ y = Relu (x) }}"
    with pytest.raises(LimitExceeded, match="nodes"):
        refused(tmp_path, (*prototxt(tmp_path, PYTHON), written(tmp_path, text)))


def test_another_opset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="not written for opset 21"):
        refused(tmp_path, (*prototxt(tmp_path, PYTHON), written(tmp_path, HEAD.replace("21", "17") + f"Python {RELU}")))
