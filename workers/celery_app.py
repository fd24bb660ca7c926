"""Celery, set so that a lost message, a message twice or a dead process costs nothing but time: the job row decides."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

from celery import Celery, signals

from app.logs import configure
from app.queue import QUEUES
from app.settings import Settings

PR_SET_PDEATHSIG = 1
# The engine enforces a job's wall clock itself; Celery's own limit is there for a supervisor that hangs.
GRACE_SECONDS = 120

settings = Settings()
# The engine reads these from its environment, where a default would be another one in the jail.
os.environ["ONNXHUB_HOME"] = str(settings.home)
hard_limit = settings.job_seconds + GRACE_SECONDS

app = Celery("onnxhub", broker=settings.broker_url or "memory://", include=["workers.tasks"])
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    task_ignore_result=True,
    task_queues={name: {"exchange": name, "routing_key": name} for name in QUEUES.values()},
    task_default_queue=QUEUES["convert"],
    task_create_missing_queues=False,
    task_acks_late=True,
    task_retry_on_worker_lost=True,
    task_acks_on_failure=True,
    task_acks_on_timeout=True,
    task_time_limit=hard_limit,
    worker_concurrency=settings.concurrency,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=50,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=settings.shutdown_seconds,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 2 * hard_limit + 600,
        # After the broker was restarted, a read of a lost answer ends by this only; no answer takes so long.
        "socket_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _logging(**_: Any) -> None:
    configure(settings)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _die_with_parent(**_: Any) -> None:
    """A pool process whose parent was killed would wait for work for ever, and its job's child with it."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _prepare(**_: Any) -> None:
    from workers import announce

    announce.prepare()


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _announce(**_: Any) -> None:
    from workers import announce

    announce.start(settings)


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _leave(**_: Any) -> None:
    from workers import announce

    announce.stop()
