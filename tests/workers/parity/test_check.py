"""The verdict and its reason, for two sides that agree, disagree, refuse, or are not to be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from workers.errors import Canceled, ToolchainCrashed
from workers.hub.graph import GraphBuilder
from workers.options import Tolerance
from workers.parity.check import Runs, compare_runs, randomness, worst_sample
from workers.parity.runtime import RuntimeRefused
from workers.parity.samples import Sample
from workers.report.schema import Comparison

Arrays = Mapping[str, np.ndarray]
X = np.linspace(-1, 1, 6, dtype=np.float32)
SAMPLES = [
    Sample("drawn 1", "drawn", {"x": X}, seed=0),
    Sample("batch = 3", "drawn", {"x": np.concatenate([X, X, X])}, seed=0),
]


def double(inputs: Arrays) -> Arrays:
    return {"y": inputs["x"] * 2}


def off(by: float) -> Callable[[Arrays], Arrays]:
    return lambda inputs: {"y": inputs["x"] * 2 + np.float32(by)}


def refusing(words: str, at: int = 0) -> Callable[[Arrays], Arrays]:
    def run(inputs: Arrays) -> Arrays:
        if inputs["x"].size > at:
            raise RuntimeRefused(words)
        return double(inputs)

    return run


def hold(reference: Callable[[Arrays], Arrays], result: Callable[[Arrays], Arrays], **more: Any) -> Comparison:
    return compare_runs("hub", Runs("OpenCV", reference), Runs("onnxruntime", result), SAMPLES, **more)


def test_agreement_is_verified_and_says_what_was_compared() -> None:
    found = hold(double, off(1e-6))
    assert (found.verdict, found.reason, found.subject, found.against) == ("verified", "", "hub", "OpenCV")
    assert [sample.name for sample in found.samples] == ["drawn 1", "batch = 3"]
    assert found.samples[1].shapes == {"x": [18]} and found.samples[0].seed == 0
    assert found.tolerance == {"rtol": 1e-4, "atol": 1e-5, "cosine": 0.99999}
    assert found.provider == "CPUExecutionProvider"


def test_one_bad_sample_is_a_mismatch_that_names_tensor_sample_and_size() -> None:
    found = hold(double, lambda inputs: off(0.0 if inputs["x"].size == 6 else 0.25)(inputs))
    assert found.verdict == "mismatched"
    assert found.reason.startswith("'y' on the sample batch = 3: max|a-b| is 0.25, 1190 times what is tolerated")


def test_agreement_with_our_own_reading_is_a_round_trip_only() -> None:
    assert hold(double, double, independent=False).verdict == "round_trip"
    assert hold(double, off(1.0), independent=False).verdict == "mismatched"


def test_disagreement_with_a_doubtful_runtime_proves_nothing_but_is_shown() -> None:
    found = hold(double, off(1.0), doubts=["OpenCV ignores cont"])
    assert found.verdict == "unverified"
    assert found.reason.endswith("This proves nothing, because OpenCV ignores cont")
    assert found.samples[0].tensors[0].max_abs == pytest.approx(1.0)


def test_agreement_with_a_doubtful_runtime_is_verified() -> None:
    assert hold(double, double, doubts=["OpenCV ignores cont"]).verdict == "verified"


@pytest.mark.parametrize("side", ["OpenCV", "onnxruntime"])
def test_a_runtime_that_refuses_leaves_it_unverified_in_its_words(side: str) -> None:
    sides = (refusing("no layer Foo"), double) if side == "OpenCV" else (double, refusing("no layer Foo"))
    found = hold(*sides)
    assert found.verdict == "unverified"
    assert f"{side} did not run the sample drawn 1: no layer Foo" in found.reason


def test_a_crashed_toolchain_is_no_crash_of_ours() -> None:
    def crash(inputs: Arrays) -> Arrays:
        raise ToolchainCrashed("the torch process was killed by signal 11")

    found = hold(crash, double)
    assert found.verdict == "unverified" and "signal 11" in found.reason


def test_a_cancelled_job_stops_here() -> None:
    def cancel(inputs: Arrays) -> Arrays:
        raise Canceled("stop")

    with pytest.raises(Canceled):
        hold(cancel, double)


def test_a_mismatch_counts_for_more_than_a_refusal() -> None:
    assert hold(refusing("too large", at=6), off(1.0)).verdict == "mismatched"


def test_a_refusal_of_one_sample_is_not_made_good_by_the_others() -> None:
    found = hold(double, refusing("baked batch", at=6))
    assert found.verdict == "unverified" and "batch = 3: baked batch" in found.reason


def test_sizes_that_only_the_reference_refuses_are_told_and_the_verdict_rests_on_the_others() -> None:
    found = hold(refusing("baked batch", at=6), double)
    assert found.verdict == "verified" and [sample.name for sample in found.samples] == ["drawn 1"]
    assert found.reason == "not compared at other sizes: OpenCV did not run the sample batch = 3: baked batch"
    assert hold(refusing("baked batch", at=6), double, independent=False).verdict == "round_trip"
    assert hold(refusing("baked batch", at=6), off(1.0)).verdict == "mismatched"


def test_a_reference_that_refuses_one_of_two_samples_of_equal_sizes_leaves_it_unverified() -> None:
    calls = iter([True, False])

    def once(inputs: Arrays) -> Arrays:
        if not next(calls):
            raise RuntimeRefused("out of memory")
        return double(inputs)

    samples = [SAMPLES[0], Sample("drawn 2", "drawn", {"x": X + 1}, seed=0)]
    found = compare_runs("hub", Runs("OpenCV", once), Runs("onnxruntime", double), samples)
    assert found.verdict == "unverified"
    assert found.reason == "OpenCV did not run the sample drawn 2: out of memory"


def test_a_sample_that_both_refuse_is_reported_and_does_not_count() -> None:
    found = hold(refusing("only 6", at=6), refusing("only six", at=6))
    assert found.verdict == "verified"
    assert found.reason == "refused by both runtimes, so not compared: batch = 3 (only six)"
    assert hold(refusing("no"), refusing("no")).verdict == "unverified"


def test_outputs_of_nothing_but_nan_prove_nothing() -> None:
    def nan(inputs: Arrays) -> Arrays:
        return {"y": np.full_like(inputs["x"], math.nan)}

    found = hold(nan, nan)
    assert found.verdict == "unverified" and "NaN" in found.reason


def test_an_output_that_the_subject_lacks_is_a_mismatch() -> None:
    found = hold(lambda inputs: {**double(inputs), "z": inputs["x"]}, double)
    assert found.verdict == "mismatched" and "'z'" in found.reason and "no such output" in found.reason


def test_an_output_without_reference_is_told() -> None:
    found = hold(double, lambda inputs: {**double(inputs), "z": inputs["x"]})
    assert (found.verdict, found.reason) == ("verified", "no reference for the output 'z'")


def test_shapes_that_depend_on_the_data_must_agree_exactly() -> None:
    found = hold(double, lambda inputs: {"y": inputs["x"][1:] * 2})
    assert found.verdict == "mismatched" and "shape is [5] where the reference has [6]" in found.reason


def test_recorded_outputs_are_a_reference() -> None:
    sample = Sample("io_0.npz", "user", {"x": X}, {"y": X * 2})
    found = compare_runs("hub", Runs.recorded(), Runs("onnxruntime", double), [sample])
    assert (found.verdict, found.against, found.samples[0].origin) == ("verified", "user samples", "user")
    bare = Sample("io_1.npz", "user", {"x": X})
    assert compare_runs("hub", Runs.recorded(), Runs("onnxruntime", double), [bare]).verdict == "unverified"


def test_without_samples_there_is_no_verdict() -> None:
    found = compare_runs("hub", Runs("OpenCV", double), Runs("onnxruntime", double), [])
    assert (found.verdict, found.reason) == ("unverified", "there was no sample")


def test_the_users_tolerance_decides_and_is_reported() -> None:
    found = hold(double, off(0.25), tolerance=Tolerance(rtol=0.0, atol=0.3, cosine=0.5))
    assert found.verdict == "verified"
    assert found.tolerance == {"rtol": 0.0, "atol": 0.3, "cosine": 0.5}


def test_half_precision_outputs_are_held_to_their_own_tolerance() -> None:
    found = hold(lambda i: {"y": i["x"].astype(np.float16)}, lambda i: {"y": i["x"].astype(np.float16)})
    assert found.tolerance == {"rtol": 1e-2, "atol": 1e-3, "cosine": 0.999}


def test_a_side_runs_each_sample_once_however_often_it_is_compared() -> None:
    calls: list[int] = []

    def counted(inputs: Arrays) -> Arrays:
        calls.append(inputs["x"].size)
        return double(inputs)

    hub = Runs("onnxruntime", counted)
    for _ in range(3):
        compare_runs("pytorch", hub, Runs("torch", double), SAMPLES)
    assert calls == [6, 18]


def test_runs_that_lie_behind_us_are_compared_by_their_samples_name() -> None:
    done = Runs.done("torch", {"drawn 1": {"y": X * 2}, "batch = 3": "killed by signal 9"})
    found = compare_runs("pytorch", Runs("onnxruntime", double), done, SAMPLES)
    assert [sample.name for sample in found.samples] == ["drawn 1"]
    assert found.verdict == "unverified" and "batch = 3: killed by signal 9" in found.reason


def test_the_worst_sample_is_the_one_to_search_with() -> None:
    found = hold(double, lambda inputs: off(0.1 if inputs["x"].size == 6 else 0.25)(inputs))
    assert worst_sample(found, SAMPLES) is SAMPLES[1]
    assert worst_sample(hold(double, double), SAMPLES) is None


def test_random_operators_are_doubted_by_their_layer() -> None:
    g = GraphBuilder("net")
    x = g.input("x", [4])
    with g.layer("noise1", "Noise"):
        g.output(g.Add(x, g.RandomNormalLike(x)), "y")
    assert randomness(g.model()) == ["the model draws random numbers in 'noise1'"]
