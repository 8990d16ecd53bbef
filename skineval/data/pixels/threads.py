"""Work shared out among threads, one a core, and how long they spin where they wait for one another."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from skineval.base.errors import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: For the OpenMP of GNU, which torch has on Linux, and for that of LLVM and Intel. The first counts turns of a loop,
#: where 300,000 are usual; `python -m benchmarks.busy` shows what that costs and gains. The second counts milliseconds,
#: where 200 are usual, and was not measured.
BRIEFLY = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
POLICY = "OMP_WAIT_POLICY"  #: whoever sets it has decided


def waiting_briefly(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of a process that computes, before it loads torch; nothing that is set there.

    Threads of one process then spin briefly where they wait for one another, before they let others compute.
    """
    if POLICY in environment:
        return {}
    return {name: value for name, value in BRIEFLY.items() if name not in environment}


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


def at_most(threads: int) -> int:
    """So many threads, or fewer where OMP_NUM_THREADS allows a process no more, as it does torch.

    Of a list, which is for nested loops, the first counts. Raises UsageError for what is no number, which OpenMP would
    ignore.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    first = asked.partition(",")[0].strip()
    if asked and not (first.isdecimal() and int(first)):
        raise UsageError(f"OMP_NUM_THREADS is {asked!r}, which is no number of threads.", "Unset it.")
    return min(threads, int(first)) if asked else threads


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 0, ahead: int = 0
) -> Generator[Result]:
    """`function` of each item, in order, in the caller's context, computed by threads that run only a little ahead.

    There is one thread a core, or as `at_most`, where `threads` is 0, and twice as many items as threads are begun
    where `ahead` is 0. A plain `pool.map` would hold every result in memory where the disk is slower than the cores.
    """
    threads = threads or at_most(cores())
    ahead = ahead or 2 * threads
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(copy_context().run, function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
