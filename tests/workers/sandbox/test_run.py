"""The jail, tried with what hostile code would do. Every payload is harmless when the jail holds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workers import sandbox
from workers.errors import Canceled, LimitExceeded, ToolchainCrashed
from workers.sandbox import Limits, Outcome

INTERPRETER = [Path(sys.prefix), Path(sys.base_prefix)]
LIMITS = Limits(
    wall_s=10, cpu_s=8, memory_bytes=1 << 30, file_bytes=1 << 20, disk_bytes=4 << 20, processes=20, open_files=64
)


def run(code: str, folder: Path, limits: Limits = LIMITS, **more: Any) -> Outcome:
    return sandbox.run(
        [sys.executable, "-c", code], cwd=folder, read=INTERPRETER, write=[folder], limits=limits, **more
    )


def layers(folder: Path) -> dict[str, bool]:
    """What holds on this machine, as the jailed process itself was told."""
    said = run("import os; print(os.environ['ONNXHUB_SANDBOX'])", folder).stdout
    return {name: held for name, held, _ in json.loads(said)}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    return layers(tmp_path_factory.mktemp("layers"))


def test_a_program_runs_and_its_events_and_words_come_back(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    code = "import os; print('hello'); os.write(3, b'{\"event\": \"stage\"}\\nnot json\\n[1]\\n')"
    outcome = run(code, tmp_path, on_event=events.append)
    assert (outcome.kind, outcome.code, outcome.stdout) == ("ok", 0, "hello\n")
    assert events == [{"event": "stage"}]


def test_every_layer_holds_or_says_why_not(held: dict[str, bool]) -> None:
    assert set(held) == {"rlimits", "no-new-privileges", "capabilities dropped", "landlock", "seccomp"}
    assert held["rlimits"] and held["no-new-privileges"] and held["capabilities dropped"]


@pytest.mark.parametrize(
    "payload",
    [
        "open('/etc/passwd').read()",
        "__import__('os').listdir('/root')",
        "open('/tmp/onnxhub-canary', 'w')",
        "open('/proc/%d/environ' % __import__('os').getppid()).read()",
        "__import__('os').symlink('/etc/passwd', 'link'); open('link').read()",
        "import os, shutil; shutil.copy('/bin/true', 'mine'); os.chmod('mine', 0o700); os.execv('mine', ['mine'])",
        "__import__('os').mkfifo('pipe')",
        "__import__('os').mknod('plain', 0o140600)",
        "__import__('os').symlink('made', 'link')",
    ],
)
def test_foreign_files_stay_closed(payload: str, tmp_path: Path, held: dict[str, bool]) -> None:
    if not held["landlock"]:
        pytest.skip("Landlock is not in this kernel: files are guarded by permissions only")
    outcome = run(payload, tmp_path)
    assert outcome.kind == "failed"
    assert "PermissionError" in outcome.stderr
    assert not Path("/tmp/onnxhub-canary").exists()


@pytest.mark.parametrize(
    "payload",
    [
        "__import__('socket').socket()",
        "__import__('socket').socket(__import__('socket').AF_UNIX)",
        "__import__('socket').socket(__import__('socket').AF_INET, __import__('socket').SOCK_DGRAM)",
        "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); assert c.ptrace(0, 0, 0, 0) == -1; raise OSError",
        "import ctypes; c = ctypes.CDLL(None); assert c.unshare(0x10000000) == 0",
        "import ctypes; c = ctypes.CDLL(None); assert c.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0",
    ],
)
def test_no_network_no_tracing_no_namespaces(payload: str, tmp_path: Path, held: dict[str, bool]) -> None:
    if not held["seccomp"]:
        pytest.skip("seccomp is not in this kernel")
    assert run(payload, tmp_path).kind == "failed"


def test_a_datagram_pair_reaches_no_socket_outside(tmp_path: Path, held: dict[str, bool]) -> None:
    if not held["seccomp"]:
        pytest.skip("seccomp is not in this kernel")
    jailed = tmp_path / "jailed"
    jailed.mkdir()
    address = str(tmp_path / "door")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside:
        outside.bind(address)
        outside.setblocking(False)
        code = f"import socket as s; s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)[0].sendto(b'secret', {address!r})"
        outcome = run(code, jailed)
        assert outcome.kind == "failed" and "PermissionError" in outcome.stderr
        with pytest.raises(BlockingIOError):
            outside.recv(100)


def test_an_event_loop_still_runs(tmp_path: Path) -> None:
    code = "import asyncio; print(asyncio.run(asyncio.sleep(0.01, 'slept')))"
    assert run(code, tmp_path).stdout == "slept\n"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [("memfd_create", "b'x', 0"), ("shmget", "0, 4096, 0o1600"), ("mq_open", "b'/onnxhub-test', 0o102, 0o600, None")],
)
def test_memory_that_no_account_shows_is_refused(
    call: str, arguments: str, tmp_path: Path, held: dict[str, bool]
) -> None:
    if not held["seccomp"]:
        pytest.skip("seccomp is not in this kernel")
    code = f"import ctypes; c = ctypes.CDLL(None, use_errno=True); print(c.{call}({arguments}), ctypes.get_errno())"
    assert run(code, tmp_path).stdout == "-1 1\n"


def test_the_parent_cannot_be_signalled(tmp_path: Path, held: dict[str, bool]) -> None:
    if not held["landlock"]:
        pytest.skip("Landlock is not in this kernel")
    outcome = run("import os; os.kill(os.getppid(), 0)", tmp_path)
    assert "PermissionError" in outcome.stderr


def test_the_job_folder_is_writable_and_nothing_else_is_inherited(tmp_path: Path) -> None:
    os.environ["ONNXHUB_TEST_SECRET"] = "swordfish"
    code = "import os; open('made', 'w').write('x'); print(os.environ.get('ONNXHUB_TEST_SECRET'), os.environ['HOME'])"
    outcome = run(code, tmp_path)
    del os.environ["ONNXHUB_TEST_SECRET"]
    assert outcome.stdout == f"None {tmp_path}\n"
    assert (tmp_path / "made").read_text() == "x"


def test_no_module_comes_from_the_job_folder(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("raise SystemExit(9)")
    assert run("import colorsys", tmp_path).kind == "ok"


@pytest.mark.parametrize(
    ("code", "limits", "kind"),
    [
        ("import time; time.sleep(60)", replace(LIMITS, wall_s=1), "timeout"),
        ("while True: pass", replace(LIMITS, cpu_s=1), "cpu"),
        ("import time\nfor i in range(100): open(f'f{i}', 'wb').write(b'x' * 900000)\ntime.sleep(9)", LIMITS, "disk"),
        (
            "import os, time\nfor i in range(60):\n  if os.fork() == 0: time.sleep(30)\ntime.sleep(30)",
            LIMITS,
            "processes",
        ),
    ],
)
def test_a_limit_ends_the_process_and_names_itself(code: str, limits: Limits, kind: str, tmp_path: Path) -> None:
    outcome = run(code, tmp_path, limits)
    assert outcome.kind == kind
    with pytest.raises(LimitExceeded, match="the test"):
        outcome.raise_for_status("the test")


def test_memory_is_refused_when_it_is_asked_for(tmp_path: Path) -> None:
    outcome = run("bytearray(8 << 30)", tmp_path)
    assert outcome.kind == "failed" and "MemoryError" in outcome.stderr


def test_memory_of_all_processes_together_counts(tmp_path: Path) -> None:
    code = "import os, time\nfor i in range(4): os.fork()\nx = bytearray(200 << 20)\ntime.sleep(20)"
    assert run(code, tmp_path).kind == "memory"


SHARED = "m = mmap.mmap(-1, 600 << 20)\nfor i in range(0, 600 << 20, 4096): m[i] = 1\n"


def test_shared_memory_counts(tmp_path: Path) -> None:
    code = f"import mmap, time\n{SHARED}time.sleep(20)"
    assert run(code, tmp_path, replace(LIMITS, memory_bytes=256 << 20)).kind == "memory"


def test_memory_of_a_process_without_its_first_thread_counts(tmp_path: Path) -> None:
    code = (
        "import ctypes, mmap, threading, time\n"
        f"def work():\n  time.sleep(0.2)\n  {SHARED.strip().replace(chr(10), chr(10) + '  ')}\n  time.sleep(20)\n"
        "threading.Thread(target=work).start()\n"
        "ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[__import__('platform').machine()], 0)"
    )
    assert run(code, tmp_path, replace(LIMITS, memory_bytes=256 << 20)).kind == "memory"


def test_mapped_files_are_no_memory_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(100 << 20))
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout
    if kind.strip() == "tmpfs":
        pytest.skip("the files of this folder are memory")
    code = (
        "import mmap, time\nf = open('weights', 'rb')\nm = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\n"
        "x = sum(m[i] for i in range(0, len(m), 4096))\ntime.sleep(1)"
    )
    outcome = run(code, tmp_path, replace(LIMITS, memory_bytes=60 << 20, disk_bytes=1 << 30))
    assert outcome.kind == "ok" and outcome.peak_rss > 100 << 20


BUSY = "t = time.process_time()\n  while time.process_time() - t < 1.2: pass\n  os._exit(0)\n"


@pytest.mark.parametrize("told", ["", "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"])
def test_cpu_time_of_all_processes_together_counts(told: str, tmp_path: Path) -> None:
    code = (
        f"import os, signal, time\n{told}for i in range(8):\n if os.fork() == 0:\n  {BUSY}"
        "try:\n while True: os.wait()\nexcept ChildProcessError: pass"
    )
    outcome = run(code, tmp_path, replace(LIMITS, cpu_s=2, wall_s=30))
    assert outcome.kind == "cpu"


def test_a_file_cannot_grow_past_its_bound(tmp_path: Path) -> None:
    outcome = run("open('big', 'wb').write(bytes(2 << 20))", tmp_path)
    assert outcome.kind in ("failed", "disk")
    assert (tmp_path / "big").stat().st_size <= LIMITS.file_bytes


def test_many_files_are_too_much_disk(tmp_path: Path) -> None:
    code = "import time\nfor i in range(300): open(f'f{i}', 'w').close()\ntime.sleep(9)"
    outcome = run(code, tmp_path, replace(LIMITS, files=200))
    assert outcome.kind == "disk"
    with pytest.raises(LimitExceeded, match="200 files"):
        outcome.raise_for_status("the test")


@pytest.mark.parametrize(
    "hiding", ["os.chmod('deep', 0)", "for i in range(40): os.mkdir('d' * 200), os.chdir('d' * 200)"]
)
def test_files_cannot_be_hidden_from_the_count(hiding: str, tmp_path: Path) -> None:
    if "chmod" in hiding and os.geteuid() == 0:
        pytest.skip("root looks into every folder")
    code = f"import os, time\nos.mkdir('deep')\n{hiding}\ntime.sleep(9)"
    assert run(code, tmp_path).kind == "disk"


def test_what_lay_in_the_folder_before_is_not_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(bytes(LIMITS.disk_bytes + 1))
    code = "import time\nopen('made', 'w').write('x')\ntime.sleep(2)"
    assert run(code, tmp_path).kind == "ok"


def test_floods_on_every_stream_cost_the_parent_nothing(tmp_path: Path) -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 65536); os.write(2, b'y' * 65536); os.write(3, b'z' * 65536)"
    outcome = run(code, tmp_path, replace(LIMITS, wall_s=2))
    assert outcome.kind == "timeout"
    assert len(outcome.stdout) <= 65536 and len(outcome.stderr) <= 65536


# A daemon by the book: no controlling process, no session, no environment of its starter.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        work = "import os, time; open('pid.part', 'w').write(str(os.getpid())); os.rename('pid.part', 'pid')"
        os.execve(sys.executable, [sys.executable, "-c", work + "; time.sleep(60)"], {})
    os._exit(0)
while not os.path.exists("pid"):
    time.sleep(0.01)
"""


