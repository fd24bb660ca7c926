"""What MXNet 1.9.1 cannot run on a CPU (or not at all any more), against its definition in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, run, shapes
from tests.workers.formats.mxnet.graphs import Array, node, normal, read_graph, symbol

X = normal(2, 4, 6, 5)
LINE = normal(2, 3, 7)


def compute(
    folder: Path, op: str, inputs: Mapping[str, Array], params: Mapping[str, Array] | None = None, **attrs: Any
) -> Array:
    """The first output of one operator on these inputs and parameters, in order."""
    np_shape = bool(attrs.pop("np_shape", False))
    graph = symbol(node(op, "y", *inputs, *(params or {}), **attrs), np_shape=np_shape)
    shapes = {name: list(array.shape) for name, array in inputs.items()}
    types = {name: array.dtype.name for name, array in inputs.items()}
    reading = read_graph(folder, graph, params or {}, input_shapes=shapes, input_dtypes=types)
    return next(iter(run(reading.model, inputs).values()))


def same(want: Array, got: Array) -> None:
    assert_same({"y": want}, {"y": got})


def test_channels_last_convolution(tmp_path: Path) -> None:
    bias = normal(3)
    last = normal(3, 3, 3, 4)
    want = compute(tmp_path, "Convolution", {"x": X}, {"w": last.transpose(0, 3, 1, 2).copy(), "b": bias},
                   kernel=(3, 3), num_filter=3)  # fmt: skip
    got = compute(tmp_path, "Convolution", {"x": X.transpose(0, 2, 3, 1).copy()}, {"w": last, "b": bias},
                  kernel=(3, 3), num_filter=3, layout="NHWC")  # fmt: skip
    same(want.transpose(0, 2, 3, 1), got)


def test_channels_last_pooling(tmp_path: Path) -> None:
    want = X.reshape(2, 4, 3, 2, 5)[..., :4].reshape(2, 4, 3, 2, 2, 2).max((3, 5))
    got = compute(
        tmp_path, "Pooling", {"x": X.transpose(0, 2, 3, 1).copy()}, kernel=(2, 2), stride=(2, 2), layout="NHWC"
    )
    same(want.transpose(0, 2, 3, 1), got)


def test_transposed_convolution_of_volumes(tmp_path: Path) -> None:
    x, weight = normal(1, 2, 2, 3, 2), normal(2, 3, 2, 1, 2)
    want = np.zeros((1, 3, 4, 3, 4), np.float32)
    for z in range(2):
        for y in range(3):
            for column in range(2):
                patch = np.einsum("nc,cokij->nokij", x[:, :, z, y, column], weight)
                want[:, :, 2 * z : 2 * z + 2, y : y + 1, 2 * column : 2 * column + 2] += patch
    same(
        want,
        compute(tmp_path, "Deconvolution", {"x": x}, {"w": weight}, kernel=(2, 1, 2), stride=(2, 1, 2), num_filter=3),
    )


def test_pooling_called_same_starts_a_window_at_every_stride(tmp_path: Path) -> None:
    padded = np.pad(LINE, ((0, 0), (0, 0), (0, 2)), constant_values=-np.inf)
    want = np.stack([padded[..., start : start + 3].max(-1) for start in (0, 2, 4, 6)], -1)
    got = compute(tmp_path, "Pooling", {"x": LINE}, kernel=(3,), stride=(2,), pooling_convention="same")
    same(want, got)


def test_a_max_window_outside_the_input_keeps_the_lowest_number(tmp_path: Path) -> None:
    got = compute(tmp_path, "Pooling", {"x": LINE}, kernel=(2,), stride=(4,), pooling_convention="full")
    assert got.shape == (2, 3, 3) and (got[..., 2] == np.float32(-3.4028235e38)).all()


def test_batch_norm_with_relu(tmp_path: Path) -> None:
    gamma, beta, mean = normal(4), normal(4), normal(4, seed=1)
    var = np.abs(normal(4, seed=2)) + 0.5
    column = (slice(None), None, None)
    want = np.maximum((X - mean[column]) / np.sqrt(var[column] + 1e-3) * gamma[column] + beta[column], 0)
    params = {"g": gamma, "b": beta, "m": mean, "v": var}
    same(want, compute(tmp_path, "_contrib_BatchNormWithReLU", {"x": X}, params, fix_gamma=False))


def test_group_norm_of_mxnets_master_has_a_gamma_for_every_channel(tmp_path: Path) -> None:
    gamma, beta = normal(4), normal(4, seed=1)
    groups = X.reshape(2, 2, -1)
    normed = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    want = normed.reshape(X.shape) * gamma[:, None, None] + beta[:, None, None]
    same(want, compute(tmp_path, "GroupNorm", {"x": X}, {"g": gamma, "b": beta}, num_groups=2))


@pytest.mark.parametrize(
    ("kind", "want"),
    [("mish", X * np.tanh(np.log1p(np.exp(X)))), ("log_sigmoid", -np.log1p(np.exp(-X)))],
)
def test_activations_of_mxnets_master(kind: str, want: Array, tmp_path: Path) -> None:
    same(want, compute(tmp_path, "Activation", {"x": X}, act_type=kind))


def test_the_reshape_of_before_0_7(tmp_path: Path) -> None:
    got = compute(tmp_path, "Reshape", {"x": X}, target_shape=(0, 0, 15), keep_highest=True)
    same(X.reshape(2, 8, 15), got)


def test_fourier_transform_lists_real_and_imaginary_parts_in_turn(tmp_path: Path) -> None:
    x = normal(3, 8)
    spectrum = np.fft.fft(x)
    want = np.stack([spectrum.real, spectrum.imag], -1).reshape(3, 16).astype(np.float32)
    same(want, compute(tmp_path, "_contrib_fft", {"x": x}))
    same(8 * x, compute(tmp_path, "_contrib_ifft", {"x": want}))


def test_putting_values_in_place(tmp_path: Path) -> None:
    x, places, new = normal(3, 4), np.asarray([[0, 2], [3, 1]], np.float32), normal(2)
    want = x.copy()
    want[[0, 2], [3, 1]] = new
    same(want, compute(tmp_path, "_scatter_set_nd", {"x": x, "n": new, "p": places}, shape=(3, 4)))


def test_a_number_where_a_mask_holds(tmp_path: Path) -> None:
    x, mask = normal(2, 3, 4), np.asarray([1, 0, 1], np.float32)
    want = x.copy()
    want[:, [0, 2]] = 7
    got = compute(
        tmp_path, "_npi_boolean_mask_assign_scalar", {"x": x, "m": mask}, value=7, start_axis=1, np_shape=True
    )
    same(want, got)


def test_numbers_on_both_sides(tmp_path: Path) -> None:
    mask = np.asarray([1, 0, 2], np.float32)
    want = np.where(mask != 0, 1.5, -2).astype(np.float32)
    same(want, compute(tmp_path, "_npi_where_scalar2", {"m": mask}, x=1.5, y=-2, np_shape=True))


def test_places_of_a_diagonal(tmp_path: Path) -> None:
    graph = symbol(node("_npi_diag_indices_from", "d", "x"), node("Cast", "y", "d", dtype="float32"))
    x = normal(3, 3)
    reading = read_graph(tmp_path, graph, input_shapes={"x": [3, 3]})
    want = np.asarray(np.diag_indices_from(x), np.float32)
    same(want, run(reading.model, {"x": x} if reading.model.graph.inputs else {})["y_output"])


def test_an_operator_that_lends_its_shape(tmp_path: Path) -> None:
    same(X, compute(tmp_path, "_identity_with_attr_like_rhs", {"x": X, "l": X}))


@pytest.mark.parametrize(
    ("op", "attrs", "low", "high"),
    [("_random_uniform", {"low": 2, "high": 3}, 2, 3), ("_random_normal", {"loc": 50, "scale": 0.1}, 48, 52)],
)
def test_random_numbers_lie_in_their_range(
    op: str, attrs: dict[str, Any], low: float, high: float, tmp_path: Path
) -> None:
    graph = symbol(node(op, "r", shape=(4, 5), **attrs), node("broadcast_add", "y", "x", "r"))
    model = read_graph(tmp_path, graph, input_shapes={"x": [4, 5]}).model
    zero = np.zeros((4, 5), np.float32)
    drawn = run(model, {"x": zero})["y_output"]
    assert ((low <= drawn) & (drawn <= high)).all() and len(np.unique(drawn)) == drawn.size


def test_draws_follow_their_probabilities(tmp_path: Path) -> None:
    graph = symbol(node("_sample_multinomial", "y", "p", shape=(64,)))
    model = read_graph(tmp_path, graph, input_shapes={"p": [2, 3]}).model
    drawn = run(model, {"p": np.asarray([[0, 0, 1], [0.5, 0.5, 0]], np.float32)})["y_output"]
    assert drawn.dtype == np.int32 and (drawn[0] == 2).all() and set(drawn[1]) == {0, 1}


def test_random_like_keeps_the_shape(tmp_path: Path) -> None:
    got = compute(tmp_path, "_random_uniform_like", {"x": X}, low=5, high=6)
    assert got.shape == X.shape and ((got >= 5) & (got <= 6)).all()


def test_half_precision_when_an_input_asks_for_it(tmp_path: Path) -> None:
    weight, x = normal(3, 4).astype(np.float16), normal(2, 4).astype(np.float16)
    got = compute(tmp_path, "FullyConnected", {"x": x}, {"w": weight}, num_hidden=3, no_bias=True)
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, x @ weight.T, rtol=1e-2, atol=1e-2)


def test_sequences_of_their_own_lengths_in_a_recurrent_layer(tmp_path: Path) -> None:
    """Behind its end a sequence gives zeros, and its last state is that of its end."""
    params = normal(4 * 3 * (2 + 3) + 8 * 3)
    graph = symbol(
        node("RNN", "y", "x", "p", "h", "c", "n", mode="lstm", state_size=3, num_layers=1, state_outputs=True,
             use_sequence_length=True), heads=["y", ("y", 1)],
    )  # fmt: skip
    x, zero = normal(4, 2, 2), np.zeros((1, 2, 3), np.float32)
    reading = read_graph(tmp_path, graph, {"p": params}, input_shapes={"x": [4, 2, 2]}, dynamic_batch=False)
    assert [value.name for value in reading.model.graph.inputs] == ["x", "h", "c", "n"]
    lengths = np.asarray([2, 4], np.float32)
    got = run(reading.model, {"x": x, "h": zero, "c": zero, "n": lengths})
    full = run(reading.model, {"x": x, "h": zero, "c": zero, "n": lengths * 0 + 4})
    np.testing.assert_allclose(got["y_output"][:2], full["y_output"][:2], rtol=1e-5)
    assert not got["y_output"][2:, 0].any()
    np.testing.assert_allclose(got["y_state_output"][0, 0], full["y_output"][1, 0], rtol=1e-5)


def test_stored_zeros_as_a_first_state_leave_the_batch_free(tmp_path: Path) -> None:
    """But other stored states belong to a batch of their size."""
    packed = normal(3 * (2 + 3) + 6)
    graph = symbol(node("RNN", "y", "x", "p", "h", mode="rnn_tanh", state_size=3, num_layers=1))
    zero = np.zeros((1, 2, 3), np.float32)
    free = read_graph(tmp_path, graph, {"p": packed, "h": zero}, input_shapes={"x": [4, 2, 2]})
    assert shapes(free.model) == {"x": [4, "batch", 2]}
    assert run(free.model, {"x": normal(4, 5, 2)})["y_output"].shape == (4, 5, 3)
    fixed = read_graph(tmp_path, graph, {"p": packed, "h": zero + 1}, input_shapes={"x": [4, 2, 2]})
    assert [note.code for note in fixed.notes] == ["fixed-batch"]
