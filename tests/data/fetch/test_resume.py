from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from skineval.data.fetch.resume import Body, Held, Outdated, plan, request_headers, wait_before
from skineval.data.fetch.transport import Broken, Patience, Refused
from skineval.data.fetch.verification import Checksum, Promise

NOW = 1_700_000_000.0
SIZED = Promise("zip", 100, (Checksum("md5", "0" * 32),))
UNSIZED = Promise("zip", None, (Checksum("md5", "0" * 32),))
NOTHING = Held()
HALF = Held(50, etag='"a"')


def answer(status: int, **headers: object) -> HTTPResponse:
    return HTTPResponse(status=status, headers={name.replace("_", "-"): str(value) for name, value in headers.items()})


def part(first: int, last: int, total: object = 100, **headers: object) -> HTTPResponse:
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
    ("promise", "held", "answered", "body"),
    [
        (SIZED, NOTHING, answer(200, content_length=100), Body(0, 100, 100)),
        (SIZED, NOTHING, answer(200), Body(0, 100, 100)),
        (UNSIZED, NOTHING, answer(200), Body(0, None, None)),
        (UNSIZED, NOTHING, answer(200, content_length=7), Body(0, 7, 7)),
        (UNSIZED, NOTHING, answer(200, content_length="many"), Body(0, None, None)),
        (SIZED, HALF, answer(200, content_length=100, etag='"b"'), Body(0, 100, 100)),
        (SIZED, HALF, part(50, 99), Body(50, 50, 100)),
        (SIZED, HALF, part(50, 59), Body(50, 10, 100)),
        (SIZED, HALF, part(50, 99, "*"), Body(50, 50, 100)),
        (UNSIZED, HALF, part(50, 99, "*"), Body(50, 50, None)),
        (UNSIZED, HALF, part(50, 79, 80), Body(50, 30, 80)),
        (UNSIZED, HALF, answer(416, content_range="bytes */50"), Body(50, 0, 50)),
        (SIZED, Held(100, etag='"a"'), answer(416, content_range="bytes */100"), Body(100, 0, 100)),
        (SIZED, Held(100, etag='"a"'), answer(416), Body(100, 0, 100)),
    ],
)
def test_answers_bring(promise: Promise, held: Held, answered: HTTPResponse, body: Body) -> None:
    assert plan(promise, held, answered) == body


@pytest.mark.parametrize(
    ("promise", "answered"), [(SIZED, answer(416, content_range="bytes */50")), (UNSIZED, answer(416))]
)
def test_a_file_that_became_shorter_is_begun_anew(promise: Promise, answered: HTTPResponse) -> None:
    with pytest.raises(Outdated, match="the server has a shorter file now"):
        plan(promise, HALF, answered)


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
def test_a_part_that_does_not_fit_is_not_appended(answered: HTTPResponse) -> None:
    with pytest.raises(Outdated):
        plan(SIZED, HALF, answered)


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
def test_what_will_not_get_better_is_refused(answered: HTTPResponse, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)):
        plan(SIZED, HALF, answered)


@pytest.mark.parametrize("answered", [part(0, 99), answer(416, content_range="bytes */100")])
def test_ranges_nobody_asked_for_are_refused(answered: HTTPResponse) -> None:
    with pytest.raises(Refused):
        plan(SIZED, NOTHING, answered)


@pytest.mark.parametrize("status", [202, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_get_better_is_tried_again(status: int) -> None:
    with pytest.raises(Broken, match=f"status {status}") as caught:
        plan(SIZED, HALF, answer(status, retry_after=7))
    assert caught.value.after == 7.0
    assert not isinstance(caught.value, Outdated)


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
    try:
        body = plan(promise, held, HTTPResponse(status=status, headers=headers))
    except (Refused, Broken):
        return
    assert promise.size in (None, body.total)
    match status:
        case 206:
            assert body.length is not None
            assert (held.offset, body.first, body.length) == (first, first, last - first + 1)
            assert body.first > 0
            assert body.length > 0
            assert body.total in (total, promise.size)
            assert body.total is None or body.first + body.length <= body.total
            assert etag in ("", '"a"')
        case 200:
            assert body.first == 0
            assert body.length == body.total
            assert body.total in (length, promise.size)
        case 416:
            assert (body.first, body.length) == (received, 0)
            assert promise.size in (None, received)
        case _:
            pytest.fail(f"status {status} brings nothing")


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
def test_retry_after_holds_seconds_or_a_date(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    with pytest.raises(Broken) as caught:
        plan(SIZED, NOTHING, answer(503, retry_after=text))
    assert caught.value.after == seconds


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
