from __future__ import annotations

import builtins
import io
import os
import threading
import time
from contextvars import ContextVar

import pytest

from skineval.base.errors import UsageError
from skineval.data.pixels.threads import at_most, cores, in_order
from skineval.train.device import cpu_threads

SETTING: ContextVar[int] = ContextVar("setting", default=0)


def test_results_come_in_order() -> None:
    assert list(in_order(lambda item: item * item, range(100))) == [item * item for item in range(100)]
    assert list(in_order(abs, [])) == []


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_work_runs_only_a_little_ahead(threads: int) -> None:
    started: list[int] = []
    results = in_order(lambda item: started.append(item) or item, range(1000), threads)
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(started) <= 10 + 2 * (threads or at_most(cores())) + 1
    results.close()  # type: ignore[attr-defined]


def test_errors_arrive_where_their_result_would() -> None:
    results = in_order(lambda item: 1 // (3 - item), range(6))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_work_is_done_in_the_context_of_the_caller() -> None:
    token = SETTING.set(7)
    assert list(in_order(lambda item: SETTING.get(), range(5))) == [7] * 5
    SETTING.reset(token)


@pytest.fixture
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 cores, and a process that may run on all of them."""
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


def say(monkeypatch: pytest.MonkeyPatch, quota: str) -> None:
    """Let the system tell of this quota: microseconds that may be computed, of how many."""
    file, opened, exists = "/sys/fs/cgroup/cpu.max", builtins.open, os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: path == file or exists(path))
    monkeypatch.setattr(
        builtins,
        "open",
        lambda path, *rest, **more: io.StringIO(quota) if path == file else opened(path, *rest, **more),
    )


@pytest.mark.parametrize(
    ("quota", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 64)]
)
def test_a_container_has_the_cores_of_its_quota(monkeypatch, large_machine, quota, expected):
    say(monkeypatch, quota)
    assert cores() == cpu_threads(1) == expected
    assert cpu_threads(2) == max(1, expected // 2)


def test_of_affinity_quota_and_what_the_user_says_the_least_counts(monkeypatch, large_machine):
    say(monkeypatch, "800000 100000")
    assert cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert cores() == 6
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "3")
    assert cores() == 3


def test_a_number_of_cores_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "all")
    with pytest.raises(UsageError, match="LOKY_MAX_CPU_COUNT is 'all'"):
        cores()


@pytest.mark.parametrize(
    ("asked", "alone", "of_two"), [("1", 1, 1), ("3", 3, 3), (" 6,2", 6, 4), ("16", 8, 4), ("", 8, 4)]
)
def test_no_process_has_more_threads_than_openmp_is_asked_for(monkeypatch, large_machine, asked, alone, of_two):
    say(monkeypatch, "800000 100000")
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert (cpu_threads(1), cpu_threads(2)) == (alone, of_two)


def test_one_thread_is_one_thread_at_a_time(monkeypatch, large_machine):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    together = threading.Semaphore(1)

    def alone(item: int) -> bool:
        with_others = not together.acquire(blocking=False)
        time.sleep(0.001)
        together.release()
        return not with_others

    assert all(in_order(alone, range(20)))


@pytest.mark.parametrize("asked", ["all", "0", "-1", "1.5", ",2"])
def test_a_number_of_threads_that_is_none_is_named(monkeypatch, asked):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    with pytest.raises(UsageError, match=f"OMP_NUM_THREADS is '{asked}', which is no number of threads"):
        cpu_threads(1)
