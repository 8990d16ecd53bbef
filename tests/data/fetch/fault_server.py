"""A web server on this machine that does to its clients what networks and repositories do to them.

Files are served as by a good server (ranges, If-Range, ETag) except where a script says what goes wrong with the next
requests for them. Every request and every byte of a body is counted.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import socket
import ssl
import struct
import threading
import zipfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import urlsplit

import numpy as np

MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"
PIECE = 1 << 14  #: bytes that are counted at a time
PAGE = b"<!DOCTYPE html><html><body>Please log in.</body></html>"


@dataclass(frozen=True)
class Hosted:
    """A file as the server has it; an empty ETag or date is not sent."""

    content: bytes
    etag: str
    modified: str = MODIFIED
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Seen:
    """A request that was made; the names of headers in lower case."""

    path: str
    query: str
    headers: Mapping[str, str]


class Exchange:
    """One request and what the server does with it."""

    def __init__(self, server: FaultServer, handler: BaseHTTPRequestHandler, path: str) -> None:
        self.server, self.handler, self.path = server, handler, path

    @property
    def hosted(self) -> Hosted:
        """The file that was asked for."""
        return self.server.files[self.path]

    def start(self, status: int, headers: Mapping[str, object]) -> None:
        """Send status and headers."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name, str(value))
        self.handler.end_headers()

    def send(self, body: bytes) -> None:
        """Send bytes of the body, counted before they leave: whoever has them may look at the count at once."""
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            self.server.sent[self.path] += len(piece)
            self.handler.wfile.write(piece)

    def wait(self, seconds: float) -> None:
        """Do nothing for a while, or until the server closes."""
        self.server.closing.wait(seconds)

    def reset(self) -> None:
        """Cut the connection so that the client's side fails instead of ending."""
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.connection.close()

    def good(self) -> tuple[int, dict[str, object], bytes]:
        """Status, headers and body with which a good server answers."""
        hosted, headers = self.hosted, self.handler.headers
        about = {"Content-Type": hosted.content_type, "Accept-Ranges": "bytes"}
        about |= {"ETag": hosted.etag} if hosted.etag else {}
        about |= {"Last-Modified": hosted.modified} if hosted.modified else {}
        wanted = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        total = len(hosted.content)
        if wanted is None or headers.get("If-Range", hosted.etag) not in (hosted.etag, hosted.modified):
            return 200, {**about, "Content-Length": total}, hosted.content
        first = int(wanted[1])
        if first >= total:
            return 416, {**about, "Content-Range": f"bytes */{total}", "Content-Length": 0}, b""
        span = {"Content-Range": f"bytes {first}-{total - 1}/{total}", "Content-Length": total - first}
        return 206, {**about, **span}, hosted.content[first:]


Fault: TypeAlias = Callable[[Exchange], None]


class FaultServer:
    """The server; `with running() as server:` starts and stops it."""

    def __init__(self) -> None:
        self.files: dict[str, Hosted] = {}
        self.scripts: dict[str, deque[Fault]] = defaultdict(deque)
        self.seen: list[Seen] = []
        self.sent: Counter[str] = Counter()  #: bytes of bodies by path
        self.closing = threading.Event()
        self.address = ""  #: URL without a slash at its end

    def host(self, path: str, content: bytes, **options: str) -> str:
        """Serve `content` at `path`; its URL."""
        etag = options.pop("etag", f'"{hashlib.md5(content).hexdigest()}"')
        self.files[path] = Hosted(content, etag, **options)
        return self.address + path

    def will(self, path: str, *faults: Fault) -> None:
        """Do this to the next requests for `path`, one after the other."""
        self.scripts[path].extend(faults)

    def asked(self, path: str) -> list[Seen]:
        """The requests made for `path`."""
        return [seen for seen in self.seen if seen.path == path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        self.seen.append(
            Seen(parts.path, parts.query, {name.lower(): value for name, value in handler.headers.items()})
        )
        script = self.scripts[parts.path]
        exchange = Exchange(self, handler, parts.path)
        if script:
            script.popleft()(exchange)
        elif parts.path in self.files:
            good(exchange)
        else:
            status(404)(exchange)


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """A server of its own on a free port."""
    faults = FaultServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            # Whoever hangs up has a reason that the test knows.
            try:
                faults.answer(self)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError, OSError, ValueError):
                pass

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Nothing: see do_GET."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        faults.address = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield faults
        finally:
            faults.closing.set()
            server.shutdown()
            thread.join()


