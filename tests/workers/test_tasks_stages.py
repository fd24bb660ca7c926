"""The fraction of a job that is done: it grows, stays below 1 until the end, and gives each target its share."""

from __future__ import annotations

from workers.stages import Stages

WAY = ["inspect", "read", "normalise", "check", "write:onnx", "verify:onnx", "write:caffe", "verify:caffe", "report"]


def test_progress_only_grows() -> None:
    stages = Stages(targets=2)
    seen = []
    for name in WAY:
        seen.append(stages.begin(name))
        seen += [stages.within(done, 10) for done in (0, 3, 7, 10)]
    assert seen == sorted(seen)
    assert 0.9 < seen[-1] < 1.0


def test_layers_of_a_stage_move_it_on() -> None:
    stages = Stages(targets=1)
    stages.begin("inspect")
    start = stages.begin("read")
    middle = stages.within(20, 40)
    assert start < middle < stages.begin("normalise")


def test_nonsense_from_a_child_does_no_harm() -> None:
    stages = Stages(targets=0)
    stages.begin("read")
    before = stages.fraction
    for done, total in ((5, 0), (-1, 10), (10**30, 1), (3, -3)):
        assert before <= stages.within(done, total) < 1
    assert stages.begin("write:x") < 1
    assert stages.begin("never heard of") < 1
