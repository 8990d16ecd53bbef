"""A process that runs cells: requests come in as JSON lines, what happens goes out as JSON lines.

Started as `python -m skineval.grid.workers.worker`. It lives from cell to cell, so that torch is imported and plugins
are loaded once. When its input ends, because the parent died, it stops at the next step and leaves a checkpoint behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from skineval.base.codec import from_json
from skineval.base.errors import Interrupted, SkinevalError, one_line
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.catalog.loading import Problem
from skineval.catalog.specs import CellEnded, CellStarted, EpochEnded
from skineval.grid.cell.cell import Observer, run_cell
from skineval.grid.cell.record import failed, write_cell
from skineval.grid.cell.workspace import Workspace, masks_from_message
from skineval.train.faults import is_poisoned
from skineval.train.fit import Step
from skineval.values.runspec import RunSpec

HEARTBEAT = 0.25  #: seconds between messages on how far an epoch is


class Channel:
    """The way to the parent; one message a line, from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def send(self, kind: str, **fields: object) -> None:
        """Send one message; a parent that is gone is not waited for."""
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self._out.write(json.dumps({"kind": kind, **fields}) + "\n")
            self._out.flush()


def main() -> None:
    """Serve cells until the input ends."""
    channel = Channel(_take_stdout())
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
    stop = threading.Event()
    threading.Thread(target=_read_requests, args=(requests, stop), daemon=True).start()

    setup = requests.get()
    if setup is None:
        return
    workspace = replace(Workspace.from_message(setup), masks=partial(_ask_for_masks, channel, requests))
    _set_up_torch(workspace)
    catalog = load_catalog()
    channel.send("ready")
    while (request := requests.get()) is not None:
        if not serve(request, workspace, catalog, channel, stop):
            return


def serve(
    request: Mapping[str, Any], workspace: Workspace, catalog: Catalog, channel: Channel, stop: threading.Event
) -> bool:
    """Run one cell and say how it ended; its record is on disk before that is said.

    False if this process is of no use for another one.
    """
    spec = from_json(RunSpec, request["spec"], "a message of the bench")
    folder = workspace.folder.cell(spec.run_id)
    started = time.perf_counter()
    observer = _observer(spec, catalog, channel, stop)
    start = CellStarted(spec.run_id, str(spec.model), str(spec.imbalance), spec.fold, spec.seed, spec.training.epochs)
    _notify(catalog, channel, "skineval_on_cell_start", start)
    spent = False
    try:
        record = run_cell(spec, workspace, catalog, catalog.explainers.select(request["explainers"]), observer)
        write_cell(folder, record)
    except Interrupted:
        channel.send("interrupted", run_id=spec.run_id)
        return True
    except (Exception, SystemExit) as error:
        record = failed(folder, spec, one_line(error), time.perf_counter() - started, workspace.device)
        spent = is_poisoned(error)
        details = traceback.format_exc()
        sys.stderr.write(f"{spec.run_id} failed\n{details}\n")
        with contextlib.suppress(SkinevalError):  # a full disk may be what went wrong
            write_cell(folder, record)
    ended = CellEnded(spec.run_id, record.status, record.remarks, record.seconds)
    _notify(catalog, channel, "skineval_on_cell_end", ended)
    channel.send("ended", run_id=spec.run_id, spent=spent, **record.ending())
    return not spent


def _ask_for_masks(
    channel: Channel, requests: queue.Queue[dict[str, Any] | None], rows: NDArray[np.int64], side: int
) -> NDArray[np.bool_] | None:
    """Masks of the few images that are shown, from the parent, which knows the data; a busy worker is told no more."""
    channel.send("masks", rows=rows.tolist(), side=side)
    answer = requests.get()
    if answer is None:
        requests.put(None)  # for the loop that serves: there is nothing more to come
        raise Interrupted
    return masks_from_message(answer)


def _observer(spec: RunSpec, catalog: Catalog, channel: Channel, stop: threading.Event) -> Observer:
    def on_epoch(event: EpochEnded) -> None:
        fields = {
            "done": event.epoch,
            "loss": event.train_loss,
            "score": event.val_balanced_accuracy,
            "rate": event.images_per_second,
        }
        channel.send("epoch", run_id=spec.run_id, **fields)
        _notify(catalog, channel, "skineval_on_epoch_end", event)

    last = [0.0]

    def on_step(step: Step) -> None:
        now = time.monotonic()
        if now - last[0] >= HEARTBEAT:
            last[0] = now
            channel.send("step", run_id=spec.run_id, done=step.done, loss=step.loss, rate=step.images_per_second)

    def on_phase(phase: str) -> None:
        channel.send("phase", run_id=spec.run_id, phase=phase)

    return Observer(on_epoch, on_step, on_phase, stop.is_set)


def _notify(catalog: Catalog, channel: Channel, hook: str, event: object) -> None:
    for problem in catalog.plugins.notify(hook, event):
        channel.send("warning", text=_muted(problem))


def _muted(problem: Problem) -> str:
    return f"plugin {problem.provider.name} ({problem.provider.package}) muted at {problem.stage}: {problem.cause}"


def _read_requests(requests: queue.Queue[dict[str, Any] | None], stop: threading.Event) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message["kind"] == "stop":
            break
        requests.put(message)
    stop.set()
    requests.put(None)


def _take_stdout() -> TextIO:
    """Keep the pipe to the parent for messages: whatever a plugin prints, even from C, goes to standard error."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "w", encoding="utf-8")


def _set_up_torch(workspace: Workspace) -> None:
    import torch

    torch.set_num_threads(workspace.threads)
    if workspace.deterministic and workspace.device.startswith("cuda"):
        from skineval.train.determinism import make_deterministic

        make_deterministic()


if __name__ == "__main__":
    main()
