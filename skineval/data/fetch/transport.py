"""One GET over HTTP: which addresses are asked, where redirects may lead, and how long an answer may take."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from importlib.metadata import version

from skineval.base.errors import Interrupted

REDIRECTS = 10  #: followed at most
CHUNK = 1 << 18  #: bytes read at most at a time

_REDIRECTING = (301, 302, 303, 307, 308)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: What may stand in a URL as it is; whatever else a redirect holds is quoted.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class Refused(Exception):  # noqa: N818 - not an error yet: whoever asked says what it means
    """What was asked for cannot be had, and asking again would not help; the text says why."""

    answered = True


class Broken(Exception):  # noqa: N818
    """It did not work this time. `after` is how many seconds the server asks to wait."""

    def __init__(self, reason: str, after: float | None = None, answered: bool = True) -> None:
        super().__init__(reason)
        self.after = after
        self.answered = answered  #: False where there was no server to speak to


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds, and how often it is asked."""

    connect: float = 10.0  #: until it takes the call
    silence: float = 30.0  #: until it sends its next byte
    answer: float = 60.0  #: until its status and headers are complete
    window: float = 30.0  #: over which its rate is measured
    slowest: float = 1024.0  #: bytes a second; a server slower than that over a window has stalled
    attempts: int = 6  #: in a row that bring nothing
    first_wait: float = 1.0  #: before the second attempt; twice as long before each further one
    longest_wait: float = 120.0  #: whatever the server asks for


class Stop:
    """Asked for once, noticed by every thread: while it waits, between two reads, and inside one."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def ask(self) -> None:
        """Make every thread that downloads raise Interrupted at once."""
        with self._lock:
            self._asked.set()
            for line in self._open:
                _shut(line)

    def check(self) -> None:
        """Raise Interrupted where stopping was asked for."""
        if self._asked.is_set():
            raise Interrupted

    def wait(self, seconds: float) -> None:
        """Sleep; raise Interrupted where stopping is asked for meanwhile."""
        if self._asked.wait(seconds):
            raise Interrupted

    @contextmanager
    def watching(self, line: socket.socket) -> Iterator[None]:
        """Shut `line` when stopping is asked for, so that no thread goes on reading from it."""
        with self._lock:
            self.check()
            self._open.add(line)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(line)


@dataclass(frozen=True)
class Answer:
    """Status and headers of a response; the names of headers in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The value of a header; "" where there is none."""
        return self.headers.get(name, "")


@dataclass(frozen=True)
class Response:
    """An answer whose body is still to be read."""

    answer: Answer
    url: str  #: that answered, after redirects
    body: http.client.HTTPResponse

    def read(self, limit: int = CHUNK) -> bytes:
        """The next bytes as they arrive, at most `limit`; b"" at the end. Raises Broken."""
        with _failures():
            return self.body.read1(limit)


class Pace:
    """Notices a server that sends too little to ever finish, though enough to keep the connection alive."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._since, self._bytes = clock(), 0

    def received(self, count: int) -> None:
        """Count bytes that arrived; raises Broken at the end of a window with too few."""
        self._bytes += count
        elapsed = self._clock() - self._since
        if elapsed < self._patience.window:
            return
        if self._bytes < self._patience.slowest * elapsed:
            raise Broken(f"the server stalled: {self._bytes} bytes in {elapsed:.0f} seconds")
        self._since, self._bytes = self._clock(), 0


@contextmanager
def get(url: str, headers: Mapping[str, str], patience: Patience, stop: Stop) -> Iterator[Response]:
    """The answer to a GET of `url`, redirects followed.

    Raises Refused where an address is not to be asked or its certificate is wrong, Broken where the network fails.
    """
    check_address(url)
    for _ in range(REDIRECTS + 1):
        connection = _connection(url, patience)
        try:
            line = _connect(connection, patience)
            with stop.watching(line):
                with _deadline(line, patience.answer):
                    answer, body = _ask(connection, url, headers)
                with body:
                    if answer.status not in _REDIRECTING:
                        yield Response(answer, url, body)
                        return
        finally:
            connection.close()
        url = redirected(url, answer.header("location"))
    raise Refused(f"the server redirects more than {REDIRECTS} times")


