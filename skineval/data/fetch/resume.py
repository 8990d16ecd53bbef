"""What answers to requests for a file mean when some of it is there already: pure decisions, no network.

After RFC 9110, sections 8.8.3 (ETag), 10.2.3 (Retry-After), 13.1.5 (If-Range), 14 (ranges) and 15 (status codes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import InvalidHeader

from skineval.data.fetch.transport import Broken, Patience, Refused
from skineval.data.fetch.verification import Promise

_TRANSIENT = (408, 425, 429)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)
_NO_RANGE = re.compile(r"bytes \*/(\d+)", re.ASCII)


@dataclass(frozen=True)
class Held:
    """What is there of a file, and what tells whether the rest still belongs to it."""

    received: int = 0  #: bytes
    etag: str = ""
    modified: str = ""
    provable: bool = False  #: a checksum will show whether the parts fit, so they may be joined without a validator

    @property
    def validator(self) -> str:
        """What If-Range may hold: never a weak ETag, which promises nothing about bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    @property
    def offset(self) -> int:
        """The first byte to ask for; 0 where what is there cannot be built upon."""
        return self.received if self.validator or self.provable else 0


@dataclass(frozen=True)
class Body:
    """What the body of an answer is of the file."""

    first: int  #: the place in the file of its first byte; 0 begins the file anew
    length: int | None  #: bytes
    total: int | None  #: bytes of the whole file


class Outdated(Broken):
    """What is there does not belong to the file that the server has now: all of it is to be asked for again."""


def header(answer: BaseHTTPResponse, name: str) -> str:
    """The value of a header; "" where there is none."""
    return answer.headers.get(name, "").strip()


def request_headers(held: Held) -> dict[str, str]:
    """The headers that ask for what is missing, or for all of it should the file have changed."""
    if not held.offset:
        return {}
    condition = {"If-Range": held.validator} if held.validator else {}
    return {"Range": f"bytes={held.offset}-", **condition}


def plan(promise: Promise, held: Held, answer: BaseHTTPResponse) -> Body:
    """What the answer to a request with `request_headers(held)` brings.

    Raises Refused where asking again would not help, Broken where it might, and Outdated.
    """
    status = answer.status
    if status in (200, 206):
        _check_content(answer)
        return _whole(promise, answer) if status == 200 else _piece(promise, held, answer)
    if status == 416:
        return _beyond(promise, held, answer)
    if status == 202 and header(answer, "x-amzn-waf-action"):
        raise Refused("the server wants to see a browser first (status 202)")
    if status == 202 or status in _TRANSIENT or status >= 500:
        raise Broken(f"the server answers with status {status}", _wished(answer))
    raise Refused(f"the server answers with status {status}")


def _check_content(answer: BaseHTTPResponse) -> None:
    encoding = header(answer, "content-encoding").lower()
    if encoding not in ("", "identity"):
        raise Refused(f"the server sends the file encoded ({encoding}) although it was asked for it as it is")
    if header(answer, "content-type").lower().startswith(("text/html", "application/xhtml")):
        raise Refused("the server sends a web page instead of the file")


def _whole(promise: Promise, answer: BaseHTTPResponse) -> Body:
    total = promise.size if answer.length_remaining is None else answer.length_remaining
    if promise.size is not None and total != promise.size:
        raise Refused(f"the server sends {total} bytes where {promise.size} were promised")
    return Body(0, total, total)


def _piece(promise: Promise, held: Held, answer: BaseHTTPResponse) -> Body:
    if not held.offset:
        raise Refused("the server sends a part where the whole file was asked for")
    match = _RANGE.fullmatch(header(answer, "content-range"))
    if match is None:  # nor has a body that holds several ranges one
        raise Outdated("the server sent a part without saying which")
    first, last = int(match[1]), int(match[2])
    total = promise.size if match[3] == "*" else int(match[3])
    length = last - first + 1
    if first != held.offset or last < first or (total is not None and last >= total):
        raise Outdated(f"the server sent bytes {first} to {last} where those from {held.offset} on were asked for")
    if answer.length_remaining not in (None, length):
        raise Outdated("the server sent a part of another length than it says")
    if promise.size is not None and total != promise.size:
        raise Outdated(f"the server has {total} bytes now where {promise.size} were promised")
    if held.etag and header(answer, "etag") not in ("", held.etag):
        raise Outdated("the server has another version of the file now")
    return Body(first, length, total)


def _beyond(promise: Promise, held: Held, answer: BaseHTTPResponse) -> Body:
    if not held.offset:
        raise Refused("the server answers with status 416 although the whole file was asked for")
    match = _NO_RANGE.fullmatch(header(answer, "content-range"))
    total = int(match[1]) if match else promise.size
    if total != held.offset or promise.size not in (None, total):
        raise Outdated("the server has a shorter file now")
    return Body(held.offset, 0, total)


def _wished(answer: BaseHTTPResponse) -> float | None:
    """Seconds from the header Retry-After, which holds seconds or a date; None where it holds neither."""
    try:
        return Retry().get_retry_after(answer)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def wait_before(failures: int, after: float | None, patience: Patience, share: float) -> float:
    """Seconds to wait after so many failures in a row, at least one.

    Twice as long after each, of which between half and all as `share` (0..1) says, so that many clients do not come
    back together; no less than the server asks for, and no more than `patience.longest_wait`.
    """
    backoff = patience.first_wait * 2.0 ** (failures - 1) * (1 + share) / 2
    return min(max(backoff, after or 0.0), patience.longest_wait)
