"""``onnxhub serve``: broker, worker and API on one machine, started together, watched, and stopped together.

``onnxhub api`` and ``onnxhub worker`` are the parts for several machines.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
import uvicorn
from uvicorn.config import Config

from app.broker import Broker, BrokerError, die_with_parent
from app.context import Hub
from app.db import workers
from app.logs import configure
from app.main import create_app
from app.settings import Settings

log = structlog.get_logger("serve")

LOOK_SECONDS = 0.2
# A part that dies so often within a minute will not get better by being started again.
MOST_DEATHS, WITHIN_SECONDS = 5, 60.0
# The jobs' children run in a jail, also when the worker itself is root.
NO_ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
WORKER = [
    sys.executable, "-W", NO_ROOT_WARNING, "-m", "celery", "--quiet", "-A", "workers.celery_app", "worker",
    "--pool", "prefork", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
]  # fmt: skip


class Part:
    """A child process that is started again when it dies."""

    def __init__(self, name: str, start: Callable[[], subprocess.Popen[bytes]], grace: float) -> None:
        self.name, self._start, self._grace = name, start, grace
        self._deaths: list[float] = []
        self.process = start()

    def look(self) -> bool:
        """Start the process anew if it died; False when it died too often."""
        status = self.process.poll()
        if status is None:
            return True
        moment = time.monotonic()
        self._deaths = [*(death for death in self._deaths if moment - death < WITHIN_SECONDS), moment]
        log.error("a part died", part=self.name, status=status, deaths=len(self._deaths))
        if len(self._deaths) >= MOST_DEATHS:
            return False
        try:
            self.process = self._start()
        except (BrokerError, OSError):
            log.exception("a part does not start", part=self.name)
            return False
        return True

    def stop(self) -> None:
        """Ask it to end; after its grace, end it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(self._grace)
            except subprocess.TimeoutExpired:
                log.warning("killed", part=self.name)
                self.process.kill()
                self.process.wait()


def serve(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM (0), or until a part cannot be kept alive (1)."""
    configure(settings)
    stop = _on_signals()
    listener = _listen(settings)
    if listener is None:
        return 1
    settings.home.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = []
    broker: Broker | None = None
    try:
        if not settings.broker_url:
            broker = Broker(settings.home)
            settings = settings.model_copy(update={"broker_url": broker.url})
            parts.append(Part("broker", broker.start, 5.0))
        Hub.of(settings).prepare()  # before two processes want the tables
        parts.append(Part("worker", lambda: start_worker(settings), settings.shutdown_seconds))
        return _watch(settings, listener, parts, stop)
    except BrokerError as error:
        print(f"onnxhub: {error}", file=sys.stderr)
        return 1
    finally:
        for part in reversed(parts):
            part.stop()
        if broker is not None:
            broker.clean()


def start_worker(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "ONNXHUB_HOME": str(settings.home),
        "ONNXHUB_BROKER_URL": settings.broker_url,
        "ONNXHUB_DATABASE_URL": settings.database,
        "ONNXHUB_STORAGE": str(settings.storage_folder),
    }
    return subprocess.Popen(
        WORKER, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent
    )


def run_worker(settings: Settings) -> int:
    """``onnxhub worker``: become a worker process; the broker is another machine's."""
    if not settings.broker_url:
        print("onnxhub: a worker of its own needs ONNXHUB_BROKER_URL", file=sys.stderr)
        return 2
    sys.stdout.flush()
    os.execv(WORKER[0], WORKER)


def run_api(settings: Settings) -> int:
    """``onnxhub api``: the API alone."""
    configure(settings)
    if not settings.broker_url:
        print("onnxhub: an API of its own needs ONNXHUB_BROKER_URL", file=sys.stderr)
        return 2
    stop = _on_signals()
    listener = _listen(settings)
    return 1 if listener is None else _watch(settings, listener, [], stop)


def _on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set; nothing else happens at once."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _listen(settings: Settings) -> socket.socket | None:
    """Bound before anything else starts: a taken port is the commonest mistake. None when that was said."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        place = f"{settings.host}:{settings.port}"
        print(f"onnxhub: cannot listen on {place}: {error.strerror}; set ONNXHUB_PORT", file=sys.stderr)
        return None
    return listener


def _watch(settings: Settings, listener: socket.socket, parts: list[Part], stop: threading.Event) -> int:
    """Serve in a thread; this one, which started the parts and whose end would end them, keeps watch."""
    app = create_app(settings)
    server = uvicorn.Server(
        Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=30,
        )
    )
    api = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    api.start()
    host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0") else settings.host
    url = f"http://{host}:{listener.getsockname()[1]}"
    threading.Thread(target=_greet, args=(app.state.hub, url, bool(parts), stop), daemon=True).start()
    well = True
    while well and not stop.wait(LOOK_SECONDS):
        well = api.is_alive() and all(part.look() for part in parts)
    app.state.hub.closing = True
    server.should_exit = True
    api.join()
    return 0 if well else 1


def _greet(hub: Hub, url: str, with_worker: bool, stop: threading.Event) -> None:
    """One line for the person at the terminal, once a job would be done."""
    alive = timedelta(seconds=5)
    while with_worker and not stop.wait(LOOK_SECONDS):
        with hub.db.read() as session:
            if workers.alive(session, alive):
                break
    if not stop.is_set():
        print(f"onnxhub serves {url}", file=sys.stderr, flush=True)
