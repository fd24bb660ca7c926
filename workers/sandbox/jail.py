"""Everything a process does to itself before hostile input reaches it: limits, privileges, Landlock, seccomp.

Importable (``apply`` inside a forked child) and runnable as a stand-alone script around any program::

    python -I -S jail.py SPEC_JSON -- program argument...

The script needs the standard library only, so that it also starts programs of foreign environments. What held is left
in the environment variable ``ONNXHUB_SANDBOX`` as JSON: ``[[layer, held, detail], ...]``.

The script stays outside the jail as the init of the program's processes: whatever detaches itself becomes its child,
and none of them is left when it ends, be it because the program ended or because the supervisor let go of ``lifeline``.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import select
import signal
import struct
import sys
import time
from typing import Any, NoReturn

Held = list[tuple[str, bool, str]]
libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38

# Landlock's system calls have these numbers on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ = 0b1101  # execute, read file, read directory
# In a folder of the job's own nothing is executed, and nothing made but files and folders: no device (bits 6 and 11),
# socket (9), pipe (10) or symbolic link (12).
NOT_WRITE = 1 << 0 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
# Which file-system rights exist by ABI: 1 the first thirteen, 2 refer, 3 truncate, 5 ioctl on devices.
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
FILE_RIGHTS = 0b111 | 1 << 14 | 1 << 15  # those that may be granted on a file: execute, write, read, truncate, ioctl
SYSTEM = (
    "/usr", "/lib", "/lib64", "/lib32", "/bin", "/opt", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/alternatives", "/etc/localtime", "/etc/mime.types", "/proc", "/sys/devices/system", "/sys/fs/cgroup",
    "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")

# Denied system calls: name -> (x86-64 number, aarch64 number). None of them is needed to compute.
DENIED = {
    "socket": (41, 198), "ptrace": (101, 117), "bpf": (321, 280), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "perf_event_open": (298, 241), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "open_by_handle_at": (304, 265), "fsopen": (430, 430), "fsmount": (432, 432), "move_mount": (429, 429),
    "open_tree": (428, 428), "mount_setattr": (442, 442), "quotactl": (179, 60), "syslog": (103, 116),
    "pidfd_getfd": (438, 438), "personality": (135, 92), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    # memory that no process's account shows
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "mq_open": (240, 180),
}  # fmt: skip
SOCKETPAIR = (53, 199)
AF_UNIX, SOCK_STREAM = 1, 1
ARCHITECTURES = {
    "x86_64": (0xC000003E, 0, 56, 435),
    "aarch64": (0xC00000B7, 1, 220, 435),
}  # audit id, column, clone, clone3
NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
EPERM, ENOSYS = 1, 38


def apply(spec: dict[str, Any]) -> Held:
    """Put the calling process into the jail of ``spec``: ``read``, ``write`` (paths), ``limits``, ``parent`` (pid).

    Returns what held. Never raises for a layer that the kernel lacks: whoever started this decides about that.
    """
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if spec.get("parent") and os.getppid() != spec["parent"]:
        os._exit(1)  # the parent died before its death could be watched
    _limits(spec["limits"])
    held: Held = [("rlimits", True, "")]
    held.append(("no-new-privileges", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, ""))
    held.append(_drop_capabilities())
    held.append(_landlock(spec["read"], spec["write"]))
    held.append(_seccomp())
    return held


def _limits(limits: dict[str, int]) -> None:
    """Soft and hard alike. Private memory is bounded (RLIMIT_DATA), mapped model files are not."""
    wanted = {
        resource.RLIMIT_CPU: limits["cpu_s"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_DATA: limits["memory_bytes"],
        resource.RLIMIT_CORE: 0,
    }
    for which, number in wanted.items():
        hard = resource.getrlimit(which)[1]
        bounded = number if hard == resource.RLIM_INFINITY else min(number, hard)
        # The CPU limit first sends SIGXCPU, which tells it from any other kill.
        spare = 5 if which == resource.RLIMIT_CPU and bounded == number else 0
        resource.setrlimit(which, (bounded, bounded + spare if hard == resource.RLIM_INFINITY else bounded))


def _drop_capabilities() -> tuple[str, bool, str]:
    """Empty the capability sets, so that a process of root has no more rights than its files give."""
    header = struct.pack("Ii", 0x20080522, 0)
    failed = libc.capset(header, struct.pack("6I", 0, 0, 0, 0, 0, 0))
    return ("capabilities dropped", failed == 0, "" if failed == 0 else os.strerror(ctypes.get_errno()))


def _landlock(read: list[str], write: list[str]) -> tuple[str, bool, str]:
    abi = libc.syscall(CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return ("landlock", False, f"not in this kernel ({os.strerror(ctypes.get_errno())})")
    rights = RIGHTS[min(abi, 5)]
    # handled file rights; TCP bind and connect from ABI 4; abstract sockets and signals from ABI 6
    attributes = struct.pack("QQQ", rights, 0b11, 0b11)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = libc.syscall(CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return ("landlock", False, os.strerror(ctypes.get_errno()))
    for path in (*SYSTEM, *read):
        _allow(ruleset, path, READ & rights)
    for path in DEVICES:
        _allow(ruleset, path, rights)
    for path in write:
        _allow(ruleset, path, rights & ~NOT_WRITE)
    failed = libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    network = "" if abi >= 4 else "; TCP is left to seccomp"
    return ("landlock", failed == 0, f"ABI {abi}{network}" if failed == 0 else os.strerror(ctypes.get_errno()))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what does not exist needs no permission
    if not os.path.isdir(path):
        rights &= FILE_RIGHTS
    libc.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, descriptor), 0)
    os.close(descriptor)


def _seccomp() -> tuple[str, bool, str]:
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return ("seccomp", False, f"no filter for {machine}")
    program = _filter(*ARCHITECTURES[machine])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    failed = libc.prctl(PR_SET_SECCOMP, 2, header, 0, 0)
    return ("seccomp", failed == 0, "" if failed == 0 else os.strerror(ctypes.get_errno()))


def _filter(audit: int, column: int, clone: int, clone3: int) -> bytes:
    """A BPF program: foreign architectures die, denied calls get EPERM, new namespaces too, clone3 asks for clone.

    Of the sockets only pairs of Unix streams remain, which event loops wake themselves with: a datagram socket could
    send to any other.
    """
    load, equal, at_least, any_bit, give, both = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
    allow, kill, errno = 0x7FFF0000, 0x80000000, 0x00050000

    def step(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, k)

    steps = [step(load, 4), step(equal, audit, 1, 0), step(give, kill), step(load, 0)]
    steps += [step(at_least, 0x40000000, 0, 1), step(give, errno | EPERM)]  # the x32 calls
    for number in sorted({numbers[column] for numbers in DENIED.values()}):
        steps += [step(equal, number, 0, 1), step(give, errno | EPERM)]
    steps += [step(equal, clone3, 0, 1), step(give, errno | ENOSYS)]
    steps += [step(equal, clone, 0, 4), step(load, 16), step(any_bit, NAMESPACES, 0, 1), step(give, errno | EPERM)]
    steps += [step(give, allow)]
    # first and second argument lie at 16 and 24; the type's upper bits are flags
    steps += [step(equal, SOCKETPAIR[column], 0, 6), step(load, 16), step(equal, AF_UNIX, 0, 3)]
    steps += [step(load, 24), step(both, 0xF), step(equal, SOCK_STREAM, 1, 0), step(give, errno | EPERM)]
    steps += [step(give, allow)]
    return b"".join(steps)


def descendants(root: int) -> set[int]:
    """Pids of all processes below ``root``; zombies too, for one whose first thread ended may have others."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # it ended meanwhile
            children.setdefault(parent, []).append(int(entry))
    found: set[int] = set()
    ahead = [root]
    while ahead:
        below = [pid for pid in children.get(ahead.pop(), []) if pid not in found]
        found.update(below)
        ahead += below
    return found


