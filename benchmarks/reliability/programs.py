"""`skineval` as a fork of a process that has imported everything: it starts at once, hundreds of times.

What is forked has no threads. A program's workers are forks of it, too; all else is as if it were started by a user.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn, TypeVar
from unittest.mock import patch

from skineval.train.checkpoint import EpochRecord
from skineval.train.fit import run_epoch

Argument, Result = TypeVar("Argument"), TypeVar("Result")

IMPORTED = (
    "benchmarks.reliability.programs",
    "imblearn.over_sampling",
    "matplotlib.pyplot",
    "scipy.optimize",
    "skineval.api",
    "skineval.builtins.architectures",
    "skineval.cli",
    "skineval.cli.bench_progress",
    "skineval.grid.run",
    "skineval.grid.workers.worker",
    "skineval.report.prepare",
)
PATIENCE = 120.0  #: seconds after which a program counts as hung
LOOK_EVERY = 0.004  #: seconds
LOG, EPOCHS = "log.txt", "epochs.txt"


@dataclass(frozen=True)
class Surroundings:
    """What a program finds when it starts."""

    folder: Path  #: where it is started; its cache and what it prints are there, too
    cores: tuple[int, ...] = (0,)  #: that it may use
    limits: Mapping[int, int] = field(default_factory=dict)  #: RLIMIT_... -> value
    site: Path | None = None  #: a folder of installed packages
    reports: bool = True  #: whether it writes reports, which take most of the time of a small bench

    @property
    def log(self) -> Path:
        """All that it prints."""
        return self.folder / LOG

    @property
    def cache(self) -> Path:
        """Its cache."""
        return self.folder / "cache"

    @property
    def epochs(self) -> int:
        """How many epochs were begun here, by however many programs."""
        path = self.folder / EPOCHS
        return len(path.read_text().splitlines()) if path.is_file() else 0


#: multiprocessing reads the exit code of a process once: two threads must not both want it.
_ONE_AT_A_TIME = threading.Lock()


class Program:
    """A running `skineval`, forked."""

    def __init__(self, arguments: Sequence[str], surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self._orphans: list[int] = []
        self._process: ForkServerProcess = context().Process(target=_run, args=(tuple(arguments), surroundings))
        with _ONE_AT_A_TIME:
            self._process.start()

    @property
    def pid(self) -> int:
        """Its process, without its workers."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        with _ONE_AT_A_TIME:
            return self._process.is_alive()

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code, negative for the number of a signal; raises TimeoutError where it does not end."""
        if not self.ends_within(seconds):
            self.kill()
            raise TimeoutError(f"{self.surroundings.folder}: not ended after {seconds:.0f} s")
        assert self._process.exitcode is not None
        return self._process.exitcode

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        ends = time.monotonic() + seconds
        while self.running:
            left = ends - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, LOOK_EVERY))
        return True

    def kill(self, *, alone: bool = False) -> bool:
        """SIGKILL it with its workers, or without; False where it had ended before.

        Workers that are killed are gone afterwards; others see their input end, which `orphans_gone` waits for.
        """
        if not _signalled(self.pid, signal.SIGSTOP):  # so that it starts no further worker
            return False
        self._orphans = self.workers()
        for pid in (self.pid, *(() if alone else self._orphans)):
            _signalled(pid, signal.SIGKILL)
        self.ends_within(PATIENCE)
        if not alone:
            self.orphans_gone()
        return self._process.exitcode == -signal.SIGKILL

    def orphans_gone(self) -> None:
        """Wait until workers that outlived the program have let go of their files."""
        ends = time.monotonic() + PATIENCE
        while any(_alive(pid) for pid in self._orphans):
            if time.monotonic() > ends:
                raise TimeoutError(f"workers that outlive their program: {self._orphans}")
            time.sleep(LOOK_EVERY)

    def interrupt(self) -> None:
        """Ctrl-C."""
        _signalled(self.pid, signal.SIGINT)

    def workers(self) -> list[int]:
        """The processes of its workers."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []


