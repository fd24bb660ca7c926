"""The numbers against values worked out by hand or by plain numpy."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from workers.options import Tolerance
from workers.parity import metrics
from workers.parity.metrics import compare, missing


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_every_number_of_a_small_pair() -> None:
    found = compare("y", np.array([3.0, 0.0, -4.0]), np.array([3.0, 0.5, -3.0]))
    assert (found.max_abs, found.max_rel, found.normalised) == (1.0, 0.25, 0.25)
    assert found.cosine == pytest.approx(21 / (5 * math.sqrt(9 + 0.25 + 9)))
    assert found.snr_db == pytest.approx(10 * math.log10(25 / 1.25))
    assert found.ratio == pytest.approx(1.0 / (1e-5 + 1e-4 * 4))
    assert (found.shape, found.dtype, found.passed, found.problem) == ([3], "float64", False, None)


def test_equal_tensors_pass_with_an_infinite_signal_to_noise_ratio() -> None:
    found = compare("y", f32(1, 2), f32(1, 2))
    assert found.passed and found.ratio == 0.0 and found.cosine == 1.0 and found.snr_db == math.inf


@pytest.mark.parametrize(("error", "passed"), [(1.0e-4, True), (1.2e-4, False)])
def test_an_element_may_be_off_by_atol_plus_rtol_times_the_largest(error: float, passed: bool) -> None:
    reference = np.array([1.0, 0.0])
    assert compare("y", reference, reference + np.array([0.0, error])).passed is passed


def test_a_small_tensor_that_points_elsewhere_fails_by_its_cosine() -> None:
    """Every element is within atol, yet nothing of the signal is left."""
    reference = f32(*[1e-6, -1e-6] * 50)
    found = compare("y", reference, reference[::-1].copy())
    assert found.ratio < 1.0 and found.cosine == pytest.approx(-1.0) and not found.passed


def test_half_precision_is_a_hundred_times_looser() -> None:
    reference = np.array([1.0, 0.5], np.float16)
    assert compare("y", reference, reference + np.float16(0.008)).passed
    assert not compare("y", reference, reference + np.float16(0.02)).passed
    assert compare("y", reference.astype(ml_dtypes.bfloat16), (reference + 0.008).astype(ml_dtypes.bfloat16)).passed


def test_the_users_tolerance_replaces_the_default() -> None:
    loose = Tolerance(rtol=0.0, atol=0.5, cosine=0.0)
    assert compare("y", f32(1, 2), f32(1.4, 2), loose).passed
    assert not compare("y", f32(1, 2), f32(1.6, 2), loose).passed


def test_integers_agree_exactly_unless_the_user_allows_steps() -> None:
    reference = np.array([1_000_000, 5], np.int64)
    assert not compare("y", reference, reference + 1).passed
    assert compare("y", reference, reference + 1, Tolerance(rtol=1.0, atol=1.0, cosine=0.0)).passed
    assert not compare("y", reference, reference + 2, Tolerance(rtol=1.0, atol=1.0, cosine=0.0)).passed


def test_integers_beyond_the_mantissa_of_a_double_still_differ() -> None:
    found = compare("y", np.array([2**60], np.int64), np.array([2**60 + 1], np.int64))
    assert not found.passed and found.max_abs == 1.0


def test_booleans_agree_exactly() -> None:
    assert compare("y", np.array([True, False]), np.array([True, False])).passed
    assert not compare("y", np.array([True, False]), np.array([True, True])).passed


def test_strings_agree_exactly_and_the_differing_ones_are_counted() -> None:
    a, b = np.array(["cat", "dog"], object), np.array(["cat", "cow"], object)
    assert compare("y", a, a.copy()).passed
    assert compare("y", a, b).problem == "1 of 2 strings differ"


def test_shapes_agree_exactly_even_when_the_elements_do() -> None:
    found = compare("y", np.zeros((1, 5)), np.zeros(5))
    assert not found.passed and found.problem == "the shape is [5] where the reference has [1, 5]"


def test_element_types_agree_exactly_and_the_numbers_are_shown_all_the_same() -> None:
    found = compare("y", f32(1, 2), np.array([1.0, 2.0]))
    assert not found.passed and found.max_abs == 0.0
    assert found.problem == "the element type is float64 where the reference has float32"


def test_nan_and_inf_agree_in_place_and_by_sign() -> None:
    reference = f32(1, math.nan, math.inf, -math.inf)
    same = compare("y", reference, reference.copy())
    assert same.passed and same.nonfinite_agree
    for other in (
        f32(1, 2, math.inf, -math.inf),
        f32(1, math.nan, -math.inf, -math.inf),
        f32(math.nan, math.nan, math.inf, -math.inf),
    ):
        found = compare("y", reference, other)
        assert not found.passed and not found.nonfinite_agree and found.ratio == math.inf


def test_numbers_beside_nan_are_still_compared() -> None:
    assert not compare("y", f32(1, math.nan), f32(2, math.nan)).passed


def test_zeros_agree_with_zeros_and_with_noise_below_atol() -> None:
    zeros = np.zeros(4, np.float32)
    assert compare("y", zeros, zeros.copy()).passed
    assert compare("y", zeros, zeros + np.float32(1e-7)).passed
    assert not compare("y", zeros, zeros + np.float32(1e-3)).passed
    assert compare("y", zeros, zeros + np.float32(1e-3)).snr_db == -math.inf


def test_a_signal_that_is_lost_fails() -> None:
    assert not compare("y", f32(1e-6, 2e-6), f32(0, 0)).passed


def test_tensors_without_elements_agree_by_their_shape() -> None:
    assert compare("y", np.zeros((0, 6), np.float32), np.zeros((0, 6), np.float32)).passed
    assert not compare("y", np.zeros((0, 6), np.float32), np.zeros((1, 6), np.float32)).passed


def test_scalars_are_compared() -> None:
    assert compare("y", np.float32(2.0).reshape(()), np.float32(2.0).reshape(())).passed


def test_arg_max_is_taken_along_the_classes_with_ties_allowed() -> None:
    assert compare("y", f32(1, 3, 2).reshape(1, 3), f32(1, 3, 2).reshape(1, 3)).argmax_agree
    assert not compare("y", f32(1, 3, 2).reshape(1, 3), f32(3, 1, 2).reshape(1, 3)).argmax_agree
    tie = compare("y", f32(1, 3.00001, 3).reshape(1, 3), f32(1, 3, 3.00001).reshape(1, 3))
    assert tie.argmax_agree and tie.passed
    maps = np.moveaxis(np.eye(3, dtype=np.float32), 0, 0).reshape(1, 3, 1, 3)
    assert compare("y", maps, maps * 2).argmax_agree
    assert not compare("y", maps, maps[:, ::-1].copy()).argmax_agree


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_neither_over_nor_underflow(scale: float) -> None:
    reference = np.array([1.0, 2.0, 3.0]) * scale
    found = compare("y", reference, reference * (1 + 1e-6), Tolerance(rtol=1e-4, atol=0.0))
    assert found.passed and found.cosine == pytest.approx(1.0) and found.snr_db == pytest.approx(120, abs=1)


def test_large_tensors_are_taken_in_pieces_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal(1000)
    b = a + 1e-3 * random.standard_normal(1000)
    whole = compare("y", a, b)
    monkeypatch.setattr(metrics, "CHUNK", 7)
    pieces = compare("y", a, b)
    assert pieces.max_abs == whole.max_abs == np.abs(a - b).max()
    assert pieces.cosine == pytest.approx(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), rel=1e-12)
    assert pieces.snr_db == pytest.approx(whole.snr_db)


def test_complex_numbers_count_as_two_real_ones() -> None:
    a = np.array([1 + 2j, 3 - 1j], np.complex64)
    assert compare("y", a, a.copy()).passed
    assert compare("y", a, a + 0.5j).max_abs == pytest.approx(0.5)


def test_an_output_that_is_missing_is_a_failure() -> None:
    assert missing("y", np.zeros(3)).problem == "the result has no such output"
