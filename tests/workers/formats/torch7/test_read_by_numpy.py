"""Classes that only run on a GPU, or that no Torch can save any more, against their definition in numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.torch7.nets import convolution, module, normal, read_net, sequential
from workers.errors import MalformedModel, UnsupportedOperators
from workers.formats.torch7.objects import Array, Object

IMAGE = normal(2, 4, 7, 9)


def compute(folder: Path, net: Object, *inputs: Array, **options: Any) -> Array:
    """The first output for these inputs."""
    named = {f"input_{index}": array for index, array in enumerate(inputs)}
    given = {key: list(array.shape) for key, array in named.items()}
    return next(iter(run(read_net(net, folder, input_shapes=given, **options).model, named).values()))


def same(want: Array, got: Array) -> None:
    assert_same({"y": np.asarray(want, np.float32)}, {"y": got})


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(x: Array, axis: int) -> Array:
    power = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(power / power.sum(axis, keepdims=True))


# --- cudnn ----------------------------------------------------------------------------------------------------------


def test_cudnn_convolution_has_groups(tmp_path: Path) -> None:
    weight, bias = normal(6, 2, 3, 3), normal(6)
    net = module("cudnn.SpatialConvolution", nInputPlane=4, nOutputPlane=6, groups=2, kW=3, kH=3, dW=1, dH=1, padW=0,
                 padH=0, weight=weight, bias=bias)  # fmt: skip
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE, (3, 3), (2, 3))
    halves = [np.einsum("nchwij,ocij->nohw", windows[:, 2 * i : 2 * i + 2], weight[3 * i : 3 * i + 3]) for i in (0, 1)]
    same(np.concatenate(halves, 1) + bias[:, None, None], compute(tmp_path, net, IMAGE))


def test_cudnn_soft_max_is_over_all_of_a_sample(tmp_path: Path) -> None:
    want = softmax(IMAGE.reshape(2, -1), 1).reshape(IMAGE.shape)
    same(want, compute(tmp_path, module("cudnn.SoftMax"), IMAGE))
    same(np.log(want), compute(tmp_path, module("cudnn.LogSoftMax"), IMAGE))
    same(softmax(IMAGE, 1), compute(tmp_path, module("cudnn.SpatialSoftMax"), IMAGE))


def test_cudnn_average_has_no_divide_and_says_in_its_mode_what_it_counts(tmp_path: Path) -> None:
    fields = {"kW": 3, "kH": 3, "dW": 1, "dH": 1, "padW": 1, "padH": 1}
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(IMAGE, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    same(windows.mean((4, 5)), compute(tmp_path, module("cudnn.SpatialAveragePooling", **fields), IMAGE))
    cells = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones((7, 9)), 1), (3, 3)).sum((2, 3))
    mode = "CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING"
    got = compute(tmp_path, module("cudnn.SpatialAveragePooling", mode=mode, **fields), IMAGE)
    same(windows.sum((4, 5)) / cells, got)


def test_cudnn_clipped_relu(tmp_path: Path) -> None:
    same(np.clip(IMAGE, 0, 0.7), compute(tmp_path, module("cudnn.ClippedReLU", ceiling=0.7), IMAGE))


def test_cudnn_temporal_convolution_pads_in_time(tmp_path: Path) -> None:
    x, weight, bias = normal(2, 8, 5), normal(6, 3 * 5), normal(6)
    net = module("cudnn.TemporalConvolution", inputFrameSize=5, outputFrameSize=6, kH=3, dH=1, padH=1, kW=5, dW=1,
                 weight=weight, bias=bias)  # fmt: skip
    wide = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    want = np.stack([wide[:, t : t + 3].reshape(2, -1) @ weight.T + bias for t in range(8)], 1)
    same(want, compute(tmp_path, net, x))


def test_old_cudnn_lrn_writes_a_capital_k(tmp_path: Path) -> None:
    net = module("cudnn.SpatialCrossMapLRN", size=3, alpha=0.5, beta=0.75, K=2)
    squares = np.pad(IMAGE**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    total = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    same(IMAGE / (2 + 0.5 / 3 * total) ** 0.75, compute(tmp_path, net, IMAGE))


def cell(kind: str, x: Array, h: Array, c: Array, w: Array, r: Array, b: Array) -> tuple[Array, Array]:
    """One step of cudnn's: gates i f g o, or r z h, or one."""
    units = h.shape[1]

    def gate(number: int) -> tuple[Array, Array]:
        rows = slice(number * units, (number + 1) * units)
        return x @ w[rows].T + b[0][rows], h @ r[rows].T + b[1][rows]

    if kind == "CUDNN_LSTM":
        i, f, g, o = (np.add(*gate(number)) for number in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if kind == "CUDNN_GRU":
        reset, update = sigmoid(np.add(*gate(0))), sigmoid(np.add(*gate(1)))
        outer, inner = gate(2)
        return (1 - update) * np.tanh(outer + reset * inner) + update * h, c
    total = np.add(*gate(0))
    return np.tanh(total) if kind == "CUDNN_RNN_TANH" else np.maximum(total, 0), c


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(
    ("kind", "gates"), [("CUDNN_LSTM", 4), ("CUDNN_GRU", 3), ("CUDNN_RNN_TANH", 1), ("CUDNN_RNN_RELU", 1)]
)
def test_cudnn_recurrent_layers(kind: str, gates: int, directions: int, tmp_path: Path) -> None:
    x, units, rows = normal(3, 2, 5), 4, gates * 4
    widths = [5] * directions + [units * directions] * directions
    matrices = [(normal(rows, wide, seed=n), normal(rows, units, seed=n + 9)) for n, wide in enumerate(widths)]
    biases = [(normal(rows, seed=n), normal(rows, seed=n + 5)) for n in range(len(widths))]
    packed = np.concatenate([a.reshape(-1) for pair in [*matrices, *biases] for a in pair])
    net = module("cudnn.RNN", mode=kind, inputSize=5, hiddenSize=units, numLayers=2, numDirections=directions,
                 weight=packed, batchFirst=True)  # fmt: skip
    got = compute(tmp_path, net, x.transpose(1, 0, 2).copy())
    for level in range(2):
        sides = []
        for side in range(directions):
            number = level * directions + side
            h = c = np.zeros((2, units))
            steps = []
            for step in x if side == 0 else x[::-1]:
                h, c = cell(kind, step, h, c, *matrices[number], np.asarray(biases[number]))
                steps.append(h)
            sides.append(np.stack(steps if side == 0 else steps[::-1]))
        x = np.concatenate(sides, 2)
    same(x.transpose(1, 0, 2), got)


def test_a_packed_vector_of_another_length_is_malformed(tmp_path: Path) -> None:
    net = module("cudnn.LSTM", inputSize=5, hiddenSize=4, numLayers=1, weight=normal(99))
    with pytest.raises(MalformedModel, match="99 values"):
        compute(tmp_path, net, normal(3, 2, 5))


# --- inn, torch-rnn, rnn of 2017 ------------------------------------------------------------------------------------


def test_inn_pools_round_up_and_its_affine_is_by_channel(tmp_path: Path) -> None:
    padded = np.pad(IMAGE, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
    want = padded.reshape(2, 4, 4, 2, 5, 2).max((3, 5))
    net = module("inn.SpatialMaxPooling", kW=2, kH=2, dW=2, dH=2)
    same(want, compute(tmp_path, net, IMAGE))
    a, b = normal(4), normal(4, seed=1)
    got = compute(tmp_path, module("inn.ConstAffine", a=a, b=b), IMAGE)
    same(IMAGE * a[:, None, None] + b[:, None, None], got)
    mean = normal(4, 7, 9)
    same(IMAGE - mean, compute(tmp_path, module("inn.MeanSubtraction", mean=mean), IMAGE))


def test_torch_rnns_plain_layer(tmp_path: Path) -> None:
    x, weight, bias = normal(2, 3, 5), normal(9, 4), normal(4)
    h, steps = np.zeros((2, 4)), []
    for t in range(3):
        h = np.tanh(x[:, t] @ weight[:5] + h @ weight[5:] + bias)
        steps.append(h)
    same(np.stack(steps, 1), compute(tmp_path, module("nn.VanillaRNN", weight=weight, bias=bias), x))


def test_sequences_take_their_first_states(tmp_path: Path) -> None:
    x, weight, bias, h0, c0 = normal(2, 3, 5), normal(9, 16), normal(16), normal(2, 4), normal(2, 4, seed=3)
    h, c, steps = h0, c0, []
    for t in range(3):
        i, f, o, g = np.split(x[:, t] @ weight[:5] + h @ weight[5:] + bias, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        steps.append(h)
    net = sequential(module("nn.LSTM", weight=weight, bias=bias))
    same(np.stack(steps, 1), compute(tmp_path, net, c0, h0, x))


# --- files of long ago ----------------------------------------------------------------------------------------------


def test_one_padding_for_both_axes(tmp_path: Path) -> None:
    new = convolution(4, 3, 3, pad=1)
    old = convolution(4, 3, 3)
    for key in ("padW", "padH"):
        del old.fields.entries[key]
    old.fields.entries["padding"] = 1
    same(compute(tmp_path, new, IMAGE), compute(tmp_path, old, IMAGE))


def test_the_first_batch_normalisation_stored_a_deviation(tmp_path: Path) -> None:
    mean, std = normal(4), np.abs(normal(4, seed=2)) + np.float32(0.5)
    net = module("nn.SpatialBatchNormalization", eps=1e-5, affine=False, running_mean=mean, running_std=std)
    same((IMAGE - mean[:, None, None]) * std[:, None, None], compute(tmp_path, net, IMAGE))


def test_an_old_mean_has_no_field_for_it(tmp_path: Path) -> None:
    same(IMAGE.mean(1), compute(tmp_path, module("nn.Mean", dimension=2), IMAGE))


def test_the_first_hard_tanh_had_no_limits(tmp_path: Path) -> None:
    same(np.clip(IMAGE, -1, 1), compute(tmp_path, module("nn.HardTanh"), IMAGE))


def test_an_old_volumetric_full_convolution_has_its_planes_the_other_way_round(tmp_path: Path) -> None:
    weight, x = normal(2, 3, 2, 2, 2), normal(1, 2, 3, 3, 3)
    fields: dict[str, Any] = {f"k{axis}": 2 for axis in "TWH"} | {f"d{axis}": 2 for axis in "TWH"}
    fields |= {"nInputPlane": 2, "nOutputPlane": 3, "bias": normal(3)}
    old = module("nn.VolumetricFullConvolution", weight=weight.swapaxes(0, 1).copy(), **fields)
    new = module("nn.VolumetricFullConvolution", weight=weight, adjT=0, adjW=0, adjH=0, **fields)
    same(compute(tmp_path, new, x), compute(tmp_path, old, x))


def test_sparse_linear_takes_places_and_values(tmp_path: Path) -> None:
    weight, bias = normal(3, 6), normal(3)
    pairs = np.asarray([[[1, 0.5], [6, -2.0]], [[2, 1.0], [3, 0.25]]], np.float32)
    dense = np.zeros((2, 6), np.float32)
    for row, sample in enumerate(pairs):
        for place, value in sample:
            dense[row, int(place) - 1] += value
    same(dense @ weight.T + bias, compute(tmp_path, module("nn.SparseLinear", weight=weight, bias=bias), pairs))


def test_instance_normalisation_repeated_for_a_batch(tmp_path: Path) -> None:
    weight, bias = normal(4), normal(4, seed=1)
    net = module("nn.InstanceNormalization", eps=1e-5, weight=np.tile(weight, 2), bias=np.tile(bias, 2))
    mean, variance = IMAGE.mean((2, 3), keepdims=True), IMAGE.var((2, 3), keepdims=True)
    want = (IMAGE - mean) / np.sqrt(variance + 1e-5) * weight[:, None, None] + bias[:, None, None]
    same(want, compute(tmp_path, net, IMAGE))


def test_a_random_pooling_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators, match="draws its windows at random"):
        compute(tmp_path, module("nn.SpatialFractionalMaxPooling", poolSizeW=2, poolSizeH=2), IMAGE)
