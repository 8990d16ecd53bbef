"""Ctrl-C at a moment of our own choosing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks for a stop at the next step; a second one stops at once."""
    asked = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()  # which alone may say what a signal does
    if not in_main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as it is behind a script's &
        yield asked.is_set
        return

    def ask(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
