"""A process that dies at a system call of one's choice, by ptrace: also in code that is not Python."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

_TRACEME, _SYSCALL, _SETOPTIONS = 0, 24, 0x4200
_EXITKILL, _TRACESYSGOOD = 0x100000, 1
_STOPPED_BY_SYSCALL = signal.SIGTRAP | 0x80


@dataclass(frozen=True)
class Traced:
    """How a process ended."""

    calls: int  #: system calls that it began
    killed: bool


def possible() -> bool:
    """Whether this system lets one process trace another."""
    if sys.platform != "linux":
        return False
    try:
        return run(lambda: None).calls > 0
    except OSError:
        return False


def run(function: Callable[[], object], kill_at: int | None = None) -> Traced:
    """`function` in a fork of this process, which must have one thread; SIGKILL before system call `kill_at`, from 0.

    Raises OSError where tracing is not allowed and RuntimeError where the function fails.
    """
    pid = os.fork()
    if pid == 0:
        _traced(function)
    status = _next(pid)
    if not os.WIFSTOPPED(status):
        raise OSError(errno.EPERM, "ptrace is not allowed here")
    _ptrace(_SETOPTIONS, pid, _EXITKILL | _TRACESYSGOOD)
    stops = 0
    deliver = 0
    while True:
        _ptrace(_SYSCALL, pid, deliver)
        deliver = 0
        status = _next(pid)
        if not os.WIFSTOPPED(status):
            break
        if os.WSTOPSIG(status) != _STOPPED_BY_SYSCALL:
            deliver = os.WSTOPSIG(status)
            continue
        if kill_at is not None and stops == 2 * kill_at:  # each call stops twice: when it begins and when it ends
            os.kill(pid, signal.SIGKILL)
            _next(pid)
            return Traced(kill_at, True)
        stops += 1
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"ended with {os.waitstatus_to_exitcode(status)}")
    return Traced((stops + 1) // 2, False)


def run_with_room(function: Callable[[], object], size: int) -> bool:
    """`function` in a fork that dies in the middle of writing a file larger than `size` bytes; whether it died."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; by default it kills
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        _ended(function)
    return os.waitstatus_to_exitcode(_next(pid)) == -signal.SIGXFSZ


def _traced(function: Callable[[], object]) -> NoReturn:
    try:
        _ptrace(_TRACEME, 0, 0)
    except OSError:
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    _ended(function)


def _ended(function: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        function()
        code = 0
    finally:
        os._exit(code)


def _next(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


def _ptrace(request: int, pid: int, data: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.restype = ctypes.c_long
    library.ptrace.argtypes = [ctypes.c_long] * 4
    if library.ptrace(request, pid, 0, data):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
