"""One claimed job from its folder to its results: the child does the work, this side holds the lease and the axe."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import structlog

from app.db.engine import Database
from app.settings import Settings
from app.storage.local import LocalStorage
from workers import claim as claims
from workers import results, sandbox
from workers.claim import Claim, Made
from workers.errors import Canceled, ConversionError, LimitExceeded
from workers.lease import Lease, Relay
from workers.redaction import Redaction
from workers.results import Summary
from workers.sandbox.zygote import Zygote
from workers.settings import engine_environment, limits, readable_always

log = structlog.get_logger("worker")


@dataclass(slots=True)
class Site:
    """What a worker works with. ``warm`` forks the children of jobs; None when that does not work here."""

    settings: Settings
    db: Database
    storage: LocalStorage
    warm: Zygote | None = field(default_factory=Zygote)

    @classmethod
    def of(cls, settings: Settings) -> Site:
        return cls(settings, Database(settings.database), LocalStorage(settings.storage_folder))


@dataclass(slots=True)
class Ended:
    """How the child ended: the problem, if there was one, what it said, and the files that it made."""

    error: dict[str, Any] | None
    said: str
    made: list[tuple[Made, Path]]


def supervise(site: Site, held: Claim) -> None:
    """Run the job to its end and write that end, unless the lease is lost meanwhile."""
    folder = site.settings.work_folder / f"{held.job_id}.{held.attempt}"
    try:
        prepare(site, held, folder)
        with Lease(site.db, held, site.settings.lease_seconds) as lease:
            _end(site, held, folder, lease)
    except Exception as error:  # ours: the job must not wait for its lease to learn of it
        log.exception("supervision failed", job=held.job_id)
        _close(site, held, "failed", _fault(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(site: Site, held: Claim, folder: Path, lease: Lease) -> None:
    ended = _run(site, held, folder, lease.stopped)
    if lease.order == "lost":
        log.warning("lease lost", job=held.job_id, attempt=held.attempt)
    elif lease.order == "cancel" or not _conclude(site, held, folder, ended):
        _close(site, held, "canceled", Canceled("The job was canceled on request").problem())


def _fault(error: Exception) -> dict[str, Any]:
    """What the user reads of an error on this side of the jail."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LimitExceeded("disk", "The worker's disk is full", hint="Tell the operator; then retry.").problem()
    return ConversionError(f"The worker itself failed ({type(error).__name__}); its log says more").problem()


def prepare(site: Site, held: Claim, folder: Path) -> None:
    """Fill the job's folder: ``in/manifest.json`` points at the stored files, which the child may only read."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for earlier in folder.parent.glob(f"{held.job_id}.*"):  # of an attempt whose worker died
        shutil.rmtree(earlier, ignore_errors=True)
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    manifest = [
        {"name": file.name, "path": str(site.storage.path(file.sha256)), "size": file.size, "sha256": file.sha256}
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
        "samples": str(site.storage.path(held.samples)) if held.samples else None,
        "on_mismatch": held.on_mismatch,
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")


def _run(site: Site, held: Claim, folder: Path, stopped: Callable[[], bool]) -> Ended:
    """Let the child work and gather what it made; a refusal of the child or of this side is the job's error."""
    ended = Ended(None, "", [])
    try:
        outcome = _child(site, held, folder, stopped)
        ended.said = outcome.stderr
        outcome.raise_for_status("the conversion")
        ended.error = results.error_of(results.read_json(folder / "result.json"))
        if held.kind == "convert":
            ended.made = results.collect(folder / "out", stopped)
    except ConversionError as error:
        ended.error = error.problem()
    return ended


def _child(site: Site, held: Claim, folder: Path, stopped: Callable[[], bool]) -> sandbox.Outcome:
    """The job in the jail: forked from the warm process, or one of its own: GPU drivers do not bear a fork."""
    read = [*readable_always(), *_blobs(site, held)]
    relay = Relay(site.db, held)
    if site.warm is not None and held.device == "cpu":
        try:
            return site.warm.run(
                folder, read=read, limits=limits(), env=engine_environment(), on_event=relay, should_stop=stopped
            )
        except ChildProcessError as error:
            log.warning("jobs start cold from now on", reason=str(error))
            site.warm.close()
            site.warm = None
    return sandbox.run(
        [sys.executable, "-m", "workers.cold", str(folder)],
        cwd=folder,
        read=read,
        write=[folder],
        limits=limits(),
        env=engine_environment(),
        on_event=relay,
        should_stop=stopped,
    )


def _blobs(site: Site, held: Claim) -> list[Path]:
    return [site.storage.path(sha256) for sha256 in (*(file.sha256 for file in held.files), held.samples) if sha256]


def _conclude(site: Site, held: Claim, folder: Path, ended: Ended) -> bool:
    """Write the end of the job; False when it was canceled meanwhile.

    Rows before files: they keep the sweeper away from blobs that were there already.
    """
    told = Summary() if held.kind == "inspect" else results.summary(folder / "out" / "report.json")
    redaction = Redaction(site.settings, folder)
    with site.db.write() as session:
        written = claims.finish(
            session,
            held,
            "failed" if ended.error else "succeeded",
            [entry for entry, _ in ended.made],
            keep_for=timedelta(hours=site.settings.retention_hours),
            error=redaction.value(ended.error),
            log=redaction.text(ended.said),
            inspection=_inspection(held, folder, ended),
            detected=told.detected,
            results=redaction.value(told.results),
            stages=told.stages,
            warnings=told.warnings,
            verification=told.verification,
        )
        if written:
            for entry, path in ended.made:
                site.storage.commit(path, entry.sha256)
    return written


def _close(site: Site, held: Claim, status: Literal["failed", "canceled"], problem: dict[str, Any]) -> None:
    """End the job without results, if it is still ours."""
    keep_for = timedelta(hours=site.settings.retention_hours)
    with site.db.write() as session:
        claims.finish(session, held, status, [], keep_for=keep_for, error=problem)


def _inspection(held: Claim, folder: Path, ended: Ended) -> dict[str, Any] | None:
    if held.kind != "inspect" or ended.error:
        return None
    found = results.read_json(folder / "out" / "inspect.json")
    return found if isinstance(found, dict) else None
