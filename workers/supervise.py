"""One claimed job from its folder to its results: the child does the work, this side holds the lease and the axe."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

import workers
from app.db.engine import Database
from app.settings import Settings
from app.storage.local import LocalStorage
from workers import claim as claims
from workers import results, sandbox
from workers.claim import Claim, Made, Order
from workers.errors import Canceled, ConversionError
from workers.results import Summary
from workers.settings import limits, readable_always
from workers.stages import Stages

log = structlog.get_logger("worker")

HEARTBEAT_SECONDS = 1.0
LOOK_SECONDS = 0.25
PROGRESS_SECONDS = 0.2
WORDS = 200


class Lease:
    """Renews the lease in a thread and listens for a cancellation until the job is done."""

    def __init__(self, db: Database, held: Claim, seconds: float) -> None:
        self._db, self._held, self._seconds = db, held, seconds
        self._done = threading.Event()
        self.order: Order = "go on"
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"lease {held.job_id}")

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._done.set()
        self._thread.join()

    def stopped(self) -> bool:
        return self.order != "go on"

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(LOOK_SECONDS) and not self.stopped():
            try:
                if time.monotonic() - renewed >= HEARTBEAT_SECONDS:
                    self.order = claims.renew(self._db, self._held, self._seconds)
                    renewed = time.monotonic()
                else:
                    self.order = claims.order(self._db, self._held)
            except Exception:  # a database that is away for a moment must not end the job; the lease decides
                log.exception("heartbeat failed", job=self._held.job_id)
                if time.monotonic() - renewed > self._seconds:
                    self.order = "lost"


class Relay:
    """The child's events as events of the job: stages at once, progress a few times a second."""

    def __init__(self, db: Database, held: Claim) -> None:
        self._db, self._held = db, held
        self._stages = Stages(len(held.targets))
        self._last = 0.0
        self._layer = ""

    def __call__(self, event: dict[str, Any]) -> None:
        if event.get("event") == "stage" and isinstance(event.get("name"), str):
            name = event["name"][:WORDS]
            self._last = 0.0
            self._tell("stage", {}, name, self._stages.begin(name))
        elif event.get("event") == "progress":
            self._progress(event)

    def _progress(self, event: dict[str, Any]) -> None:
        done, total, what = event.get("done"), event.get("total"), event.get("what")
        if not isinstance(done, int) or not isinstance(total, int) or not isinstance(what, str):
            return
        moment = time.monotonic()
        if done < total and moment - self._last < PROGRESS_SECONDS:
            return
        self._last = moment
        data = {"done": done, "total": total, "layer": what[:WORDS]}
        self._tell("progress", data, self._stages.stage, self._stages.within(done, total))

    def _tell(self, kind: str, data: dict[str, Any], stage: str, progress: float) -> None:
        claims.tell(self._db, self._held, kind, data, stage=stage, progress=progress)


def supervise(db: Database, storage: LocalStorage, settings: Settings, held: Claim) -> None:
    """Run the job to its end and write that end, unless the lease is lost meanwhile."""
    folder = prepare(storage, settings, held)
    try:
        with Lease(db, held, settings.lease_seconds) as lease:
            error, said = _run(db, storage, settings, held, folder, lease)
            made = [] if held.kind == "inspect" else results.collect(folder / "out", lease.stopped)
            if lease.order == "lost":
                log.warning("lease lost", job=held.job_id, attempt=held.attempt)
                return
            _conclude(db, storage, settings, held, folder, made, error, said, canceled=lease.order == "cancel")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(storage: LocalStorage, settings: Settings, held: Claim) -> Path:
    """The job's folder: ``in/manifest.json`` points at the stored files, which the child may only read."""
    work = settings.work_folder
    work.mkdir(parents=True, exist_ok=True)
    for earlier in work.glob(f"{held.job_id}.*"):  # of an attempt whose worker died
        shutil.rmtree(earlier, ignore_errors=True)
    folder = work / f"{held.job_id}.{held.attempt}"
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    manifest = [
        {"name": file.name, "path": str(storage.path(file.sha256)), "size": file.size, "sha256": file.sha256}
        for file in held.files
    ]
    (folder / "in" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    request = {
        "job_id": held.job_id,
        "action": held.kind,
        "source": held.source,
        "targets": list(held.targets),
        "options": dict(held.options),
        "verify": held.verify,
        "device": held.device,
        "samples": str(storage.path(held.samples)) if held.samples else None,
        "on_mismatch": held.on_mismatch,
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    return folder


def _run(
    db: Database, storage: LocalStorage, settings: Settings, held: Claim, folder: Path, lease: Lease
) -> tuple[dict[str, Any] | None, str]:
    """The problem that ended the job, or None; and what the child said on its standard error."""
    blobs = [storage.path(file.sha256) for file in held.files]
    if held.samples:
        blobs.append(storage.path(held.samples))
    said = ""
    try:
        outcome = sandbox.run(
            [sys.executable, "-m", "workers.child", str(folder)],
            cwd=folder,
            read=[*readable_always(), *blobs],
            write=[folder],
            limits=limits(),
            env={"PYTHONPATH": str(Path(workers.__file__).parent.parent)},
            on_event=Relay(db, held),
            should_stop=lease.stopped,
        )
        said = outcome.stderr
        outcome.raise_for_status("the conversion")
        return results.error_of(results.read_json(folder / "result.json")), said
    except ConversionError as error:
        return error.problem(), said


def _conclude(
    db: Database, storage: LocalStorage, settings: Settings, held: Claim, folder: Path, made: list[tuple[Made, Path]],
    error: dict[str, Any] | None, said: str, *, canceled: bool,
) -> None:  # fmt: skip
    """Write the end of the job. Rows before files: they keep the sweeper away from blobs that were there already."""
    keep_for = timedelta(hours=settings.retention_hours)
    if not canceled:
        told = Summary() if held.kind == "inspect" else results.summary(folder / "out" / "report.json")
        with db.write() as session:
            written = claims.finish(
                session, held, "failed" if error else "succeeded", [entry for entry, _ in made], keep_for=keep_for,
                error=error, log=_redacted(said, storage, folder), inspection=_inspection(held, folder, error),
                detected=told.detected, results=told.results, stages=told.stages, warnings=told.warnings,
                verification=told.verification,
            )  # fmt: skip
            if written:
                for entry, path in made:
                    storage.commit(path, entry.sha256)
        if written:
            return
    with db.write() as session:  # asked to cancel, perhaps a moment ago; or the lease is lost, and nothing is written
        problem = Canceled("The job was canceled on request").problem()
        claims.finish(session, held, "canceled", [], keep_for=keep_for, error=problem)


def _inspection(held: Claim, folder: Path, error: dict[str, Any] | None) -> dict[str, Any] | None:
    if held.kind != "inspect" or error:
        return None
    found = results.read_json(folder / "out" / "inspect.json")
    return found if isinstance(found, dict) else None


def _redacted(said: str, storage: LocalStorage, folder: Path) -> str:
    """What the child said, without the paths of this machine."""
    text = said.replace("\0", "").replace(str(folder), "<job>").replace(str(storage.root), "<storage>")
    return text.replace(str(Path(workers.__file__).parent.parent), "<onnxhub>")