def good(exchange: Exchange) -> None:
    """No fault at all."""
    code, headers, body = exchange.good()
    exchange.start(code, headers)
    exchange.send(body)


def cut(after: int, reset: bool = False) -> Fault:
    """Close the connection after so many bytes of the body; rudely if `reset`."""

    def fault(exchange: Exchange) -> None:
        code, headers, body = exchange.good()
        exchange.start(code, headers)
        exchange.send(body[:after])
        if reset:
            exchange.reset()

    return fault


def hang_up(exchange: Exchange) -> None:
    """Close the connection without a word."""


def drip(piece: int, every: float) -> Fault:
    """Send the body in small pieces, slowly."""

    def fault(exchange: Exchange) -> None:
        code, headers, body = exchange.good()
        exchange.start(code, headers)
        for start in range(0, len(body), piece):
            exchange.send(body[start : start + piece])
            exchange.wait(every)

    return fault


def drip_headers(every: float) -> Fault:
    """Send headers that never end, one after the other."""

    def fault(exchange: Exchange) -> None:
        exchange.handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            exchange.handler.wfile.write(f"X-{number}: 0\r\n".encode())
            exchange.wait(every)

    return fault


def fall_silent(after: int) -> Fault:
    """Send so many bytes of the body, and then nothing, with the connection open."""

    def fault(exchange: Exchange) -> None:
        code, headers, body = exchange.good()
        exchange.start(code, headers)
        exchange.send(body[:after])
        exchange.wait(60)

    return fault


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with this status; underscores in the names of headers are hyphens."""

    def fault(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.start(code, {"Content-Length": len(body), **named})
        exchange.send(body)

    return fault


def redirect(to: str, code: int = 302) -> Fault:
    """Lead elsewhere."""
    return status(code, Location=to)


def lie_about_length(by: int) -> Fault:
    """Promise so many bytes more than are sent, or less."""

    def fault(exchange: Exchange) -> None:
        code, headers, body = exchange.good()
        exchange.start(code, {**headers, "Content-Length": len(body) + by})
        exchange.send(body)

    return fault


def without_length(extra: bytes = b"") -> Fault:
    """Promise no length: the end of the connection is that of the file; `extra` comes after it."""

    def fault(exchange: Exchange) -> None:
        code, headers, body = exchange.good()
        exchange.start(code, {name: value for name, value in headers.items() if name != "Content-Length"})
        exchange.send(body + extra)

    return fault


def chunked(after: int | None = None) -> Fault:
    """Send the body in chunks; only so many bytes of it where `after` is given, and no last chunk."""

    def fault(exchange: Exchange) -> None:
        code, headers, body = exchange.good()
        named = {name: value for name, value in headers.items() if name != "Content-Length"}
        exchange.start(code, {**named, "Transfer-Encoding": "chunked"})
        piece = body[:after]
        exchange.server.sent[exchange.path] += len(piece)
        exchange.handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) + (b"0\r\n\r\n" if after is None else b""))

    return fault


def without_ranges(after: int | None = None) -> Fault:
    """Send the whole file whatever part was asked for."""

    def fault(exchange: Exchange) -> None:
        hosted = exchange.hosted
        exchange.start(200, {"Content-Length": len(hosted.content), "ETag": hosted.etag})
        exchange.send(hosted.content[:after])

    return fault


def another_range(shift: int) -> Fault:
    """Send a part that begins elsewhere than was asked for, and say so."""

    def fault(exchange: Exchange) -> None:
        content = exchange.hosted.content
        wanted = re.fullmatch(r"bytes=(\d+)-", exchange.handler.headers.get("Range", ""))
        first = max(0, int(wanted[1] if wanted else 0) + shift)
        span = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        exchange.start(206, {**span, "Content-Length": len(content) - first, "ETag": exchange.hosted.etag})
        exchange.send(content[first:])

    return fault


def part_of_another_version(content: bytes, etag: str) -> Fault:
    """Have another file and send what was asked for of that, If-Range or not."""

    def fault(exchange: Exchange) -> None:
        exchange.server.files[exchange.path] = Hosted(content, etag)
        wanted = re.fullmatch(r"bytes=(\d+)-", exchange.handler.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        span = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        exchange.start(206, {**span, "Content-Length": len(content) - first, "ETag": etag})
        exchange.send(content[first:])

    return fault


def change(content: bytes, then: Fault = good) -> Fault:
    """Have another file from now on."""

    def fault(exchange: Exchange) -> None:
        exchange.server.host(exchange.path, content)
        then(exchange)

    return fault


def compressed(exchange: Exchange) -> None:
    """Send the file gzipped although nobody asked for that."""
    body = gzip.compress(exchange.hosted.content)
    exchange.start(200, {"Content-Length": len(body), "Content-Encoding": "gzip", "ETag": exchange.hosted.etag})
    exchange.send(body)


def web_page(content_type: str = "text/html; charset=utf-8", code: int = 200) -> Fault:
    """Send a page to log in."""
    return status(code, PAGE, Content_Type=content_type)


def corrupt(exchange: Exchange) -> None:
    """Send the file with one bit wrong."""
    code, headers, body = exchange.good()
    exchange.start(code, headers)
    exchange.send(body[:-1] + bytes([body[-1] ^ 1]))


def archive(size: int, seed: int = 0) -> bytes:
    """A zip archive of about so many bytes that cannot be compressed further."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        info = zipfile.ZipInfo("noise.bin", date_time=(2025, 1, 1, 0, 0, 0))
        made.writestr(info, np.random.default_rng(seed).bytes(size))
    return buffer.getvalue()


