"""One file over HTTP, resumed where it was cut, in its place only when it is what was promised."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from urllib3 import BaseHTTPResponse

from skineval.base.errors import DataError
from skineval.base.files import atomic_rename, atomic_write, disk_error
from skineval.data.fetch.resume import Body, Held, Outdated, header, plan, request_headers, wait_before
from skineval.data.fetch.transport import Broken, Patience, Refused, Stop, get, received, shown
from skineval.data.fetch.verification import Mismatch, Promise, Verified, verify, wrong_start

DOCUMENT_BYTES = 16_000_000  #: of a document that is read as a whole
PROGRESS = 1 << 16  #: bytes; an attempt that got so much further than all before it was not in vain

_POLL = 0.2  # seconds between looks at a lock

Result = TypeVar("Result")


class DownloadError(DataError):
    """A file that could not be had, or is not what its repository promised."""

    def __init__(self, message: str, hint: str = "", answered: bool = True) -> None:
        super().__init__(message, hint)
        self.answered = answered  #: False where there was no server to speak to


@dataclass(frozen=True)
class RemoteFile:
    """A file to download."""

    name: str  #: that it gets
    url: str
    promise: Promise
    page: str  #: where a person can download it
    also: tuple[str, ...] = ()  #: other names under which a person may have placed it


@dataclass(frozen=True)
class Receipt:
    """A file that is there and verified."""

    path: Path
    verified: Verified
    resumed: bool  #: an earlier run had left some of it
    transferred: int  #: bytes that arrived in this run, those included that had to be sent again
    requests: int  #: 0 where nothing had to be asked for

    @property
    def status(self) -> str:
        """What was done, in words."""
        if self.resumed:
            return "resumed"
        return "fetched" if self.requests else "already there"


class Watcher:
    """Told how downloads go, each from its own thread; this one does not listen."""

    def received(self, name: str, done: int, total: int | None) -> None:
        """So many bytes of the file are there."""

    def checked(self, name: str, done: int, total: int) -> None:
        """So many bytes of what is there were read to verify it."""

    def noted(self, name: str, text: str) -> None:
        """Something that a person who waits may want to know."""

    def finished(self, name: str, receipt: Receipt) -> None:
        """The file is there and verified."""


def download(
    file: RemoteFile,
    folder: Path,
    *,
    patience: Patience | None = None,
    stop: Stop | None = None,
    watcher: Watcher | None = None,
) -> Receipt:
    """The file in `folder`, downloaded where it is not there, going on from what an earlier run left.

    What has arrived lies in NAME.part, with NAME.part.json saying what it is a part of, until the whole was verified.
    Of two processes with one target, one downloads and the other waits.

    Raises DownloadError, which says how to place the file by hand, DiskError, and Interrupted.
    """
    doing = _Download(file, folder, patience or Patience(), stop or Stop(), watcher or Watcher())
    try:
        receipt = doing.run()
    except OSError as error:  # those of the network have become other errors by then
        raise disk_error(folder / file.name, error) from error
    doing.watcher.finished(file.name, receipt)
    return receipt


def read_document(url: str, *, patience: Patience | None = None, stop: Stop | None = None) -> bytes:
    """The content of a small JSON document. Raises DownloadError and Interrupted."""
    patience, stop = patience or Patience(), stop or Stop()

    def attempt() -> bytes:
        content = bytearray()
        with get(url, {"Accept": "application/json"}, patience, stop) as response:
            total = plan(Promise("table", None, ()), Held(), response).total
            for data in received(response, patience, stop):
                content += data
                if len(content) > DOCUMENT_BYTES:
                    raise Refused(f"the server sends more than {DOCUMENT_BYTES} bytes")
        if total is not None and len(content) < total:
            raise Broken(f"the connection was cut after {len(content)} of {total} bytes")
        return bytes(content)

    try:
        return _persist(attempt, patience, stop)
    except (Refused, Broken) as problem:
        raise DownloadError(
            f"{shown(url)} cannot be read: {problem}.",
            "Check the address and the connection, or the proxy in https_proxy.",
            answered=problem.answered,
        ) from problem


def _persist(
    attempt: Callable[[], Result],
    patience: Patience,
    stop: Stop,
    advanced: Callable[[], bool] = lambda: False,
    noted: Callable[[str], None] = lambda text: None,
) -> Result:
    """The result of `attempt`, tried again after Broken as often as `patience` says.

    Failures after which `advanced` is true are forgiven. Raises Refused, Interrupted, and the last Broken.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except Broken as problem:
            stop.check()  # a connection that was shut on purpose looks like one that broke
            failures = 1 if advanced() else failures + 1
            if failures >= patience.attempts:
                raise
            wait = wait_before(failures, problem.after, patience, random.random())
            noted(f"{problem}; tried again in {wait:.0f} s")
            stop.wait(wait)


