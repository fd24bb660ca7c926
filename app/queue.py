"""Sending a job's id to the workers, by task name: this side knows nothing of the code that runs there."""

from __future__ import annotations

import redis
from celery import Celery
from kombu.exceptions import OperationalError

TASK = "workers.tasks.convert"
# An inspection waits behind inspections only: somebody is looking at the screen.
QUEUES = {"convert": "convert", "inspect": "inspect"}
SOCKET_SECONDS = 2.0
MARK = "onnxhub:known"


class QueueUnavailable(Exception):
    """The broker does not answer; the job row waits, the sweeper sends it later."""


class Queue:
    """``url`` empty: there is no broker yet, nothing can be sent."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis = _client(url)
        self._celery = Celery("onnxhub-api", broker=url or "memory://", set_as_current=False)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_connection_timeout=SOCKET_SECONDS,
            broker_transport_options={
                "socket_timeout": SOCKET_SECONDS,
                "socket_connect_timeout": SOCKET_SECONDS,
                "retry_on_timeout": False,
            },
            task_publish_retry=False,
        )

    def send(self, job_id: str, kind: str) -> None:
        """Raises QueueUnavailable."""
        if not self._url:
            raise QueueUnavailable("no broker is set")
        try:
            self._celery.send_task(TASK, args=[job_id], queue=QUEUES[kind], ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            raise QueueUnavailable(str(error)) from error

    def ping(self) -> None:
        """Raises QueueUnavailable when the broker does not answer within SOCKET_SECONDS."""
        if not self._url:
            raise QueueUnavailable("no broker is set")
        try:
            if self._redis is not None:
                self._redis.ping()
            else:
                with self._celery.connection_for_write(connect_timeout=SOCKET_SECONDS) as connection:
                    connection.ensure_connection(max_retries=0, timeout=SOCKET_SECONDS)
        except (redis.RedisError, OperationalError, OSError) as error:
            raise QueueUnavailable(str(error)) from error

    def forgot(self) -> bool:
        """Has the broker lost all that it was sent (it was restarted without its data, or flushed)?

        A mark of ours is gone then; it is set anew, so the answer is True once. Raises QueueUnavailable.
        """
        if self._redis is None:
            return False
        try:
            return bool(self._redis.set(MARK, "1", nx=True))
        except (redis.RedisError, OSError) as error:
            raise QueueUnavailable(str(error)) from error

    def close(self) -> None:
        self._celery.close()
        if self._redis is not None:
            self._redis.close()


def _client(url: str) -> redis.Redis | None:
    """A plain client of a Redis broker; None for the other kinds that Celery knows."""
    if url.startswith("redis+socket://"):
        url = url.replace("redis+socket://", "unix://", 1)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return None
    return redis.Redis.from_url(url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS)