def adopt() -> None:
    """Become the parent of every orphan among the descendants of the calling process."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dumpable(value: bool) -> None:
    """Whether other processes of this user may attach to the calling one, or read its memory and environment."""
    libc.prctl(PR_SET_DUMPABLE, int(value), 0, 0, 0)


def attend(child: int, lifeline: int) -> int:
    """Wait for the end of ``child``, or until nobody holds the other end of the pipe ``lifeline``; then end all below.

    For a process that adopts orphans: it has a child as long as there is any descendant. Returns the exit status of
    ``child``, negative for a signal.
    """
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(lifeline, 0)  # its end is always reported
    status: int | None = None
    held = True
    while held and status is None:
        status = (_reap() or {}).get(child)
        if status is None:
            ready = dict(poll.poll())
            held = lifeline not in ready
            if woken in ready:
                os.read(woken, 4096)
    me = os.getpid()
    while (ended := _reap()) is not None:
        status = ended.get(child, status)
        for pid in descendants(me):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.001)
    signal.set_wakeup_fd(before)
    os.close(woken)
    os.close(wake)
    assert status is not None
    return os.waitstatus_to_exitcode(status)


def _reap() -> dict[int, int] | None:
    """The wait status of every child that has ended, by pid; None when there is no child at all."""
    ended: dict[int, int] = {}
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return ended
            ended[pid] = status
    except ChildProcessError:
        return ended or None


def be_init(child: int, lifeline: int) -> NoReturn:
    """Attend to ``child``, and end as it did."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the lifeline ends the init
    status = attend(child, lifeline)
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def main(arguments: list[str]) -> NoReturn:
    """Start the program in the jail, attend to it, and end as it did."""
    spec = json.loads(arguments[0])
    adopt()
    dumpable(False)  # exec takes it back for the program
    init = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            _become({**spec, "parent": init}, arguments[2:])
        except BaseException as error:
            print(f"{arguments[2]}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    be_init(child, spec["lifeline"])


def _become(spec: dict[str, Any], program: list[str]) -> None:
    """Apply the jail and become the program."""
    os.setsid()
    os.close(spec["lifeline"])
    events = spec["events"]
    if events != 3:
        os.dup2(events, 3)
        os.close(events)
    os.set_inheritable(3, True)
    os.environ["ONNXHUB_SANDBOX"] = json.dumps(apply(spec))
    os.execve(program[0], program, os.environ)


if __name__ == "__main__":
    main(sys.argv[1:])
