"""One download from a real server on this machine that does everything that goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from skineval.base.errors import Interrupted
from skineval.base.files import DiskError
from skineval.data.fetch import download as download_module
from skineval.data.fetch.download import DownloadError, Receipt, RemoteFile, Watcher, download, read_document
from skineval.data.fetch.transport import Broken, Patience, Refused, Stop, check_address, received, redirected
from skineval.data.fetch.verification import Checksum, Promise
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import FaultServer, archive, cut, good, md5

ROOT = Path(__file__).parents[3]
CONTENT = archive(200_000)
OTHER = archive(200_000, seed=1)
SIZE = len(CONTENT)
PATH = "/api/access/datafile/1"
TABLE = "image_id,dx\n" + "".join(f"ISIC_{row:07},nv\n" for row in range(50))

#: Nobody waits for anything.
HASTY = Patience(
    connect=2, silence=0.4, answer=0.5, window=0.4, slowest=1e5, attempts=4, first_wait=0.001, longest_wait=0.01
)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with faults.running() as running:
        yield running


def promised(content: bytes = CONTENT, size: int | None = -1) -> Promise:
    return Promise("zip", len(content) if size == -1 else size, (Checksum("md5", md5(content)),))


def remote(server: FaultServer, content: bytes = CONTENT, **options: object) -> RemoteFile:
    url = server.host(PATH, content)
    made = RemoteFile("images.zip", url, promised(content), page="https://doi.org/10.0/X")
    return replace(made, **options)  # type: ignore[arg-type]


class Noting(Watcher):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def noted(self, name: str, text: str) -> None:
        self.notes.append(text)


def get(file: RemoteFile, folder: Path, **options: object) -> Receipt:
    return download(file, folder, **{"patience": HASTY, **options})  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    """What a person sees in the folder."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []


def check_whole(receipt: Receipt, folder: Path, content: bytes = CONTENT) -> None:
    assert (folder / "images.zip").read_bytes() == content
    assert left(folder) == ["images.zip"]
    assert receipt.verified.size == len(content)
    assert receipt.verified.sha256 == hashlib.sha256(content).hexdigest()
    assert receipt.verified.by == "md5"


def refused(file: RemoteFile, folder: Path, **options: object) -> str:
    """The message of the error with which the download ends; it says what to do by hand."""
    with pytest.raises(DownloadError) as caught:
        get(file, folder, **options)
    assert caught.value.exit_code == 3
    assert "https://doi.org/10.0/X" in caught.value.hint
    assert str(folder / file.name) in caught.value.hint
    assert file.promise.expected in caught.value.hint
    assert not (folder / file.name).exists()
    return caught.value.message


def test_a_file_arrives_once_and_is_not_fetched_again(server: FaultServer, tmp_path: Path) -> None:
    first = get(remote(server), tmp_path / "new")
    check_whole(first, tmp_path / "new")
    assert (first.status, first.transferred, first.requests) == ("fetched", SIZE, 1)
    again = get(remote(server), tmp_path / "new")
    assert (again.status, again.transferred, again.requests) == ("already there", 0, 0)
    assert again.verified == first.verified
    assert len(server.seen) == 1


def test_the_program_says_who_it_is_and_asks_for_the_file_as_it_is(server: FaultServer, tmp_path: Path) -> None:
    get(remote(server), tmp_path)
    (seen,) = server.seen
    assert seen.headers["user-agent"].startswith("skineval/")
    assert seen.headers["accept-encoding"] == "identity"
    assert "range" not in seen.headers


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 1, 2, 1000, SIZE // 2, SIZE - 1])
def test_a_cut_anywhere_is_gone_on_from(server: FaultServer, tmp_path: Path, after: int, reset: bool) -> None:
    file = remote(server)
    server.will(PATH, cut(after, reset))
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path)
    assert receipt.transferred == SIZE
    if not reset:  # what the system throws away after a reset, the server counts as sent
        assert server.sent[PATH] == SIZE
        resumed = server.asked(PATH)[1].headers
        assert resumed.get("range") == (f"bytes={after}-" if after else None)
        assert resumed.get("if-range") == (server.files[PATH].etag if after else None)