def check_address(url: str) -> None:
    """Raise Refused unless `url` is https, or http on this machine, and names a host and no user."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"{url} is no URL: {error}") from error
    if parts.scheme not in ("https", "http") or not host:
        raise Refused(f"{shown(url)} is not an https:// URL")
    if parts.username is not None or parts.password is not None:
        raise Refused(f"the URL for {host} names a user")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise Refused(f"{shown(url)} is not encrypted; http is for this machine alone")


def redirected(url: str, location: str) -> str:
    """Where `url` leads with the header Location. Raises Refused for what no server should lead to."""
    if not location:
        raise Refused("the server redirects to nowhere")
    try:
        target = urllib.parse.urljoin(url, urllib.parse.quote(location, safe=_SAFE))
    except ValueError as error:
        raise Refused(f"the server redirects to {location}, which is no URL") from error
    try:
        check_address(target)
    except Refused as problem:
        raise Refused(f"the server redirects where nothing is fetched from: {problem}") from problem
    # A server elsewhere has no business with what runs on this machine.
    if is_loopback(target) and not is_loopback(url):
        raise Refused(f"the server redirects to this machine: {shown(target)}")
    return target


def is_loopback(url: str) -> bool:
    """Whether `url` is on this machine."""
    return urllib.parse.urlsplit(url).hostname in _LOOPBACK


def shown(url: str) -> str:
    """`url` for a message: a signed one holds its secret in the query."""
    return urllib.parse.urlsplit(url)._replace(query="", fragment="").geturl()


def _connect(connection: http.client.HTTPConnection, patience: Patience) -> socket.socket:
    try:
        with _failures():
            connection.connect()
    except ssl.SSLCertVerificationError as error:
        raise Refused(f"the server has a certificate that cannot be trusted: {error.verify_message}") from error
    except Broken as problem:
        raise Broken(f"the server cannot be reached: {problem}", answered=False) from problem
    line = connection.sock
    assert isinstance(line, socket.socket)
    line.settimeout(patience.silence)
    return line


def _ask(
    connection: http.client.HTTPConnection, url: str, headers: Mapping[str, str]
) -> tuple[Answer, http.client.HTTPResponse]:
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    # Some repositories turn away programs that do not say who they are.
    sent = {"User-Agent": f"skineval/{version('skineval')}", "Accept-Encoding": "identity", "Accept": "*/*", **headers}
    with _failures():
        connection.request("GET", path, headers=sent)
        body = connection.getresponse()
    return Answer(body.status, _lower(body.msg)), body


@contextmanager
def _failures() -> Iterator[None]:
    """Say in one way what goes wrong on the network."""
    try:
        yield
    except http.client.InvalidURL as error:
        raise Refused(f"the URL cannot be asked for: {error}") from error
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError as error:
        raise Broken("the server was silent for too long") from error
    except http.client.IncompleteRead as error:
        raise Broken("the connection was cut") from error
    except (OSError, http.client.HTTPException) as error:
        raise Broken(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _lower(message: Message) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in message.items()}


def _connection(url: str, patience: Patience) -> http.client.HTTPConnection:
    """A connection to the host of `url`, through the proxy of the environment where there is one."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=patience.connect)
    context = ssl.create_default_context()
    proxy = None if is_loopback(url) or urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    if not proxy:
        return http.client.HTTPSConnection(host, parts.port, timeout=patience.connect, context=context)
    through = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = http.client.HTTPSConnection(
        through.hostname or "", through.port or 8080, timeout=patience.connect, context=context
    )
    connection.set_tunnel(host, parts.port or 443, headers=_credentials(through))
    return connection


def _credentials(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


@contextmanager
def _deadline(line: socket.socket, seconds: float) -> Iterator[None]:
    """Shut `line` after so many seconds: a timeout of the socket begins anew with every byte."""
    timer = threading.Timer(seconds, _shut, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(line: socket.socket) -> None:
    """End whatever another thread reads from `line`."""
    with suppress(OSError):
        # Below TLS: the shutdown of an SSLSocket would take the session away under its reader's hands.
        socket.socket.shutdown(line, socket.SHUT_RDWR)
