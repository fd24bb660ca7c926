"""Facts of single layers, by their formulas in numpy: what the recorded nets do not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run, shapes
from tests.workers.formats.darknet.nets import (
    ALEXEYAB,
    PJREDDIE,
    Array,
    compute,
    image,
    normal,
    read_files,
    read_net,
    save,
    section,
    vector,
)
from workers.errors import InvalidOptions, MissingFile
from workers.formats.darknet.file import Header
from workers.formats.darknet.read import coverage, read
from workers.formats.darknet.read.activation import ACTIVATIONS

X = normal(2, 3, 4, 4)


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def close(got: Array, want: Array, tolerance: float = 1e-5) -> None:
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=tolerance)


def pointwise(weights: Array, biases: Array, x: Array) -> Array:
    return np.asarray(np.einsum("oi,nihw->nohw", weights, x) + biases.reshape(-1, 1, 1))


# --- parameters -------------------------------------------------------------------------------------------------------


def test_a_convolution_without_an_activation_is_logistic_and_pads_nothing(tmp_path: Path) -> None:
    b, w = normal(2), normal(2, 3)
    cfg = image(3, 4, 4) + section("convolutional", filters=2)
    close(compute(tmp_path, X, cfg, [b, w]), sigmoid(pointwise(w, b, X)))


def test_the_first_of_two_equal_keys_counts_and_comments_behind_values_do_not(tmp_path: Path) -> None:
    b, w = normal(2), normal(2, 3)
    cfg = "; a comment\n" + image(3, 4, 4) + "[conv]\n filters = 2 # two\nfilters=9\n\tactivation = linear\r\n# x\n"
    close(compute(tmp_path, X, cfg, [b, w]), pointwise(w, b, X))


def test_pad_is_a_flag_and_padding_a_number(tmp_path: Path) -> None:
    for options, side in (({"pad": 1}, 5), ({"pad": 7, "padding": 0}, 5), ({"padding": 3}, 7), ({"pad": 0}, 1)):
        cfg = image(3, 4, 4) + section("convolutional", filters=1, size=4, activation="linear", **options)
        reading = read_net(tmp_path, cfg, [normal(1), normal(1, 3, 4, 4)])
        assert shapes(reading.model)["data"] == ["batch", 3, 4, 4]
        assert run(reading.model, {"data": X})["convolutional_0"].shape == (2, 1, side, side), options


def test_flipped_weights_are_stored_with_the_filters_last(tmp_path: Path) -> None:
    b, w = normal(2), normal(3, 2)
    cfg = image(3, 4, 4) + section("convolutional", filters=2, flipped=1, activation="linear")
    close(compute(tmp_path, X, cfg, [b, w]), pointwise(w.T, b, X))


@pytest.mark.parametrize("header", [PJREDDIE, ALEXEYAB], ids=["pjreddie", "AlexeyAB"])
def test_tiny_variances_show_where_epsilon_stands(tmp_path: Path, header: Header) -> None:
    b, scale, mean, w = normal(2), normal(2, seed=1), normal(2, seed=2), normal(2, 3)
    variance = np.asarray([1e-9, 1e-3], np.float32)
    cfg = image(3, 4, 4) + section("convolutional", filters=2, batch_normalize=1, activation="linear")
    wide = variance.astype(np.float64).reshape(-1, 1, 1)
    divisor = np.sqrt(wide + 1e-5) if header is ALEXEYAB else np.sqrt(wide) + 1e-6
    plain = pointwise(w, np.zeros(2), X)
    want = (plain - mean.reshape(-1, 1, 1)) / divisor * scale.reshape(-1, 1, 1) + b.reshape(-1, 1, 1)
    close(compute(tmp_path, X, cfg, [b, scale, mean, variance, w], header), want, 1e-4 * float(np.abs(want).max()))


def test_scales_that_are_not_loaded_keep_their_initial_values(tmp_path: Path) -> None:
    b, w = normal(2), normal(2, 3) * 1e-3
    cfg = image(3, 4, 4) + section("convolutional", filters=2, batch_normalize=1, dontloadscales=1, activation="linear")
    want = pointwise(w, np.zeros(2), X) / 1e-6 + b.reshape(-1, 1, 1)
    close(compute(tmp_path, X, cfg, [b, w]), want, 0.1)


def test_connected_weights_of_ancient_files_are_transposed(tmp_path: Path) -> None:
    x, b, w = normal(2, 5), normal(3), normal(5, 3)
    cfg = vector(5) + section("connected", output=3, activation="linear")
    close(compute(tmp_path, x, cfg, [b, w], Header(1001, 0, 0, 0, 16)), x @ w + b)


@pytest.mark.parametrize(
    "header", [Header(0, 1, 0, 7, 16), Header(0, 2, 0, 7, 20), Header(1, 0, 3, 2**40, 20)], ids=str
)
def test_seen_has_four_or_eight_bytes_by_the_version(tmp_path: Path, header: Header) -> None:
    x, b, w = normal(2, 5), normal(3), normal(3, 5)
    cfg = vector(5) + section("connected", output=3, activation="linear")
    close(compute(tmp_path, x, cfg, [b, w], header), x @ w.T + b)


def test_stand_alone_batch_normalisation_has_biases_only_where_the_weights_have_them(tmp_path: Path) -> None:
    b, scale, mean, variance = normal(3), normal(3, seed=1), normal(3, seed=2), np.abs(normal(3, seed=3)) + 1
    cfg, shape = image(3, 4, 4) + section("batchnorm"), (-1, 1, 1)
    plain = (X - mean.reshape(shape)) / np.sqrt(variance).reshape(shape) * scale.reshape(shape)
    for header in (PJREDDIE, ALEXEYAB):
        close(compute(tmp_path, X, cfg, [scale, mean, variance], header), plain, 1e-4)
        close(compute(tmp_path, X, cfg, [b, scale, mean, variance], header), plain + b.reshape(shape), 1e-4)


def test_the_weights_are_views_on_the_mapped_file(tmp_path: Path) -> None:
    cfg = vector(5) + section("connected", output=3)
    model = read_net(tmp_path, cfg, [normal(3), normal(3, 5)]).model
    array = model.graph.initializers["connected_0.weights"].const_value
    assert array is not None
    base = array.numpy()
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert not isinstance(base, np.ndarray) and base.readonly


# --- activations ------------------------------------------------------------------------------------------------------


def test_relu6_and_revleaky(tmp_path: Path) -> None:
    x = normal(2, 30) * 8
    for name, want in (("relu6", np.clip(x, 0, 6)), ("revleaky", np.where(x > 0, x, 0.1 * x))):
        close(compute(tmp_path, x, vector(30) + section("activation", activation=name)), want)


def test_an_unknown_activation_is_relu_with_a_note(tmp_path: Path) -> None:
    reading = read_net(tmp_path, vector(5) + section("activation", activation="sine"))
    assert any(note.code == "unknown-activation" and "'sine'" in note.detail for note in reading.notes)
    close(run(reading.model, {"data": normal(2, 5)})["active_0"], np.maximum(normal(2, 5), 0))


def test_every_activation_of_both_lineages_is_known() -> None:
    assert len(ACTIVATIONS) == 23


# --- heads ------------------------------------------------------------------------------------------------------------


def test_iseg_activates_the_classes_and_leaves_the_embedding(tmp_path: Path) -> None:
    x = normal(2, 5, 3, 3)
    want = np.concatenate([sigmoid(x[:, :2]), x[:, 2:]], axis=1)
    close(compute(tmp_path, x, image(5, 3, 3) + section("iseg", classes=2, ids=3)), want)


def test_a_region_along_a_class_tree_has_a_softmax_in_every_group(tmp_path: Path) -> None:
    (tmp_path / "some.tree").write_text("a -1\nb -1\nc 0\nd 0\ne 0\n")
    cfg = image(20, 2, 3) + section("region", num=2, classes=5, softmax=1, tree="data/some.tree")
    files = [*save(tmp_path, cfg), tmp_path / "some.tree"]
    x = normal(1, 20, 2, 3)
    planes = x.reshape(1, 2, 10, 2, 3).copy()
    planes[:, :, [0, 1, 4]] = sigmoid(planes[:, :, [0, 1, 4]])
    for part in (slice(5, 7), slice(7, 10)):
        power = np.exp(planes[:, :, part])
        planes[:, :, part] = power / power.sum(2, keepdims=True)
    (got,) = run(read_files(*files).model, {"data": x}).values()
    close(got, planes.reshape(1, 20, 2, 3))


def test_a_class_tree_that_was_not_uploaded_is_missing_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"9k\.tree"):
        read_net(tmp_path, vector(5) + section("softmax", tree="data/9k.tree"))


def test_decode_is_refused_for_a_net_without_boxes(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="no head with boxes"):
        read_net(tmp_path, vector(5) + section("softmax"), decode=True)


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_input_shapes_change_the_size_of_the_image(tmp_path: Path) -> None:
    case = cases("darknet", "yolov3_tiny")[0]
    reading = read(case.request(input_shapes={"data": [1, 3, 96, 128]}))
    assert shapes(reading.model) == {"data": ["batch", 3, 96, 128]}
    outputs = run(reading.model, {"data": np.zeros((1, 3, 96, 128), np.float32)})
    assert [array.shape for array in outputs.values()] == [(1, 27, 6, 8), (1, 27, 12, 16)]


def test_height_and_width_stay_free_where_all_layers_allow_it(tmp_path: Path) -> None:
    cfg = image(3, 8, 8) + section("convolutional", filters=2, size=3, pad=1, stride=2, activation="leaky")
    cfg += section("maxpool", size=5, stride=1) + section("upsample") + section("route", layers="-1,-1")
    parameters = [normal(2), normal(2, 3, 3, 3)]
    fixed, free = (
        read_net(tmp_path, cfg, parameters, input_shapes=given).model
        for given in ({"data": [1, 3, 12, 6]}, {"data": [None, 3, None, "columns"]})
    )
    assert shapes(free) == {"data": ["batch", 3, "height", "columns"]}
    x = normal(2, 3, 12, 6)
    first, second = (next(iter(run(model, {"data": x}).values())) for model in (fixed, free))
    np.testing.assert_array_equal(first, second)


def test_a_layer_that_needs_a_free_size_is_named(tmp_path: Path) -> None:
    cfg = image(3, 8, 8) + section("connected", output=2)
    with pytest.raises(InvalidOptions, match="'connected_0'"):
        read_net(tmp_path, cfg, [normal(2), normal(2, 192)], input_shapes={"data": [1, 3, None, None]})


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"image": [1, 3, 8, 8]}, "'image'"),
        ({"data": [1, 3, 8]}, "3"),
        ({"data": [1, 4, 8, 8]}, "3 channels"),
    ],
)
def test_input_shapes_that_do_not_fit_are_refused(tmp_path: Path, shapes: dict[str, list[int]], words: str) -> None:
    with pytest.raises(InvalidOptions, match=words):
        read_net(tmp_path, image(3, 8, 8) + section("avgpool"), input_shapes=shapes)


# --- time -------------------------------------------------------------------------------------------------------------

SEQUENCES = cases("darknet", "char_rnn", "pj_lstm", "pj_crnn", "ab_recurrent")


@pytest.mark.parametrize("case", SEQUENCES, ids=str)
def test_a_free_time_axis_gives_the_same_as_a_fixed_one(case: Case) -> None:
    sample = case.sample(0)
    (x,) = sample.inputs.values()
    reading = read(case.request(input_shapes={"data": [None, *x.shape[1:]]}))
    assert shapes(reading.model)["data"][0] == "time"
    assert_same(sample.outputs, run(reading.model, sample.inputs))


@pytest.mark.parametrize("case", [*SEQUENCES, *cases("darknet", "ab_conv_lstm")], ids=str)
def test_sequences_run_side_by_side(case: Case) -> None:
    """Rows are time-major: both recorded sequences, step by step in turn."""
    samples = [case.sample(index) for index in (0, 1)]
    inputs, outputs = (
        {name: _interleaved([getattr(sample, kind)[name] for sample in samples]) for name in getattr(samples[0], kind)}
        for kind in ("inputs", "outputs")
    )
    rows = inputs["data"].shape
    reading = read(case.request(input_shapes={"data": list(rows)}, time_steps=rows[0] // 2))
    assert_same(outputs, run(reading.model, inputs))


def _interleaved(arrays: list[Array]) -> Array:
    return np.stack(arrays, axis=1).reshape(-1, *arrays[0].shape[1:])


def test_many_steps_become_a_loop_instead_of_being_written_out() -> None:
    case = cases("darknet", "char_rnn")[0]
    reading = read(case.request(time_steps=500))
    assert shapes(reading.model) == {"data": [500, 24]} and len(list(reading.model.graph)) < 100
    x = np.zeros((500, 24), np.float32)
    x[:7] = case.sample(0).inputs["data"]
    got = run(reading.model, {"data": x})["softmax_5"][:7]
    np.testing.assert_allclose(got, case.sample(0).outputs["softmax_5"], atol=1e-5)


def test_rows_that_are_no_whole_sequences_are_refused() -> None:
    with pytest.raises(InvalidOptions, match="20 rows"):
        read(cases("darknet", "pj_lstm")[0].request(input_shapes={"data": [20, 12]}, time_steps=7))


# --- the checklist ----------------------------------------------------------------------------------------------------

CHECKLIST = {
    "shortcut", "yolo", "conv", "convolutional", "max", "maxpool", "route", "upsample", "region", "reorg",
    "avg", "avgpool", "dropout", "net", "network", "conn", "connected", "soft", "softmax", "scale_channels",
    "sam", "cost", "rnn", "deconvolutional", "deconv", "iseg", "logistic", "l2norm", "crop", "detection",
    "Gaussian_yolo", "local", "activation", "crnn", "gru", "lstm", "conv_lstm", "history", "local_avg",
    "local_avgpool", "reorg3d", "lrn", "normalization", "batchnorm", "contrastive", "empty", "silence",
    "implicit",
}  # fmt: skip


def test_every_section_of_both_lineages_is_read() -> None:
    found = coverage()
    assert set(found) == CHECKLIST and not any(found.values())


def test_sam_takes_the_first_of_several_sources(tmp_path: Path) -> None:
    """Darknet reads ``from`` with atoi()."""
    net = image(3, 4, 4) + section("upsample", stride=1) + section("upsample", stride=1, scale=2)
    close(compute(tmp_path, X, net + section("sam", **{"from": "0, 1"}), header=ALEXEYAB), 2 * X * X)