def run(arguments: Sequence[str], surroundings: Surroundings) -> tuple[int, str]:
    """Exit code of a program, and all that it printed."""
    surroundings.folder.mkdir(parents=True, exist_ok=True)
    surroundings.log.unlink(missing_ok=True)
    code = Program(arguments, surroundings).wait()
    return code, surroundings.log.read_text(encoding="utf-8", errors="replace")


def run_whole(arguments: Sequence[str], surroundings: Surroundings) -> tuple[int, str]:
    """As `run`, for a program that is started as users do, not forked."""
    surroundings.folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "skineval", *arguments],
        cwd=surroundings.folder,
        env={**os.environ, "SKINEVAL_CACHE": str(surroundings.cache)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=lambda: os.sched_setaffinity(0, surroundings.cores),
    )
    return done.returncode, done.stdout + done.stderr


def apart(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """`function` of `argument` in a fork that has no threads, and may do to itself what it likes."""
    with ProcessPoolExecutor(1, mp_context=context()) as pool:
        return pool.submit(function, argument).result()


def ready() -> None:
    """Import everything now, so that no program is timed that waits for it."""
    apart(abs, 0)


@cache
def context() -> ForkServerContext:
    """A process without threads that has imported everything, to be forked."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    # No library may start threads: they would be missing in the forks. Workers choose their own number.
    with patch.dict(os.environ, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}):
        forkserver.ensure_running()
    return context


def _run(arguments: tuple[str, ...], surroundings: Surroundings) -> None:
    """Become the program."""
    os.setsid()
    os.chdir(surroundings.folder)
    os.environ["SKINEVAL_CACHE"] = str(surroundings.cache)
    os.sched_setaffinity(0, surroundings.cores)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if surroundings.site is not None:
        sys.path.insert(0, str(surroundings.site))
    for limit, value in surroundings.limits.items():
        resource.setrlimit(limit, (value, value))
    from skineval.cli import main

    sys.argv = ["skineval", *arguments]
    forking = SimpleNamespace(**{**vars(subprocess), "Popen": Worker})
    with ExitStack() as patches:
        patches.enter_context(patch("skineval.grid.workers.engine.subprocess", forking))
        patches.enter_context(patch("skineval.train.fit.run_epoch", _noted))
        if not surroundings.reports:
            patches.enter_context(patch("skineval.builtins.REPORTERS", ()))
        main()


def _noted(*arguments: Any) -> EpochRecord:
    """`run_epoch`, which leaves a line behind when it begins."""
    with Path(EPOCHS).open("a") as epochs:
        epochs.write("begun\n")
    return run_epoch(*arguments)


class Worker:
    """A worker of the program, forked: as much of `subprocess.Popen` as the engine uses."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: IO[str],
        text: bool,
        encoding: str,
        start_new_session: bool,
        env: Mapping[str, str] | None = None,  # a fork has the environment of its parent
    ) -> None:
        assert command[1:] == ["-m", "skineval.grid.workers.worker"]
        (requests, own_requests), (own_messages, messages) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            become_worker(requests, messages, stderr.fileno())
        os.close(requests)
        os.close(messages)
        self.stdin = os.fdopen(own_requests, "w", encoding=encoding)
        self.stdout = os.fdopen(own_messages, encoding=encoding)
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def wait(self, timeout: float | None = None) -> int:
        ends = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while True:
            with self._lock:
                if self.returncode is None:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                    self.returncode = os.waitstatus_to_exitcode(status) if pid else None
                if self.returncode is not None:
                    return self.returncode
            if time.monotonic() >= ends:
                raise subprocess.TimeoutExpired("worker", timeout or PATIENCE)
            time.sleep(LOOK_EVERY)

    def kill(self) -> None:
        with self._lock:
            if self.returncode is None:
                os.kill(self.pid, signal.SIGKILL)


def become_worker(requests: int, messages: int, errors: int) -> NoReturn:
    """Serve cells with these descriptors as standard input, output and errors, as a process of its own."""
    code = 1
    try:
        os.setsid()
        for place, descriptor in enumerate((requests, messages, errors)):
            os.dup2(descriptor, place)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])  # as a process of its own has none of these
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        from skineval.grid.workers.worker import main

        main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _signalled(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
