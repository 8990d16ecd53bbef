"""One bar on standard error for work that is counted; nothing where no person would see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skineval.cli.output import is_terminal


@contextmanager
def counting(what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be called with how much is done and how much there is; the bar goes when all is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        transient=True,
        disable=quiet or not is_terminal(),
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