def gone(pid: int) -> bool:
    """Whether the process ends within two seconds."""
    deadline = time.monotonic() + 2
    while Path(f"/proc/{pid}").exists() and b") Z" not in Path(f"/proc/{pid}/stat").read_bytes():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(("ending", "kind"), [("", "ok"), ("time.sleep(60)", "timeout"), ("os.abort()", "signal")])
def test_a_daemon_does_not_outlive_its_job(ending: str, kind: str, tmp_path: Path) -> None:
    assert run(DAEMON + ending, tmp_path, replace(LIMITS, wall_s=2)).kind == kind
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_daemon_counts_as_one_of_the_jobs_processes(tmp_path: Path) -> None:
    code = DAEMON.replace("; time.sleep(60)", "; [os.fork() for _ in range(5)]; time.sleep(60)") + "time.sleep(60)"
    assert run(code, tmp_path).kind == "processes"


def test_the_jobs_init_cannot_be_killed_by_the_job(tmp_path: Path, held: dict[str, bool]) -> None:
    if not held["landlock"]:
        pytest.skip("Landlock is not in this kernel")
    code = "import os, signal, time\nfor target in (os.getppid(), 0): os.kill(target, signal.SIGKILL)"
    assert "PermissionError" in run(code, tmp_path).stderr


