"""How a bench goes, on standard error: bars on a terminal, a line a cell elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.text import Text

from skineval.cli.output import is_terminal, warn

if TYPE_CHECKING:
    from skineval.grid.engines import Message
    from skineval.runspec import RunSpec


class Progressing:
    """Shows a bench on standard error; use as a context manager."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            Remaining(compact=True),
            console=self._console,
            disable=quiet or not is_terminal(),
        )
        self._store: TaskID | None = None
        self._all: TaskID | None = None
        self._phase: TaskID | None = None
        self._cells: dict[str, TaskID] = {}
        self._scores: dict[str, float] = {}

    def __enter__(self) -> Progressing:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def images(self, done: int, total: int) -> None:
        """Images decoded into the pixel store."""
        if self._store is None:
            self._store = self._progress.add_task("preparing images", total=total, note="")
        self._progress.update(self._store, completed=done, total=total)

    def begin(self, cells: Sequence[RunSpec], finished: int) -> None:
        """Cells are about to run."""
        if finished:
            self._say(f"{finished} of {finished + len(cells)} cells are done already")
        self._all = self._progress.add_task("cells", total=len(cells), note="")

    def cell(self, message: Message) -> None:
        """Something happened to a cell."""
        spec, fields = message.spec, message.fields
        if message.kind == "started":
            self._cells[spec.run_id] = self._progress.add_task(
                _title(spec), total=spec.training.epochs, note="starting"
            )
        elif message.kind == "warning":
            self.warn(str(fields["text"]))
        elif message.kind in ("ended", "lost"):
            self._end(spec, fields, lost=message.kind == "lost")
        elif spec.run_id in self._cells:
            self._advance(message)

    def phase(self, text: str) -> None:
        """Something else takes its time."""
        if self._phase is None:
            self._phase = self._progress.add_task(text, total=None, note="")
        self._progress.update(self._phase, description=text)

    def note(self, text: str) -> None:
        """Something one should know of the data."""
        self._say(text)

    def warn(self, text: str) -> None:
        """Something was set aside."""
        if not self._quiet:
            warn(text)

    def _advance(self, message: Message) -> None:
        task, fields = self._cells[message.spec.run_id], message.fields
        if message.kind == "phase":
            self._progress.update(task, note=fields["phase"])
        elif message.kind == "step":
            self._progress.update(task, completed=int(fields["done"]))
        elif message.kind == "epoch":
            note = f"validation balanced accuracy {fields['score']:.3f}"
            self._progress.update(task, completed=fields["epoch"], note=note)

    def _end(self, spec: RunSpec, fields: object, lost: bool) -> None:
        assert isinstance(fields, dict)
        if spec.run_id in self._cells:
            self._progress.remove_task(self._cells.pop(spec.run_id))
        if self._all is not None:
            self._progress.advance(self._all)
        if lost or fields["status"] != "done":
            self._say(f"failed {_title(spec)}: {fields['reason']}", style="red")
        else:
            self._say(f"done {_title(spec)} in {fields['seconds']:.0f} s", style="green")

    def _say(self, text: str, style: str = "") -> None:
        if not self._quiet:
            self._progress.console.print(Text(text, style=style), soft_wrap=True)


def _title(spec: RunSpec) -> str:
    return f"{spec.model}/{spec.imbalance} fold {spec.fold} seed {spec.seed}"
