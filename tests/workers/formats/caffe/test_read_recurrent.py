"""LSTM and RNN step by step in numpy, with sequences that begin in the middle of a stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import Array, compute, layer, net, normal, read_net
from tests.workers.formats.cases import assert_same, run, shapes
from workers.errors import MalformedModel

T, N, IN, D, S = 5, 3, 4, 6, 2
X = normal(T, N, IN)
CONT = np.ones((T, N), np.float32)
CONT[0], CONT[3, 1], CONT[2, 2] = 0, 0, 0
STATIC = normal(N, S)
LSTM_BLOBS = (normal(4 * D, IN) * 0.5, normal(4 * D, seed=1), normal(4 * D, D) * 0.5)
RNN_BLOBS = (normal(D, IN), normal(D, seed=1), normal(D, D), normal(D, D, seed=2), normal(D, seed=3))
P = {"recurrent_param": {"num_output": D}}
EXPOSED = {"recurrent_param": {"num_output": D, "expose_hidden": True}}


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(x: Array, cont: Array, blobs: tuple[Array, ...], h: Array, c: Array, extra: Array | float = 0) -> list[Array]:
    """Gates stacked i, f, o, g."""
    steps = []
    for x_t, cont_t in zip(x, cont[..., None], strict=True):
        a = x_t @ blobs[0].T + blobs[1] + extra + (cont_t * h) @ blobs[-1].T
        i, f, o = (sigmoid(part) for part in np.split(a, 4, 1)[:3])
        c = cont_t * f * c + i * np.tanh(a[:, 3 * D :])
        h = o * np.tanh(c)
        steps.append(h)
    return [np.stack(steps), h, c]


def rnn(x: Array, cont: Array, blobs: tuple[Array, ...], h: Array) -> list[Array]:
    steps = []
    for x_t, cont_t in zip(x, cont[..., None], strict=True):
        h = np.tanh((cont_t * h) @ blobs[2].T + x_t @ blobs[0].T + blobs[1])
        steps.append(np.tanh(h @ blobs[3].T + blobs[4]))
    return [np.stack(steps), h]


ZERO = np.zeros((N, D), np.float32)


@pytest.mark.parametrize("time", [T, "time"])
def test_lstm(tmp_path: Path, time: int | str) -> None:
    shape = {"x": [time, "batch", IN], "c": [time, "batch"]} if time == "time" else {}
    entry = layer("LSTM", ["x", "c"], blobs=LSTM_BLOBS, **P)
    reading = read_net(tmp_path, net({"x": X.shape, "c": CONT.shape}, entry), input_shapes=shape)
    assert ("Scan" in {node.op_type for node in reading.model.graph}) == (time == "time")
    want = lstm(X, CONT, LSTM_BLOBS, ZERO, ZERO)[0]
    assert_same({"y": want.astype(np.float32)}, run(reading.model, {"x": X, "c": CONT}))


@pytest.mark.parametrize("time", [T, "time"])
def test_rnn(tmp_path: Path, time: int | str) -> None:
    shape = {"x": [time, "batch", IN], "c": [time, "batch"]} if time == "time" else {}
    entry = layer("RNN", ["x", "c"], blobs=RNN_BLOBS, **P)
    got = compute(tmp_path, {"x": X, "c": CONT}, entry, input_shapes=shape)
    assert_same({"y": rnn(X, CONT, RNN_BLOBS, ZERO)[0].astype(np.float32)}, got)


def test_a_free_time_axis_takes_streams_of_any_length(tmp_path: Path) -> None:
    entry = layer("LSTM", ["x", "c"], blobs=LSTM_BLOBS, **P)
    model = net({"x": X.shape, "c": CONT.shape}, entry)
    reading = read_net(tmp_path, model, input_shapes={"x": ["t", "n", IN], "c": ["t", "n"]})
    for t, n in ((1, 1), (9, 2)):
        x, cont = normal(t, n, IN), np.ones((t, n), np.float32)
        want = lstm(x, cont, LSTM_BLOBS, np.zeros((n, D)), np.zeros((n, D)))[0]
        assert_same({"y": want.astype(np.float32)}, run(reading.model, {"x": x, "c": cont}))


def test_the_batch_is_the_second_axis(tmp_path: Path) -> None:
    entry = layer("LSTM", ["x", "c", "s"], blobs=(*LSTM_BLOBS[:2], normal(4 * D, S), LSTM_BLOBS[2]), **P)
    reading = read_net(tmp_path, net({"x": (T, 1, IN), "c": (T, 1), "s": (1, S)}, entry))
    assert shapes(reading.model) == {"x": [T, "batch", IN], "c": [T, "batch"], "s": ["batch", S]}
    want = lstm(X, CONT, LSTM_BLOBS, ZERO, ZERO, STATIC @ normal(4 * D, S).T)[0]
    assert_same({"y": want.astype(np.float32)}, run(reading.model, {"x": X, "c": CONT, "s": STATIC}))


@pytest.mark.parametrize("time", [T, "time"])
def test_exposed_states_come_in_and_go_out(tmp_path: Path, time: int | str) -> None:
    h, c = normal(1, N, D), normal(1, N, D, seed=1)
    cont = np.ones((T, N), np.float32)
    inputs = {"x": X, "k": cont, "h": h, "c": c}
    names = {"x": [time, "b", IN], "k": [time, "b"], "h": [1, "b", D], "c": [1, "b", D]}
    entry = layer("LSTM", list(inputs), ["y", "y_h", "z_c"], LSTM_BLOBS, **EXPOSED)
    got = compute(tmp_path, inputs, entry, input_shapes=names if time == "time" else {})
    want = lstm(X, cont, LSTM_BLOBS, h[0], c[0])
    assert_same({"y": want[0], "y_h": want[1][None], "z_c": want[2][None]}, {k: v for k, v in got.items()}, rtol=1e-4)


def test_exposed_state_of_an_rnn_is_the_hidden_one(tmp_path: Path) -> None:
    h = normal(1, N, D)
    cont = np.ones((T, N), np.float32)
    entry = layer("RNN", ["x", "k", "h"], ["y", "z"], RNN_BLOBS, **EXPOSED)
    got = compute(tmp_path, {"x": X, "k": cont, "h": h}, entry)
    want = rnn(X, cont, RNN_BLOBS, h[0])
    assert_same({"y": want[0], "z": want[1][None]}, got)


def test_without_exposed_states_a_note_says_where_the_state_begins(tmp_path: Path) -> None:
    entry = layer("LSTM", ["x", "c"], name="lstm1", blobs=LSTM_BLOBS, **P)
    notes = read_net(tmp_path, net({"x": X.shape, "c": CONT.shape}, entry)).notes
    assert [(note.code, note.where) for note in notes] == [("state-starts-at-zero", "lstm1"), ("unrolled", "lstm1")]


def test_trailing_axes_are_flattened(tmp_path: Path) -> None:
    entry = layer("LSTM", ["x", "c"], blobs=LSTM_BLOBS, **P)
    got = compute(tmp_path, {"x": X.reshape(T, N, 2, 2), "c": CONT}, entry)
    assert_same({"y": lstm(X, CONT, LSTM_BLOBS, ZERO, ZERO)[0].astype(np.float32)}, got)


def test_lstm_unit_is_one_step(tmp_path: Path) -> None:
    c, a, cont = normal(1, N, D), normal(1, N, 4 * D), np.float32([[1, 0, 1]])
    got = compute(tmp_path, {"c": c, "a": a, "k": cont}, layer("LSTMUnit", ["c", "a", "k"], ["c1", "h1"]))
    i, f, o = (sigmoid(part) for part in np.split(a, 4, 2)[:3])
    fresh = cont[..., None] * f * c + i * np.tanh(a[..., 3 * D :])
    assert_same({"c1": fresh, "h1": o * np.tanh(fresh)}, got)


@pytest.mark.parametrize(
    ("bottoms", "tops", "parameters", "reason"),
    [
        (["x"], ["y"], P, "1 bottoms"),
        (["x", "c"], ["y", "z"], P, "2 tops"),
        (["x", "c"], ["y"], EXPOSED, "bottoms"),
        (["x", "c"], ["y"], {}, "num_output"),
    ],
)
def test_wrong_bottoms_and_tops_name_the_layer(
    tmp_path: Path, bottoms: list[str], tops: list[str], parameters: dict[str, object], reason: str
) -> None:
    with pytest.raises(MalformedModel, match=reason):
        entry = layer("LSTM", bottoms, tops, LSTM_BLOBS, **parameters)
        read_net(tmp_path, net({"x": X.shape, "c": CONT.shape}, entry))
