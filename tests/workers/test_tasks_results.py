"""What a child leaves behind is distrusted: links, special files and false reports become nothing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from workers.report.schema import Comparison, File, Metrics, Note, Report, Sample, Source, Stage, Target
from workers.results import collect, error_of, read_json, summary


def test_regular_files_become_artifacts_and_nothing_else_does(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    out = tmp_path / "out"
    (out / "pytorch").mkdir(parents=True)
    (out / "hub.onnx").write_bytes(b"hub")
    (out / "pytorch" / "model.py").write_bytes(b"py")
    (out / "report.json").write_bytes(b"{}")
    (out / "link").symlink_to(secret)
    os.link(secret, out / "hard")
    os.mkfifo(out / "fifo")
    (out / "folder").symlink_to("/etc", target_is_directory=True)
    (out / "a\nb").write_bytes(b"x")
    made = [entry for entry, _ in collect(out, lambda: False)]
    assert [(entry.name, entry.kind) for entry in made] == [
        ("hub.onnx", "hub"), ("pytorch/model.py", "target"), ("report.json", "report"),
    ]  # fmt: skip
    assert made[0].sha256 == hashlib.sha256(b"hub").hexdigest()


def test_collecting_stops_when_told(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / str(index)).write_bytes(b"x")
    assert collect(tmp_path, lambda: True) == []


@pytest.mark.parametrize("result", [None, {}, {"ok": 1}, {"ok": False}, {"ok": False, "error": {"type": 3}}, [], "ok"])
def test_a_result_that_is_none_is_a_failure(result: Any) -> None:
    error = error_of(result)
    assert error is not None
    assert error["type"] == "internal"


def test_a_result_is_taken_at_its_word() -> None:
    assert error_of({"ok": True}) is None
    told = {"type": "malformed-model", "detail": "x"}
    assert error_of({"ok": False, "error": told}) == told


def test_json_that_cannot_be_is_none(tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "half").write_text('{"a"')
    (tmp_path / "link").symlink_to("/etc/hostname")
    for name in ("deep", "half", "link", "absent"):
        assert read_json(tmp_path / name) is None


def report() -> Report:
    def tensor(name: str, ratio: float) -> Metrics:
        return Metrics(
            name=name, shape=[1, 10], dtype="float32", max_abs=ratio * 1e-4, max_rel=1e-5, normalised=1e-5, cosine=1.0,
            snr_db=120.0, nonfinite_agree=True, argmax_agree=True, ratio=ratio, passed=ratio <= 1,
        )  # fmt: skip

    def comparison(subject: str, against: str, verdict: Any, ratio: float) -> Comparison:
        sample = Sample(name="s0", origin="drawn", seed=0, shapes={}, tensors=[tensor("prob", ratio)])
        return Comparison(
            subject=subject, against=against, verdict=verdict, provider="cpu", tolerance={}, samples=[sample],
            reason="too far" if verdict == "mismatched" else "",
        )  # fmt: skip

    return Report(
        engine="onnxhub", verdict="mismatched",
        source=Source(
            format="caffe", title="Caffe", version="V1", evidence="e", files=[File(name="n", size=1, sha256="0" * 64)],
            notes=[Note(code="batch", detail="d", where="fc")],
        ),
        comparisons=[comparison("hub", "OpenCV", "verified", 0.1)],
        targets=[
            Target(format="pytorch", title="PyTorch", verdict="mismatched",
                   comparisons=[comparison("pytorch", "torch 2.9", "mismatched", 7.0)]),
            Target(format="onnx", title="ONNX", verdict="verified",
                   comparisons=[comparison("onnx", "onnxruntime", "verified", 0.0)]),
        ],
        stages=[Stage(name="read", status="succeeded", seconds=0.1)],
    )  # fmt: skip


def test_the_report_in_short(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(report().model_dump_json())
    told = summary(tmp_path / "report.json")
    assert told.detected == {"format": "caffe", "version": "V1", "files": ["n"], "evidence": "e"}
    assert told.warnings == [{"code": "batch", "detail": "d", "where": "fc"}]
    assert [result["verdict"] for result in told.results] == ["mismatched", "verified"]
    assert told.verification is not None
    assert told.verification["verdict"] == "mismatched"
    assert told.verification["against"] == "torch 2.9"
    assert told.verification["reason"] == "too far"
    assert told.verification["worst"]["subject"] == "pytorch"
    assert told.verification["worst"]["output"] == "prob"
    assert told.verification["worst"]["ratio"] == 7.0
    assert [line["verdict"] for line in told.verification["comparisons"]] == ["verified", "mismatched", "verified"]


def test_numbers_that_json_does_not_have_are_told_as_text(tmp_path: Path) -> None:
    broken = report()
    broken.targets[0].comparisons[0].samples[0].tensors[0].ratio = float("inf")
    (tmp_path / "report.json").write_text(broken.model_dump_json())
    told = summary(tmp_path / "report.json").verification
    assert told is not None
    assert told["worst"]["ratio"] == "inf"
    json.loads(json.dumps(told, allow_nan=False))


def test_a_report_that_is_none_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"verdict": "superb"}')
    told = summary(tmp_path / "report.json")
    assert (told.detected, told.verification, told.results) == (None, None, [])