@pytest.mark.parametrize(
    "fault",
    [
        faults.hang_up,
        faults.status(500),
        faults.status(503),
        faults.status(429),
        faults.status(202),
        faults.without_ranges(after=1000),
        faults.chunked(after=1000),
        faults.fall_silent(1000),
        faults.fall_silent(0),
        faults.drip(100, 0.02),
        faults.drip_headers(0.05),
    ],
    ids=lambda fault: fault.__qualname__,
)
def test_what_goes_away_is_outlived(server: FaultServer, tmp_path: Path, fault: faults.Fault) -> None:
    file = remote(server)
    server.will(PATH, fault)
    noting = Noting()
    check_whole(get(file, tmp_path, watcher=noting), tmp_path)
    assert len(server.asked(PATH)) == 2
    assert "tried again" in noting.notes[0]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (faults.hang_up, "without response"),
        (faults.status(500), "status 500"),
        (faults.status(202), "status 202"),
        (faults.fall_silent(0), "silent"),
        (faults.drip(100, 0.02), "stalled"),
    ],
    ids=lambda value: getattr(value, "__qualname__", value),
)
def test_what_does_not_go_away_ends_after_some_attempts(
    server: FaultServer, tmp_path: Path, fault: faults.Fault, message: str
) -> None:
    file = remote(server)
    server.will(PATH, *[fault] * 10)
    assert message in refused(file, tmp_path)
    assert len(server.asked(PATH)) == HASTY.attempts


def test_attempts_that_get_further_do_not_count(server: FaultServer, tmp_path: Path) -> None:
    content = archive(1_000_000)
    file = remote(server, content)
    server.will(PATH, *[cut(100_000)] * 9)
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path, content)
    assert receipt.requests == 10 > HASTY.attempts
    assert server.sent[PATH] == len(content)


def test_a_server_that_never_gets_further_is_given_up(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.will(PATH, *[faults.without_ranges(after=150_000)] * 50)
    assert "cut after 150000" in refused(file, tmp_path)
    assert len(server.asked(PATH)) == HASTY.attempts


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_no_is_no(server: FaultServer, tmp_path: Path, status: int) -> None:
    file = remote(server)
    server.will(PATH, faults.status(status, b"<html>no</html>", Content_Type="text/html"))
    message = refused(file, tmp_path)
    assert f"status {status}" in message
    assert file.url in message
    assert len(server.seen) == 1
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (faults.web_page(), "web page"),
        (faults.web_page("application/zip"), "bytes where"),
        (faults.status(200), f"0 bytes where {SIZE} were promised"),
        (faults.status(202, faults.PAGE, x_amzn_waf_action="challenge"), "browser"),
        (faults.compressed, "gzip"),
        (faults.lie_about_length(+10), f"{SIZE + 10} bytes where {SIZE} were promised"),
        (faults.lie_about_length(-10), f"{SIZE - 10} bytes where {SIZE} were promised"),
        (faults.without_length(extra=b"more"), f"longer than the {SIZE} bytes promised"),
        (faults.corrupt, "its md5 is"),
        (faults.change(OTHER), "its md5 is"),
        (faults.another_range(0), "a part where the whole file was asked for"),
        (faults.status(416), "416"),
    ],
    ids=lambda value: getattr(value, "__qualname__", value),
)
def test_what_is_not_the_file_is_refused_at_once(
    server: FaultServer, tmp_path: Path, fault: faults.Fault, message: str
) -> None:
    file = remote(server)
    server.will(PATH, fault)
    assert message in refused(file, tmp_path)
    assert len(server.seen) == 1
    assert left(tmp_path) == []


@pytest.mark.parametrize("body", [faults.PAGE, b"\n <HTML>", b"%PDF-1.7", b"{}"])
def test_a_body_that_does_not_begin_like_the_file_is_not_kept(server: FaultServer, tmp_path: Path, body: bytes) -> None:
    file = remote(server, promise=promised(size=None))
    server.will(PATH, faults.web_page("application/zip") if body is faults.PAGE else faults.status(200, body))
    message = refused(file, tmp_path)
    assert "web page" in message or "not a zip archive" in message
    assert left(tmp_path) == []


def test_empty_bodies_are_noticed_where_no_length_was_promised(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server, promise=promised(size=None))
    server.will(PATH, *[faults.status(200)] * 10)
    assert "empty body" in refused(file, tmp_path)


