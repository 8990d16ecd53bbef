from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.data.fetch.resume import (
    Append,
    Discard,
    Done,
    Held,
    Refuse,
    Restart,
    Retry,
    Step,
    plan,
    request_headers,
    retry_after,
    wait_before,
)
from skineval.data.fetch.transport import Answer, Patience
from skineval.data.fetch.verification import Checksum, Promise

NOW = 1_700_000_000.0
SIZED = Promise("zip", 100, (Checksum("md5", "0" * 32),))
UNSIZED = Promise("zip", None, (Checksum("md5", "0" * 32),))
NOTHING = Held()
HALF = Held(50, etag='"a"')


def answer(status: int, **headers: object) -> Answer:
    return Answer(status, {name.replace("_", "-"): str(value) for name, value in headers.items()})


def part(first: int, last: int, total: object = 100, **headers: object) -> Answer:
    named = {"content_range": f"bytes {first}-{last}/{total}", "content_length": last - first + 1, "etag": '"a"'}
    return answer(206, **named | headers)


@pytest.mark.parametrize(
    ("held", "headers"),
    [
        (Held(), {}),
        (Held(0, etag='"a"'), {}),
        (Held(50), {}),  # nothing would tell whether the rest belongs to it
        (Held(50, etag='"a"'), {"Range": "bytes=50-", "If-Range": '"a"'}),
        (Held(50, etag='"a"', modified="then"), {"Range": "bytes=50-", "If-Range": '"a"'}),
        (Held(50, modified="then"), {"Range": "bytes=50-", "If-Range": "then"}),
        (Held(50, etag='W/"a"'), {}),
        (Held(50, etag='W/"a"', modified="then"), {"Range": "bytes=50-", "If-Range": "then"}),
        (Held(50, provable=True), {"Range": "bytes=50-"}),
    ],
)
def test_a_range_is_asked_for_only_where_it_can_be_trusted(held: Held, headers: dict[str, str]) -> None:
    assert request_headers(held) == headers


@pytest.mark.parametrize(
    ("promise", "held", "answered", "step"),
    [
        (SIZED, NOTHING, answer(200, content_length=100), Restart(100)),
        (SIZED, NOTHING, answer(200), Restart(100)),
        (UNSIZED, NOTHING, answer(200), Restart(None)),
        (UNSIZED, NOTHING, answer(200, content_length=7), Restart(7)),
        (UNSIZED, NOTHING, answer(200, content_length="many"), Restart(None)),
        (SIZED, HALF, answer(200, content_length=100, etag='"b"'), Restart(100)),
        (SIZED, HALF, part(50, 99), Append(50, 100)),
        (SIZED, HALF, part(50, 59), Append(10, 100)),
        (SIZED, HALF, part(50, 99, "*"), Append(50, 100)),
        (UNSIZED, HALF, part(50, 99, "*"), Append(50, None)),
        (UNSIZED, HALF, part(50, 79, 80), Append(30, 80)),
        (SIZED, HALF, answer(416, content_range="bytes */50"), Discard("the server has a shorter file now")),
        (UNSIZED, HALF, answer(416, content_range="bytes */50"), Done()),
        (SIZED, Held(100, etag='"a"'), answer(416, content_range="bytes */100"), Done()),
        (SIZED, Held(100, etag='"a"'), answer(416), Done()),
        (UNSIZED, HALF, answer(416), Discard("the server has a shorter file now")),
        (SIZED, NOTHING, answer(503, retry_after=7), Retry("the server answers with status 503", 7.0)),
    ],
)
def test_answers_mean(promise: Promise, held: Held, answered: Answer, step: Step) -> None:
    assert plan(promise, held, answered, NOW) == step


