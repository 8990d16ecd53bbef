from __future__ import annotations

from contextvars import ContextVar

import pytest

from skineval.data.pool import cores, in_order

SETTING: ContextVar[int] = ContextVar("setting", default=0)


def test_results_come_in_order() -> None:
    assert list(in_order(lambda item: item * item, range(100))) == [item * item for item in range(100)]
    assert list(in_order(abs, [])) == []


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_work_runs_only_a_little_ahead(threads: int) -> None:
    started: list[int] = []
    results = in_order(lambda item: started.append(item) or item, range(1000), threads)
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(started) <= 10 + 2 * (threads or cores()) + 1
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