@pytest.mark.parametrize("fault", [faults.without_length(), faults.chunked()])
def test_files_without_a_length_arrive(server: FaultServer, tmp_path: Path, fault: faults.Fault) -> None:
    file = remote(server, promise=promised(size=None))
    server.will(PATH, fault)
    check_whole(get(file, tmp_path), tmp_path)


def test_an_end_that_nothing_announced_is_found_by_the_checksum(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server, promise=promised(size=None))

    def shortened(exchange: faults.Exchange) -> None:
        exchange.start(200, {})
        exchange.send(CONTENT[:-5])

    server.will(PATH, shortened)
    assert "its md5 is" in refused(file, tmp_path)


# Resuming what an earlier run left.


def leave(server: FaultServer, file: RemoteFile, folder: Path, after: int = 80_000) -> None:
    """Be cut for good after so many bytes."""
    server.will(PATH, cut(after), *[faults.hang_up] * HASTY.attempts)
    with pytest.raises(DownloadError):
        get(file, folder)
    server.scripts[PATH].clear()
    server.seen.clear()
    server.sent.clear()
    assert left(folder) == ["images.zip.part", "images.zip.part.json"]
    assert (folder / "images.zip.part").read_bytes() == CONTENT[:after]


def test_a_later_run_goes_on_from_what_is_there(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path)
    assert receipt.status == "resumed"
    assert receipt.transferred == server.sent[PATH] == SIZE - 80_000


def test_a_whole_part_is_verified_and_not_fetched(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    (tmp_path / "images.zip.part").write_bytes(CONTENT)
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path)
    assert (receipt.requests, len(server.seen)) == (0, 0)


def test_a_file_that_changed_is_fetched_anew(server: FaultServer, tmp_path: Path) -> None:
    leave(server, remote(server), tmp_path)
    receipt = get(remote(server, OTHER), tmp_path)
    check_whole(receipt, tmp_path, OTHER)
    assert len(server.seen) == 1
    assert server.sent[PATH] == len(OTHER)


@pytest.mark.parametrize("etag", ['"new"', 'W/"weak"', ""])
def test_a_file_that_changes_between_two_attempts_is_never_mixed(
    server: FaultServer, tmp_path: Path, etag: str
) -> None:
    file = remote(server, promise=promised(OTHER))

    def first(exchange: faults.Exchange) -> None:
        cut(50_000)(exchange)
        exchange.server.host(PATH, OTHER, etag=etag, modified="Thu, 02 Jan 2025 00:00:00 GMT")

    server.will(PATH, first)
    check_whole(get(file, tmp_path), tmp_path, OTHER)
    assert server.sent[PATH] == 50_000 + len(OTHER)


@pytest.mark.parametrize("then", [good, cut(100)], ids=["good", "cut"])
def test_a_part_of_another_version_is_not_appended(server: FaultServer, tmp_path: Path, then: faults.Fault) -> None:
    file = remote(server, promise=promised(OTHER))
    server.will(PATH, cut(50_000), faults.part_of_another_version(OTHER, '"new"'), then)
    check_whole(get(file, tmp_path), tmp_path, OTHER)


@pytest.mark.parametrize("shift", [-1, 1, -50_000])
def test_a_part_from_elsewhere_is_not_appended(server: FaultServer, tmp_path: Path, shift: int) -> None:
    file = remote(server)
    server.will(PATH, cut(50_000), faults.another_range(shift))
    noting = Noting()
    check_whole(get(file, tmp_path, watcher=noting), tmp_path)
    assert "where those from 50000 on were asked for" in noting.notes[1]


def test_a_server_without_ranges_sends_all_of_it_again(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.will(PATH, cut(50_000), faults.without_ranges())
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path)
    assert receipt.transferred == 50_000 + SIZE


def test_a_range_beyond_the_end_begins_anew(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server, promise=promised(size=None))
    server.will(PATH, cut(50_000), faults.status(416, Content_Range="bytes */40000"))
    check_whole(get(file, tmp_path), tmp_path)


def test_a_whole_part_of_unknown_size_is_recognised_by_416(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server, promise=promised(size=None))
    leave(server, file, tmp_path)
    (tmp_path / "images.zip.part").write_bytes(CONTENT)
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path)
    assert receipt.transferred == 0