@pytest.mark.parametrize(
    "answered",
    [
        part(49, 99),
        part(51, 99),
        part(0, 99),
        part(50, 100),  # more than there is
        part(50, 40),
        part(50, 99, content_length=51),
        part(50, 99, 101),
        part(50, 98, 99),
        part(50, 99, etag='"b"'),
        answer(206, content_length=50),
        answer(206, content_type="multipart/byteranges; boundary=x"),
        part(50, 99, content_range="bytes fifty-99/100"),
        part(50, 99, content_range="bytes ٥٠-99/100"),
    ],
)
def test_a_part_that_does_not_fit_is_not_appended(answered: Answer) -> None:
    assert isinstance(plan(SIZED, HALF, answered, NOW), Discard)


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (answer(200, content_length=99), "99 bytes where 100 were promised"),
        (answer(200, content_length=101), "101 bytes where 100 were promised"),
        (answer(200, content_length=0), "0 bytes where 100 were promised"),
        (answer(200, content_encoding="gzip"), "encoded (gzip)"),
        (part(50, 99, content_encoding="br"), "encoded (br)"),
        (answer(200, content_type="Text/HTML; charset=utf-8"), "a web page instead"),
        (answer(202, x_amzn_waf_action="challenge"), "browser"),
        (answer(204), "204"),
        (answer(304), "304"),
        (answer(401), "401"),
        (answer(403), "403"),
        (answer(404), "404"),
        (answer(410), "410"),
    ],
)
def test_what_will_not_get_better_is_refused(answered: Answer, reason: str) -> None:
    step = plan(SIZED, HALF, answered, NOW)
    assert isinstance(step, Refuse)
    assert reason in step.reason


@pytest.mark.parametrize("answered", [part(0, 99), answer(416, content_range="bytes */100")])
def test_ranges_nobody_asked_for_are_refused(answered: Answer) -> None:
    assert isinstance(plan(SIZED, NOTHING, answered, NOW), Refuse)


@pytest.mark.parametrize("status", [202, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_get_better_is_tried_again(status: int) -> None:
    assert isinstance(plan(SIZED, HALF, answer(status), NOW), Retry)


@given(
    status=st.integers(200, 599),
    received=st.integers(0, 200),
    fields=st.tuples(*[st.one_of(st.none(), st.integers(-1, 201))] * 4),
    etag=st.sampled_from(["", '"a"', '"b"', 'W/"a"']),
    promise=st.sampled_from([SIZED, UNSIZED]),
)
def test_whatever_is_answered_bytes_land_where_they_belong(
    status: int, received: int, fields: tuple[int | None, ...], etag: str, promise: Promise
) -> None:
    first, last, total, length = fields
    held = Held(received, etag='"a"')
    headers = {"content-range": f"bytes {first}-{last}/{'*' if total is None else total}", "etag": etag}
    headers |= {} if length is None else {"content-length": str(length)}
    match plan(promise, held, Answer(status, headers), NOW):
        case Append(body, whole):
            assert status == 206
            assert (held.offset, body) == (first, last - first + 1)
            assert held.offset > 0
            assert body > 0
            assert whole in (total, promise.size)
            assert whole is None or held.offset + body <= whole
            assert promise.size in (None, whole)
            assert etag in ("", '"a"')
        case Restart(whole):
            assert status == 200
            assert whole in (length, promise.size)
            assert promise.size in (None, whole)
        case Done():
            assert status == 416
            assert promise.size in (None, received)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_holds_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(
    failures=st.integers(1, 60),
    after=st.one_of(st.none(), st.floats(0, 1e6)),
    share=st.floats(0, 1),
)
def test_waits_grow_and_stay_within_what_is_bearable(failures: int, after: float | None, share: float) -> None:
    patience = Patience(first_wait=1, longest_wait=120)
    wait = wait_before(failures, after, patience, share)
    assert 0.5 <= wait <= 120
    assert wait >= min(after or 0, 120)
    assert wait <= wait_before(failures + 1, after, patience, share)
    if after is None and failures <= 6:
        assert 2 ** (failures - 1) / 2 <= wait <= 2 ** (failures - 1)