def md5(content: bytes) -> str:
    """What a repository would publish as the checksum of `content`."""
    return hashlib.md5(content).hexdigest()


def dataverse(server: FaultServer, files: Mapping[str, bytes], tabular: Mapping[str, bytes]) -> None:
    """Be a Dataverse installation with one data set; its data files are redirected to a storage, as they are there."""
    listed = []
    for id_, (name, content) in enumerate({**files, **tabular}.items(), start=100):
        table = name in tabular
        # Of a table that was converted, the repository tells the size of the conversion and a checksum of either.
        file = {"id": id_, "filename": name, "filesize": len(content) + 7 * table, "md5": md5(content + b"x" * table)}
        listed.append({"label": name, "dataFile": file | ({"originalFileFormat": "text/csv"} if table else {})})
        server.host(f"/storage/{id_}", content, content_type="text/csv" if table else "application/zip")
        server.files[f"/api/access/datafile/{id_}"] = Hosted(b"", "")
        server.will(f"/api/access/datafile/{id_}", *[redirect(f"/storage/{id_}?signature=secret")] * 50)
    document = {"status": "OK", "data": {"latestVersion": {"files": listed}}}
    server.host("/api/datasets/:persistentId/", json.dumps(document).encode(), content_type="application/json")


def zenodo(server: FaultServer, record: str, files: Mapping[str, bytes]) -> None:
    """Be a Zenodo with one record."""
    listed = []
    for name, content in files.items():
        url = server.host(f"/api/records/{record}/files/{name}/content", content)
        listed.append({"key": name, "size": len(content), "checksum": f"md5:{md5(content)}", "links": {"self": url}})
    server.host(f"/api/records/{record}", json.dumps({"files": listed}).encode(), content_type="application/json")
