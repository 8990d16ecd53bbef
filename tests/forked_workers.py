"""Workers forked from a process that has imported everything: each starts at once, and torch is loaded once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, NoReturn

from benchmarks.reliability.programs import become_worker, context

LOOK_EVERY = 0.004  #: seconds


class ForkedWorker:
    """As much of `subprocess.Popen` as the engine uses."""

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
        env: Mapping[str, str],
    ) -> None:
        assert command[1:] == ["-m", "skineval.grid.workers.worker"]
        (requests, own_requests), (own_messages, messages) = context().Pipe(False), context().Pipe(False)
        surroundings = (Path.cwd(), dict(env), [path for path in sys.path if path])
        self._process = context().Process(target=_work, args=(requests, messages, stderr.name, *surroundings))
        self._process.start()
        self._lock = threading.Lock()  #: multiprocessing reads an exit code once: two threads must not both want it
        self.returncode: int | None = None
        self.stdin = os.fdopen(os.dup(own_requests.fileno()), "w", encoding=encoding)
        self.stdout = os.fdopen(os.dup(own_messages.fileno()), encoding=encoding)
        for connection in (requests, messages, own_requests, own_messages):
            connection.close()

    def wait(self, timeout: float | None = None) -> int:
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                self.returncode = self._process.exitcode
            if self.returncode is not None:
                return self.returncode
            if ends is not None and time.monotonic() >= ends:
                raise subprocess.TimeoutExpired("worker", timeout or 0.0)
            time.sleep(LOOK_EVERY)

    def kill(self) -> None:
        self._process.kill()


def _work(
    requests: Connection, messages: Connection, log: str, folder: Path, env: Mapping[str, str], path: list[str]
) -> NoReturn:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = path
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    become_worker(requests.fileno(), messages.fileno(), errors)
