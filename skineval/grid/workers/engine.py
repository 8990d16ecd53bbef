"""Running cells in worker processes of this machine: a crash costs one cell."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from skineval.base.codec import to_json
from skineval.base.errors import Interrupted
from skineval.data.pixels.threads import waiting_briefly
from skineval.grid.events import CellBegan, CellFinished, Report, from_message
from skineval.values.runspec import RunSpec

GRACE = 60.0  #: seconds an interrupted worker has for its current step before it is killed


@dataclass
class _Worker:
    process: subprocess.Popen[str]
    log: Path
    busy: RunSpec | None = None
    spent: bool = False  #: it is ending, and takes no further cell
    thread: threading.Thread | None = None

    def send(self, kind: str, **fields: object) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is noticed by the reader
            self.process.stdin.write(json.dumps({"kind": kind, **fields}) + "\n")
            self.process.stdin.flush()


@dataclass
class LocalEngine:
    """At most `jobs` worker processes, each of which runs one cell after the other."""

    workspace: str  #: as JSON, what a worker is told first
    explainers: Sequence[str]
    jobs: int
    logs: Path  #: folder for what workers print
    lost: Callable[[RunSpec, str], CellFinished]  #: records a cell over which a worker died, and why it did
    fail_fast: bool = False
    _inbox: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = field(default_factory=queue.Queue)
    _workers: list[_Worker] = field(default_factory=list)

    def run(self, cells: Sequence[RunSpec], report: Report) -> None:
        """Run `cells`, telling `report` in this thread how each goes.

        Cells that share a network are not run side by side: the second finds what the first has trained. On Ctrl-C
        the workers stop at their next step and Interrupted is raised; on a second one they are killed.
        """
        waiting = deque(cells)
        try:
            while waiting or self._busy():
                self._assign(waiting, report)
                worker, message = self._inbox.get()
                ended = self._handle(worker, message, report)
                if ended and self.fail_fast:
                    waiting.clear()
        except KeyboardInterrupt:
            self._interrupt()
            raise Interrupted from None
        finally:
            if self._close():
                raise Interrupted

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.busy]

    def _assign(self, waiting: deque[RunSpec], report: Report) -> None:
        """Give every idle worker a cell whose network nobody else is training, starting workers where there are few."""
        for _ in range(len(waiting)):
            if len(self._busy()) >= self.jobs:
                return
            in_work = {worker.busy.network_id for worker in self._workers if worker.busy}
            cell = next((cell for cell in waiting if cell.network_id not in in_work), None)
            if cell is None:
                return
            waiting.remove(cell)
            worker = (
                next((worker for worker in self._workers if not (worker.busy or worker.spent)), None) or self._start()
            )
            worker.busy = cell
            worker.send("cell", spec=to_json(cell), explainers=list(self.explainers))
            report(CellBegan(cell.run_id))

    def _handle(self, worker: _Worker, message: dict[str, Any] | None, report: Report) -> bool:
        """Take one message in; True if a cell failed by it, or an addition to one."""
        cell = worker.busy
        if message is None:
            self._workers.remove(worker)
            _hang_up(worker)
            if cell is not None:
                report(self.lost(cell, _cause_of_death(worker)))
            return cell is not None
        if cell is None:
            return False
        if message["kind"] in ("ready", "interrupted"):
            return False
        spent = message.pop("spent", False)
        event = from_message(message)
        if isinstance(event, CellFinished):
            worker.busy, worker.spent = None, spent
        report(event)
        return isinstance(event, CellFinished) and event.is_failure

    def _start(self) -> _Worker:
        log = self.logs / f"worker-{len(list(self.logs.glob('worker-*.log')))}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "skineval.grid.workers.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **waiting_briefly(os.environ)},
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C goes to the parent alone, which tells the workers
            )
        worker = _Worker(process, log)
        assert process.stdout is not None
        worker.thread = threading.Thread(target=self._listen, args=(worker, process.stdout), daemon=True)
        worker.thread.start()
        worker.send("setup", workspace=self.workspace)
        self._workers.append(worker)
        return worker

    def _listen(self, worker: _Worker, out: IO[str]) -> None:
        for line in out:
            self._inbox.put((worker, json.loads(line)))
        worker.process.wait()
        self._inbox.put((worker, None))

    def _interrupt(self) -> None:
        """Ask the workers to stop and wait for them; a second Ctrl-C ends the wait."""
        for worker in self._workers:
            worker.send("stop")
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            for worker in self._workers:
                worker.process.wait(GRACE)

    def _close(self) -> bool:
        """End all workers; whether Ctrl-C came meanwhile."""
        stopped = False
        for worker in self._workers:
            assert worker.process.stdin is not None
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
            try:
                # An idle worker ends when its input does; a busy one had its grace.
                worker.process.wait(0.0 if worker.busy else 10.0)
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as ended:
                stopped |= isinstance(ended, KeyboardInterrupt)
                worker.process.kill()
                worker.process.wait()
            _hang_up(worker)
        self._workers.clear()
        return stopped


def _hang_up(worker: _Worker) -> None:
    """Close both ends to a worker that has ended."""
    if worker.thread is not None:
        worker.thread.join()
    for end in (worker.process.stdin, worker.process.stdout):
        if end is not None:
            with contextlib.suppress(OSError):
                end.close()


def _cause_of_death(worker: _Worker) -> str:
    code = worker.process.returncode
    if code < 0:
        name = signal.Signals(-code).name
        cause = f"the worker process was killed by {name}"
        if name == "SIGKILL":
            cause += " (out of memory?)"
    else:
        cause = f"the worker process ended with exit code {code}"
    with contextlib.suppress(OSError):
        lines = worker.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            cause += f": {lines[-1]}"
    return cause
