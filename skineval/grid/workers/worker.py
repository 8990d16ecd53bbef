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
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from skineval.base.codec import from_json
from skineval.base.errors import Interrupted, SkinevalError, one_line
from skineval.base.terms import Fit
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.catalog.loading import Plugins, Problem
from skineval.catalog.specs import CellEnded, CellStarted, EpochEnded
from skineval.explain.panels import Explaining, Masks
from skineval.grid.cell.cell import Ground, Moment, Observe, as_event
from skineval.grid.cell.record import failed, write_cell
from skineval.grid.cell.run import run_cell
from skineval.grid.cell.workspace import Workspace
from skineval.grid.events import CellEvent, CellFinished, Warned, to_message
from skineval.grid.folder import BenchFolder
from skineval.grid.reading import read_own_recipe
from skineval.grid.sources import read_data
from skineval.train.faults import is_poisoned
from skineval.train.fit import Step
from skineval.values.lesion_table import LesionTable, fit_keyword
from skineval.values.runspec import RunSpec

HEARTBEAT = 0.25  #: seconds between messages on how far an epoch is


class Channel:
    """The way to the parent; one message a line, from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def tell(self, event: CellEvent, **fields: object) -> None:
        """Send what happened to a cell."""
        self._write({**to_message(event), **fields})

    def send(self, kind: str, **fields: object) -> None:
        """Send something else."""
        self._write({"kind": kind, **fields})

    def _write(self, message: Mapping[str, object]) -> None:
        """One line; a parent that is gone is not waited for."""
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self._out.write(json.dumps(message) + "\n")
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
    workspace = from_json(Workspace, setup["workspace"], "a message of the bench")
    _set_up_torch(workspace)
    catalog = load_catalog()
    ground = Ground.of(workspace, catalog, stop.is_set, masks_of(workspace.folder, catalog))
    channel.send("ready")
    while (request := requests.get()) is not None:
        if not serve(request, workspace, ground, channel):
            return


def serve(request: Mapping[str, Any], workspace: Workspace, ground: Ground, channel: Channel) -> bool:
    """Run one cell and say how it ended; its record is on disk before that is said.

    False if this process is of no use for another one.
    """
    _set_up_torch(workspace)
    spec = from_json(RunSpec, request["spec"], "a message of the bench")
    known = ground.catalog.explainers
    explainers = [Explaining(selection, known[selection.name]) for selection in known.select(request["explainers"])]
    notify = partial(_notify, ground.catalog.plugins, channel)
    folder = workspace.folder.cell(spec.run_id)
    started = time.perf_counter()
    start = CellStarted(spec.run_id, str(spec.model), str(spec.imbalance), spec.fold, spec.seed, spec.training.epochs)
    notify("skineval_on_cell_start", start)
    spent = False
    try:
        record = run_cell(spec, workspace, ground, explainers, _observer(spec, channel, notify))
        write_cell(folder, record)
    except Interrupted:
        channel.send("interrupted")
        return True
    except (Exception, SystemExit) as error:
        record = failed(folder, spec, one_line(error), time.perf_counter() - started, workspace.device)
        spent = is_poisoned(error)
        details = traceback.format_exc()
        sys.stderr.write(f"{spec.run_id} failed\n{details}\n")
        with contextlib.suppress(SkinevalError):  # a full disk may be what went wrong
            write_cell(folder, record)
    ended = CellEnded(spec.run_id, record.status, record.remarks, record.seconds)
    notify("skineval_on_cell_end", ended)
    channel.tell(CellFinished(spec.run_id, record.status, record.remarks, record.lacking), spent=spent)
    return not spent


def masks_of(folder: BenchFolder, catalog: Catalog) -> Masks:
    """Lesion masks of a bench's images, from its data, which is read when the first of them are asked for."""

    @cache
    def data() -> tuple[LesionTable, Fit]:
        recipe = read_own_recipe(folder)
        return read_data(recipe, catalog).table, recipe.fit

    def masks(image_ids: Sequence[str], side: int) -> NDArray[np.bool_] | None:
        table, fit = data()
        return table.images.masks(table.rows_of(image_ids), side, **fit_keyword(table.images.masks, fit))

    return masks


def _observer(spec: RunSpec, channel: Channel, notify: Callable[[str, object], None]) -> Observe:
    last = 0.0

    def observe(moment: Moment) -> None:
        nonlocal last
        if isinstance(moment, Step):
            if time.monotonic() - last < HEARTBEAT:
                return
            last = time.monotonic()
        event = as_event(spec, moment)
        channel.tell(event)
        if isinstance(event, EpochEnded):
            notify("skineval_on_epoch_end", event)

    return observe


def _notify(plugins: Plugins, channel: Channel, hook: str, event: object) -> None:
    for problem in plugins.notify(hook, event):
        channel.tell(Warned(_muted(problem)))


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
    """For each cell anew: a plugin may have changed it in the one before."""
    import torch

    from skineval.train.cpu import use_cpu

    torch.set_default_dtype(torch.float32)
    use_cpu(workspace.threads)
    if workspace.deterministic and workspace.device.startswith("cuda"):
        from skineval.train.determinism import make_deterministic

        make_deterministic()


if __name__ == "__main__":
    main()