def test_cancelling_ends_it_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    outcome = run("import time; time.sleep(60)", tmp_path, should_stop=lambda: time.monotonic() - start > 0.5)
    assert outcome.kind == "canceled" and time.monotonic() - start < 2
    with pytest.raises(Canceled):
        outcome.raise_for_status("the test")


def test_a_crash_is_told_from_a_refusal(tmp_path: Path) -> None:
    outcome = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", tmp_path)
    assert (outcome.kind, outcome.signal) == ("signal", signal.SIGSEGV)
    with pytest.raises(ToolchainCrashed, match="SIGSEGV"):
        outcome.raise_for_status("the test")


def test_the_job_dies_with_its_supervisor_and_so_does_what_it_started(tmp_path: Path) -> None:
    inner = DAEMON + "open('child', 'w').write(str(os.getpid()))\nos.rename('child', 'ready')\ntime.sleep(60)"
    code = (
        "import sys; from pathlib import Path; from workers import sandbox\n"
        f"sandbox.run([sys.executable, '-c', {inner!r}], cwd=Path({str(tmp_path)!r}), "
        f"read=[Path(sys.prefix), Path(sys.base_prefix)], write=[Path({str(tmp_path)!r})])"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    deadline = time.monotonic() + 20
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    supervisor.kill()
    supervisor.wait()
    assert gone(int((tmp_path / "ready").read_text()))
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_the_program_says_of_its_end_is_what_is_told(tmp_path: Path) -> None:
    outcome = run("raise SystemExit(7)", tmp_path)
    assert (outcome.kind, outcome.code) == ("failed", 7)
    outcome = sandbox.run(["/nonexistent/program"], cwd=tmp_path, write=[tmp_path])
    assert outcome.kind == "failed" and "/nonexistent/program" in outcome.stderr
