"""Work shared out among threads, one a core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from skineval.base.errors import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """The cores that this process may use: by its affinity and by the quota of its container, rounded up.

    LOKY_MAX_CPU_COUNT bounds them, as it does for scikit-learn; raises UsageError where that is no number.
    """
    from joblib import cpu_count  # which takes a fifth of a second to import

    try:
        return int(cpu_count())
    except ValueError:
        bound = os.environ.get("LOKY_MAX_CPU_COUNT", "")
        if bound.isdecimal():
            raise
        raise UsageError(f"LOKY_MAX_CPU_COUNT is {bound!r}, which is no number of cores.", "Unset it.") from None


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int = 0) -> Generator[Result]:
    """`function` of each item, in order, in the caller's context, computed by threads that run only a little ahead.

    There is one thread a core where `threads` is 0. A plain `pool.map` would hold every result in memory where the
    disk is slower than the cores.
    """
    threads = threads or cores()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(copy_context().run, function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
