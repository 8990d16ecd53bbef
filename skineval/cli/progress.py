"""One bar on standard error for work that is counted; nothing where no person would see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be called with how much is done and how much there is; the bar goes when all is done."""
    from skineval.cli.board import Board, Row  # which imports rich

    with Board(quiet) as board:
        yield board.add(Row(what, counted=True)).count
