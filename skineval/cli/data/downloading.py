"""How downloads go, on standard error: a bar a file on a terminal, a line a file elsewhere."""

from __future__ import annotations

from pathlib import PurePath
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.text import Text

from skineval.cli.output import is_terminal
from skineval.data.fetch.download import Watcher

if TYPE_CHECKING:
    from skineval.data.fetch.download import Receipt


class Downloading(Watcher):
    """Shows downloads on standard error; use as a context manager."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            Remaining(compact=True),
            console=Console(stderr=True, highlight=False),
            disable=quiet or not is_terminal(),
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Downloading:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def received(self, name: str, done: int, total: int | None) -> None:
        self._update(name, "", done, total)

    def checked(self, name: str, done: int, total: int) -> None:
        self._update(name, "verifying ", done, total)

    def noted(self, name: str, text: str) -> None:
        self._say(f"{name}: {text}", "yellow")

    def finished(self, name: str, receipt: Receipt) -> None:
        for phase in ("", "verifying "):
            task = self._tasks.pop((name, phase), None)
            if task is not None:
                self._progress.remove_task(task)
        size, by = decimal(receipt.verified.size), receipt.verified.by
        self._say(f"{receipt.status} {PurePath(receipt.path).name}, {size}, verified by {by}", "green")

    def _update(self, name: str, phase: str, done: int, total: int | None) -> None:
        # A task is its file's own thread's: begun where an earlier run stopped, so that its rate is that of this one.
        task = self._tasks.get((name, phase))
        if task is None:
            self._tasks[name, phase] = self._progress.add_task(f"{phase}{name}", total=total, completed=done)
        else:
            self._progress.update(task, completed=done, total=total)

    def _say(self, text: str, style: str) -> None:
        if not self._quiet:
            self._progress.console.print(Text(text, style=style), soft_wrap=True)