class _Part:
    """The beginning of a file on disk, and beside it what it is the beginning of."""

    def __init__(self, target: Path, file: RemoteFile) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._about = target.with_name(f"{target.name}.part.json")
        self._file = file

    def held(self) -> Held:
        """What is there; nothing where it is a part of something else, or nobody knows of what."""
        promise = self._file.promise
        checksums = [str(checksum) for checksum in promise.checksums]
        try:
            received = self.path.stat().st_size
            about = json.loads(self._about.read_text(encoding="utf-8"))
            provable = promise.kind != "table" and bool(checksums) and about["checksums"] == checksums
            etag, modified = (about["etag"], about["modified"]) if about["url"] == self._file.url else ("", "")
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Held()
        if promise.size is not None and received > promise.size:
            return Held()
        return Held(received, str(etag), str(modified), provable)

    def begin(self, answer: BaseHTTPResponse) -> None:
        """Make room for a file from its first byte on; no old part is ever beside the description of a new one."""
        self.path.unlink(missing_ok=True)
        about = {
            "url": self._file.url,
            "etag": header(answer, "etag"),
            "modified": header(answer, "last-modified"),
            "size": self._file.promise.size,
            "checksums": [str(checksum) for checksum in self._file.promise.checksums],
        }
        atomic_write(self._about, json.dumps(about, indent=1) + "\n")

    def discard(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Put the whole file into its place."""
        atomic_rename(self.path, target)
        self._about.unlink(missing_ok=True)


class _Download:
    """One call of `download`: what it was asked for, and what it counts on the way."""

    def __init__(self, file: RemoteFile, folder: Path, patience: Patience, stop: Stop, watcher: Watcher) -> None:
        self._file, self._promise = file, file.promise
        self._patience, self._stop, self.watcher = patience, stop, watcher
        self._target = folder / file.name
        self._part = _Part(self._target, file)
        self._wrong: set[tuple[Path, int, int, int]] = set()  # files that are not what was promised, as they were
        self._joined = False  # the part was put together from several answers
        self._transferred = self._requests = self._furthest = 0

    def run(self) -> Receipt:
        # A file that is there needs no lock, so it may lie in a folder that is read-only.
        found = self._present()
        if found is None:
            with self._locked():
                # Another process may have placed it between that look and the lock.
                found = self._present() or self._fetch()
        return found

    def _present(self) -> Receipt | None:
        """What a person or another run placed there, where it is right; what is wrong is not read twice."""
        names = (self._file.name, *self._file.also)
        for path in filter(Path.is_file, map(self._target.with_name, names)):
            stat = path.stat()
            stamp = (path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if stamp in self._wrong:
                continue
            try:
                return Receipt(path, self._verify(path), resumed=False, transferred=0, requests=0)
            except Mismatch as problem:
                self._wrong.add(stamp)
                self._note(f"{path} is not used: {problem}")
        return None

    def _fetch(self) -> Receipt:
        self._furthest = self._part.held().offset
        resumed = self._furthest > 0
        verified = self._receive()
        self._part.finish(self._target)
        return Receipt(self._target, verified, resumed, self._transferred, self._requests)

    def _receive(self) -> Verified:
        """Ask until nothing is missing; what several answers gave and is wrong is fetched anew, once."""
        anew = False
        while True:
            try:
                _persist(self._attempt, self._patience, self._stop, self._advanced, self._note)
                return self._verify(self._part.path)
            except (Refused, Broken) as problem:
                raise self._error(str(problem), problem.answered) from problem
            except Mismatch as problem:
                self._part.discard()
                if anew or not self._joined:
                    raise self._error(f"what was received is wrong: {problem}") from problem
                anew = True
                self._note(f"put together it is wrong ({problem}): fetched anew")

    def _attempt(self) -> None:
        """Ask once for what is missing. Raises Refused, and Broken where something still is."""
        held = self._part.held()
        if held.offset and held.offset == self._promise.size:
            self._joined = True
            return
        self._requests += 1
        with get(self._file.url, request_headers(held), self._patience, self._stop) as response:
            try:
                body = plan(self._promise, held, response)
            except Outdated:
                self._part.discard()
                raise
            self._joined = body.first > 0
            if not self._joined:
                self._part.begin(response)
            self._store(received(response, self._patience, self._stop), body)

    def _store(self, pieces: Iterator[bytes], body: Body) -> None:
        """Write the body to the end of the part, where it belongs."""
        end, total = body.first, body.total
        with self._part.path.open("ab", buffering=0) as part:
            while (body.length is None or end < body.first + body.length) and (data := next(pieces, b"")):
                self._transferred += len(data)
                wrong = wrong_start(data, self._promise.kind) if end == 0 else ""
                if wrong or (total is not None and end + len(data) > total):
                    self._part.discard()
                    raise Refused(f"what the server sends {wrong or f'is longer than the {total} bytes promised'}")
                unwritten = memoryview(data)
                while unwritten:
                    unwritten = unwritten[part.write(unwritten) :]
                end += len(data)
                self.watcher.received(self._file.name, end, total)
        if end == 0:
            raise Broken("the server sends an empty body")
        if total is not None and end < total:
            raise Broken(f"the connection was cut after {end} of {total} bytes")

    def _verify(self, path: Path) -> Verified:
        total = path.stat().st_size

        def checked(done: int) -> None:
            self._stop.check()
            self.watcher.checked(self._file.name, done, total)

        return verify(path, self._promise, checked)

    def _advanced(self) -> bool:
        received = self._part.held().received
        if received < self._furthest + PROGRESS:
            return False
        self._furthest = received
        return True

    def _note(self, text: str) -> None:
        self.watcher.noted(self._file.name, text)

    def _error(self, reason: str, answered: bool = True) -> DownloadError:
        expected = f" ({self._promise.expected})" if self._promise.expected else ""
        return DownloadError(
            f"{self._file.name} cannot be fetched from {shown(self._file.url)}: {reason}.",
            f"Run the same command again, or download the file from {self._file.page} by hand, place it as "
            f"{self._target}{expected}, and run it then.",
            answered,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of the target; the system frees it should this process die."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._target.with_name(f".{self._target.name}.lock"))
        with suppress(Timeout):
            lock.acquire(timeout=_POLL)
        if not lock.is_locked:
            self._note("another process fetches it: waiting")
        while not lock.is_locked:
            self._stop.check()
            with suppress(Timeout):
                lock.acquire(timeout=_POLL)
        try:
            yield
        finally:
            lock.release()