def test_without_validators_the_checksum_decides(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.host(PATH, CONTENT, etag="", modified="")
    server.will(PATH, cut(50_000))
    check_whole(get(file, tmp_path), tmp_path)
    assert server.sent[PATH] == SIZE
    assert "if-range" not in server.asked(PATH)[1].headers


def test_what_was_put_together_wrongly_is_fetched_anew_once(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    part = tmp_path / "images.zip.part"
    part.write_bytes(b"PK" + bytes(part.stat().st_size - 2))
    noting = Noting()
    receipt = get(file, tmp_path, watcher=noting)
    check_whole(receipt, tmp_path)
    assert receipt.transferred == 2 * SIZE - 80_000
    assert "fetched anew" in noting.notes[0]


def test_what_is_wrong_when_fetched_anew_is_refused(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    server.host(PATH, OTHER, etag=server.files[PATH].etag)
    assert "its md5 is" in refused(file, tmp_path)
    assert len(server.seen) == 2
    assert left(tmp_path) == []


@pytest.mark.parametrize("about", ["", "{", "[]", "{}", '{"url": 1}', None])
def test_a_part_of_which_nobody_knows_what_is_not_built_upon(
    server: FaultServer, tmp_path: Path, about: str | None
) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    path = tmp_path / "images.zip.part.json"
    path.unlink() if about is None else path.write_text(about)
    check_whole(get(file, tmp_path), tmp_path)
    assert "range" not in server.seen[0].headers


def test_a_part_that_is_too_long_is_not_built_upon(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    with (tmp_path / "images.zip.part").open("ab") as part:
        part.write(bytes(SIZE))
    check_whole(get(file, tmp_path), tmp_path)


def test_another_mirror_goes_on_where_the_checksum_is_the_same(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    leave(server, file, tmp_path)
    mirror = replace(file, url=server.host("/mirror", CONTENT, etag='"its own"'))
    check_whole(get(mirror, tmp_path), tmp_path)
    assert server.sent["/mirror"] == SIZE - 80_000


def test_another_file_of_the_same_name_does_not(server: FaultServer, tmp_path: Path) -> None:
    leave(server, remote(server), tmp_path)
    other = replace(remote(server), url=server.host("/other", OTHER), promise=promised(OTHER))
    check_whole(get(other, tmp_path), tmp_path, OTHER)
    assert server.sent["/other"] == len(OTHER)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 100_000),
    runs=st.lists(st.lists(st.tuples(st.integers(0, 60_000), st.booleans()), min_size=1, max_size=4), max_size=4),
)
def test_any_cuts_end_in_the_same_file_and_nothing_is_sent_twice(size: int, runs: list[list[tuple[int, bool]]]) -> None:
    """Cut after so many bytes, rudely or not, and after some cuts the program that downloads ends, too."""
    content = archive(size)
    with faults.running() as server, tempfile.TemporaryDirectory() as name:
        file, folder = remote(server, content), Path(name)
        for cuts in runs:
            server.will(PATH, *[cut(after, rude) for after, rude in cuts])
            with suppress(DownloadError):
                get(file, folder, patience=replace(HASTY, attempts=len(cuts)))
        server.scripts[PATH].clear()
        get(file, folder)
        assert (folder / "images.zip").read_bytes() == content
        assert left(folder) == ["images.zip"]
        # After a reset the system throws away what has arrived and was not read yet.
        lost = sum(after for cuts in runs for after, rude in cuts if rude)
        assert 0 <= server.sent[PATH] - len(content) <= lost


# Redirects and addresses.


def test_redirects_are_followed_and_ranges_with_them(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    storage = server.host("/storage", CONTENT)
    server.will(PATH, faults.redirect(f"{storage}?secret=1"), faults.redirect("/storage?secret=2", 307))
    server.will("/storage", cut(50_000))
    check_whole(get(file, tmp_path), tmp_path)
    assert server.sent["/storage"] == SIZE
    assert server.asked("/storage")[1].headers["range"] == "bytes=50000-"
    assert [seen.query for seen in server.asked("/storage")] == ["secret=1", "secret=2"]


def test_a_redirect_may_hold_what_belongs_quoted(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.host("/a%20b", CONTENT)
    server.will(PATH, faults.redirect("/a b?signed=%2Fx+y z#end"))
    check_whole(get(file, tmp_path), tmp_path)
    assert server.seen[1].query == "signed=%2Fx+y%20z"


def test_a_redirect_in_a_circle_ends(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.will(PATH, *[faults.redirect(PATH)] * 50)
    assert "redirects more than 10 times" in refused(file, tmp_path)
    assert len(server.seen) == 11


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file:///etc/passwd", "not an https:// URL"),
        ("ftp://127.0.0.1/x", "not an https:// URL"),
        ("data:text/plain,PK", "not an https:// URL"),
        ("http://example.org/x", "not encrypted"),
        ("http://127.0.0.1.example.org/x", "not encrypted"),
        ("//example.org/x", "not encrypted"),
        ("https://user:word@example.org/x", "names a user"),
        ("https:///x", "not an https:// URL"),
        ("http://[::1", "no URL"),
        ("", "to nowhere"),
    ],
)
def test_redirects_to_elsewhere_are_not_followed(
    server: FaultServer, tmp_path: Path, target: str, message: str
) -> None:
    file = remote(server)
    server.will(PATH, faults.redirect(target))
    assert message in refused(file, tmp_path)
    assert len(server.seen) == 1
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "https://LOCALHOST/",
        "http://[::1]/",
        "http://127.0.0.1\\@example.org/",  # of which others read that it names a user
    ],
)
def test_servers_elsewhere_do_not_lead_to_this_machine(target: str) -> None:
    with pytest.raises(Refused, match="this machine"):
        redirected("https://example.org/x", target)


def test_a_signed_url_keeps_its_secret(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.will(PATH, faults.redirect("http://example.org/x?signature=secret"))
    assert "secret" not in refused(file, tmp_path)


@pytest.mark.parametrize(
    "url", ["https://example.org/a", "http://127.0.0.1:80/", "http://localhost/", "http://[::1]:8/"]
)
def test_addresses_that_may_be_asked(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize("url", ["http://example.org/", "file:///x", "example.org", "", "https://", "https://h:port/"])
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(Refused):
        check_address(url)


def test_a_port_where_nobody_listens_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
    file = RemoteFile("images.zip", url, promised(), "https://doi.org/10.0/X")
    with pytest.raises(DownloadError, match="cannot be reached: Connection refused") as caught:
        get(file, tmp_path)
    assert not caught.value.answered


# Waiting.


class Recording(Stop):
    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def test_what_the_server_asks_for_is_waited_up_to_a_limit(server: FaultServer, tmp_path: Path) -> None:
    file, stop = remote(server), Recording()
    server.will(PATH, faults.status(429, Retry_After="7"), faults.status(503, Retry_After="9999"))
    patience = replace(HASTY, first_wait=1, longest_wait=120)
    check_whole(get(file, tmp_path, stop=stop, patience=patience), tmp_path)
    assert stop.waits == [7, 120]


def test_waits_without_a_word_from_the_server_double(server: FaultServer, tmp_path: Path) -> None:
    file, stop = remote(server), Recording()
    server.will(PATH, *[faults.status(500)] * 5)
    get(file, tmp_path, stop=stop, patience=replace(HASTY, attempts=6, first_wait=1, longest_wait=120))
    assert stop.waits >= [0.5, 1, 2, 4, 8]
    assert all(2**index / 2 <= wait <= 2**index for index, wait in enumerate(stop.waits))


def test_pace_is_that_of_a_whole_window(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pauses = iter([9, 1] * 5 + [10])  # a pause shorter than a window is none
    bodies = iter([b"x", bytes(1000)] * 5 + [bytes(999)])

    class Slow(HTTPResponse):
        def read1(self, *_: object) -> bytes:
            now[0] += next(pauses)
            return next(bodies)

    pieces = received(Slow(), Patience(window=10, slowest=100), Stop())
    assert sum(len(next(pieces)) for _ in range(11)) == 5 * 1001 + 999
    with pytest.raises(Broken, match="999 bytes in 10 seconds"):
        next(pieces)


def test_stopping_is_noticed_inside_a_read(server: FaultServer, tmp_path: Path) -> None:
    file, stop = remote(server), Stop()
    server.will(PATH, faults.fall_silent(50_000))
    part = tmp_path / "images.zip.part"
    asked = []

    def ask() -> None:
        while not (part.exists() and part.stat().st_size == 50_000):
            time.sleep(0.01)
        asked.append(time.monotonic())
        stop.ask()

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(Interrupted):
        get(file, tmp_path, stop=stop, patience=replace(HASTY, silence=30))
    latency = time.monotonic() - asked[0]
    thread.join()
    assert latency < 1
    assert get(file, tmp_path).transferred == SIZE - 50_000


def test_stopping_is_noticed_while_the_answer_is_awaited(server: FaultServer, tmp_path: Path) -> None:
    file, stop, asked = remote(server), Stop(), []

    def silent(exchange: faults.Exchange) -> None:
        asked.append(time.monotonic())
        stop.ask()
        exchange.wait(60)

    server.will(PATH, silent)
    with pytest.raises(Interrupted):
        get(file, tmp_path, stop=stop, patience=replace(HASTY, silence=30, answer=30))
    assert time.monotonic() - asked[0] < 1


def test_nothing_begins_after_stopping(server: FaultServer, tmp_path: Path) -> None:
    file, stop = remote(server), Stop()
    stop.ask()
    with pytest.raises(Interrupted):
        get(file, tmp_path, stop=stop)
    assert server.seen == []


# The disk.


def test_a_full_disk_is_an_error_and_leaves_what_fits(server: FaultServer, tmp_path: Path) -> None:
    code = f"""
import resource, sys
from pathlib import Path
from skineval.data.fetch.download import download
from skineval.base.files import DiskError
from tests.data.fetch.test_download import HASTY, RemoteFile, promised
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    download(RemoteFile("images.zip", {remote(server).url!r}, promised(), "p"), Path(sys.argv[1]), patience=HASTY)
except DiskError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert "Cannot write" in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert "Free some space" in done.stdout
    assert (tmp_path / "images.zip.part").read_bytes() == CONTENT[:100_000]
    assert not (tmp_path / "images.zip").exists()
    receipt = get(remote(server), tmp_path)
    check_whole(receipt, tmp_path)
    assert receipt.transferred == SIZE - 100_000


def test_a_folder_that_cannot_be_made_is_named(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"Cannot write .*file.sub"):
        get(remote(server), tmp_path / "file" / "sub")


def test_memory_stays_flat(server: FaultServer, tmp_path: Path) -> None:
    content = archive(20_000_000)
    file = remote(server, content)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        check = get(file, tmp_path)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert check.verified.size == len(content)
    assert peak < 6_000_000


# Manual placement.


def test_a_file_placed_by_hand_is_accepted(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(CONTENT)
    receipt = get(remote(server), tmp_path)
    assert receipt.status == "already there"
    assert server.seen == []


@pytest.mark.parametrize("wrong", [b"", CONTENT[:-1], OTHER, faults.PAGE])
def test_a_wrong_file_is_replaced_only_by_the_right_one(server: FaultServer, tmp_path: Path, wrong: bytes) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(wrong)
    file = remote(server)
    server.will(PATH, faults.status(404))
    with pytest.raises(DownloadError):
        get(file, tmp_path)
    assert path.read_bytes() == wrong
    noting = Noting()
    check_whole(get(file, tmp_path, watcher=noting), tmp_path)
    assert "is not used" in noting.notes[0]


def test_nothing_is_written_where_everything_is_there(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images.zip").write_bytes(CONTENT)
    monkeypatch.setattr(download_module, "FileLock", None)
    get(remote(server), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["images.zip"]


# Tables.


def table(server: FaultServer, content: str, checksum: str = "", rows: int = 50) -> RemoteFile:
    promise = Promise("table", None, (Checksum("md5", checksum or md5(b"another representation")),), rows)
    url = server.host(PATH, content.encode(), content_type="text/csv")
    return RemoteFile("metadata.csv", url, promise, "https://doi.org/10.0/X", ("metadata.tab", "metadata"))


def test_a_table_with_its_checksum_needs_no_more(server: FaultServer, tmp_path: Path) -> None:
    assert get(table(server, TABLE, md5(TABLE.encode())), tmp_path).verified.by == "md5"


@pytest.mark.parametrize("text", [TABLE, TABLE.replace(",", "\t"), "\ufeff" + TABLE, TABLE.replace("\n", "\r\n")])
def test_a_table_in_another_representation_is_proved_by_its_rows(
    server: FaultServer, tmp_path: Path, text: str
) -> None:
    assert get(table(server, text), tmp_path).verified.by == "50 rows"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLE[:-16], "49 rows; there are 50 at least"),
        (TABLE[:-4], "row 51 has 1 fields"),
        (TABLE.replace("ISIC_0000003,nv", "ISIC_0000003,nv,x"), "row 5 has 3 fields and its header 2"),
        ("<html>" + TABLE, "web page"),
        ("one column\n" * 60, "names no columns"),
        ('a,b\n"c,d\n' * 60, "no table"),
    ],
)
def test_what_is_no_table_is_refused(server: FaultServer, tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(table(server, text), tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.tab", "metadata"])
def test_a_table_placed_by_hand_may_have_the_name_a_browser_gave_it(
    server: FaultServer, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(TABLE)
    receipt = get(table(server, TABLE), tmp_path)
    assert (receipt.status, receipt.path.name) == ("already there", name)
    assert server.seen == []


# Documents.


def test_a_document_is_read_through_what_goes_away(server: FaultServer) -> None:
    url = server.host("/list", b'{"a": 1}', content_type="application/json")
    server.will("/list", faults.status(503), cut(3), faults.hang_up)
    assert json.loads(read_document(url, patience=HASTY)) == {"a": 1}
    assert server.seen[0].headers["accept"] == "application/json"


@pytest.mark.parametrize("fault", [faults.status(403), faults.web_page(), faults.redirect("file:///etc/passwd")])
def test_a_document_that_cannot_be_had_is_named(server: FaultServer, fault: faults.Fault) -> None:
    url = server.host("/list", b"{}")
    server.will("/list", fault)
    with pytest.raises(DownloadError, match="/list cannot be read") as caught:
        read_document(url, patience=HASTY)
    assert caught.value.answered


def test_a_document_without_end_is_refused(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "DOCUMENT_BYTES", 1000)
    url = server.host("/list", bytes(5000))
    with pytest.raises(DownloadError, match="more than 1000 bytes"):
        read_document(url, patience=HASTY)


# Other processes.

DOWNLOAD = """
import sys
from pathlib import Path
from skineval.data.fetch.download import RemoteFile, download
from skineval.data.fetch.verification import Checksum, Promise
url, size, md5, folder = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
promise = Promise("zip", int(size), (Checksum("md5", md5),))
print(download(RemoteFile("images.zip", url, promise, "page"), Path(folder)).status)
"""


def process(file: RemoteFile, folder: Path) -> subprocess.Popen[str]:
    promise = file.promise
    arguments = [file.url, str(promise.size), promise.checksums[0].value, str(folder)]
    started = subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_two_processes_fetch_one_file_once(server: FaultServer, tmp_path: Path) -> None:
    file = remote(server)
    server.will(PATH, faults.drip(50_000, 0.1))
    running = [process(file, tmp_path) for _ in range(2)]
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = sorted(one.communicate(timeout=30)[0].strip() for one in running)
    assert said == ["already there", "fetched"]
    assert server.sent[PATH] == SIZE
    assert left(tmp_path) == ["images.zip"]


def test_what_another_process_placed_before_the_lock_was_had_is_not_fetched_again(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(FileLock):
        def acquire(self, *arguments: object, **options: object) -> object:
            (tmp_path / "images.zip").write_bytes(CONTENT)
            return super().acquire(*arguments, **options)  # type: ignore[arg-type]

    file = remote(server)
    monkeypatch.setattr(download_module, "FileLock", Late)
    assert get(file, tmp_path).status == "already there"
    assert server.seen == []


@pytest.mark.parametrize("when", [0.1, 0.5, 0.9])
def test_a_killed_process_loses_no_more_than_what_was_under_way(
    server: FaultServer, tmp_path: Path, when: float
) -> None:
    file = remote(server)
    server.will(PATH, faults.drip(10_000, 0.02))
    running = process(file, tmp_path)
    assert running.stdin is not None
    running.stdin.write("go\n")
    running.stdin.flush()
    part = tmp_path / "images.zip.part"
    while not (part.exists() and part.stat().st_size >= when * SIZE):
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdin.close()
    assert running.stdout is not None
    running.stdout.close()
    time.sleep(0.1)  # until the server notices
    receipt = get(file, tmp_path)
    check_whole(receipt, tmp_path)
    assert receipt.status == "resumed"
    assert receipt.transferred <= SIZE * (1 - when)
    assert server.sent[PATH] - SIZE <= 3 * 10_000
