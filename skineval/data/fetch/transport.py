"""One GET over HTTP: which addresses are asked, where redirects may lead, and how long an answer may take."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout, connection_from_url, make_headers, proxy_from_url
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import parse_url

from skineval.base.errors import Interrupted

REDIRECTS = 10  #: followed at most
CHUNK = 1 << 18  #: bytes read at most at a time

_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


class Refused(Exception):  # noqa: N818 - not an error yet: whoever asked says what it means
    """What was asked for cannot be had, and asking again would not help; the text says why."""

    answered = True  #: by a server, unless nobody was asked


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


@contextmanager
def get(url: str, headers: Mapping[str, str], patience: Patience, stop: Stop) -> Iterator[BaseHTTPResponse]:
    """The answer to a GET of `url`, redirects followed; its body is still to be read, with `received`.

    Raises Refused where an address is not to be asked or its certificate is wrong, Broken where the network fails.
    """
    check_address(url)
    for _ in range(REDIRECTS + 1):
        with _asked(url, headers, patience, stop) as response:
            location = response.get_redirect_location()
            if location is False:
                yield response
                return
        url = redirected(url, location or "")
    raise Refused(f"the server redirects more than {REDIRECTS} times")


def received(response: BaseHTTPResponse, patience: Patience, stop: Stop) -> Iterator[bytes]:
    """The body as it arrives.

    Raises Broken where it is cut, and where too little comes to ever be all though enough to keep the connection alive;
    Interrupted where stopping is asked for.
    """
    since, count = time.monotonic(), 0
    while True:
        with _failures():
            data = response.read1(CHUNK)
        if not data:
            return
        yield data
        stop.check()
        count += len(data)
        elapsed = time.monotonic() - since
        if elapsed >= patience.window:
            if count < patience.slowest * elapsed:
                raise Broken(f"the server stalled: {count} bytes in {elapsed:.0f} seconds")
            since, count = time.monotonic(), 0


def check_address(url: str) -> None:
    """Raise Refused unless `url` is https, or http on this machine, and names a host and no user."""
    try:
        parts = parse_url(url)
    except LocationValueError as error:
        raise Refused(f"{url} is no URL: {error}") from error
    if parts.scheme not in ("https", "http") or not parts.host:
        raise Refused(f"{shown(url)} is not an https:// URL")
    if parts.auth is not None:
        raise Refused(f"the URL for {parts.host} names a user")
    if parts.scheme == "http" and not is_loopback(url):
        raise Refused(f"{shown(url)} is not encrypted; http is for this machine alone")


def redirected(url: str, location: str) -> str:
    """Where `url` leads with the header Location. Raises Refused for what no server should lead to."""
    if not location:
        raise Refused("the server redirects to nowhere")
    try:
        target = urllib.parse.urljoin(url, location)
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
    return parse_url(url).host in _LOOPBACK


def shown(url: str) -> str:
    """`url` for a message: a signed one holds its secret in the query."""
    return url.partition("#")[0].partition("?")[0]


@contextmanager
def _asked(url: str, headers: Mapping[str, str], patience: Patience, stop: Stop) -> Iterator[BaseHTTPResponse]:
    """The answer to one request, whose socket can be shut for as long as it is used."""
    # Some repositories turn away programs that do not say who they are.
    sent = {"User-Agent": f"skineval/{version('skineval')}", "Accept-Encoding": "identity", "Accept": "*/*", **headers}
    with ExitStack() as used:
        with _failures(), ExitStack() as waiting:

            def opened(line: socket.socket) -> None:
                used.enter_context(stop.watching(line))
                # A timeout of the socket begins anew with every byte.
                late = threading.Timer(patience.answer, _shut, [line])
                late.daemon = True
                late.start()
                waiting.callback(late.cancel)

            pool = used.enter_context(_pool(url, Timeout(connect=patience.connect, read=patience.silence)))
            _tell(pool, opened)
            response = pool.urlopen(
                "GET",
                parse_url(url).request_uri,
                headers=sent,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                enforce_content_length=False,
            )
        yield used.enter_context(response)


def _pool(url: str, timeout: Timeout) -> HTTPConnectionPool:
    """Connections to the host of `url`, through the proxy of the environment where there is one."""
    host = parse_url(url).host or ""
    proxy = None if is_loopback(url) or urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    if not proxy:
        return connection_from_url(url, timeout=timeout)
    through = parse_url(f"http://{proxy.rpartition('://')[2]}")
    # Bytes that stand for themselves in latin-1, which is how the pair is encoded again.
    pair = urllib.parse.unquote(through.auth, "latin-1") if through.auth else None
    headers = make_headers(proxy_basic_auth=pair)
    return proxy_from_url(through.url, proxy_headers=headers, timeout=timeout).connection_from_url(url)


def _tell(pool: HTTPConnectionPool, opened: Callable[[socket.socket], None]) -> None:
    """Have `pool` call `opened` with the socket of each connection, before anything is asked for."""

    class Telling(pool.ConnectionCls):  # type: ignore[misc,name-defined]
        def connect(self) -> None:
            with _failures("the server cannot be reached: ", answered=False):
                super().connect()
            opened(self.sock)

    pool.ConnectionCls = Telling


@contextmanager
def _failures(what: str = "", answered: bool = True) -> Iterator[None]:
    """Say in one way what goes wrong on the network."""
    try:
        yield
    except LocationValueError as error:
        raise Refused(f"the URL cannot be asked for: {error}") from error
    except (HTTPError, http.client.HTTPException, OSError) as error:
        # The library wraps what the system says, and keeps it in one of two places.
        cause = next((one for one in (error.__cause__, *error.args) if isinstance(one, Exception)), error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"the server has a certificate that cannot be trusted: {cause.verify_message}"
            raise Refused(reason) from error
        if isinstance(cause, TimeoutError):
            reason = "the server was silent for too long"
        elif isinstance(cause, http.client.IncompleteRead):
            reason = "the connection was cut"
        else:
            reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise Broken(what + reason, answered=answered) from error


def _shut(line: socket.socket) -> None:
    """End whatever another thread reads from `line`."""
    with suppress(OSError):
        # Below TLS: the shutdown of an SSLSocket would take the session away under its reader's hands.
        socket.socket.shutdown(line, socket.SHUT_RDWR)
