"""TLS and proxies, with a certificate made for the purpose."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skineval.base.errors import Interrupted
from skineval.data.fetch.download import DownloadError, RemoteFile, download, read_document
from skineval.data.fetch.transport import Patience, Stop
from skineval.data.fetch.verification import Checksum, Promise
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import FaultServer, archive, md5

CONTENT = archive(300_000)
NAME = "repository.test"
PATIENCE = Patience(connect=2, silence=30, answer=2, attempts=2, first_wait=0.001, longest_wait=0.01)

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and `NAME`, signed by nobody else, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = f"subjectAltName=DNS:localhost,DNS:{NAME}"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-days", "2", "-subj", "/CN=localhost", "-addext", names, "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[FaultServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with faults.running(context) as running:
        yield running


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


def remote(server: FaultServer, host: str = "localhost") -> RemoteFile:
    port = server.host("/file", CONTENT).rsplit(":", 1)[1]
    return RemoteFile("file.zip", f"https://{host}:{port}", Promise("zip", None, (Checksum("md5", md5(CONTENT)),)), "")


def test_a_file_arrives_over_tls(server: FaultServer, trusted: None, tmp_path: Path) -> None:
    file = remote(server)
    server.will("/file", faults.cut(100_000))
    download(file, tmp_path, patience=PATIENCE)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.sent["/file"] == len(CONTENT)


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(server: FaultServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"certificate that cannot be trusted: self.signed"):
        download(remote(server), tmp_path, patience=PATIENCE)
    assert server.seen == []


def test_a_certificate_of_another_host_is_refused(server: FaultServer, trusted: None, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="certificate that cannot be trusted"):
        download(remote(server, host="127.0.0.1"), tmp_path, patience=PATIENCE)


def test_https_does_not_lead_to_http_elsewhere(server: FaultServer, trusted: None, tmp_path: Path) -> None:
    file = remote(server)
    server.will("/file", faults.redirect("http://example.org/file"))
    with pytest.raises(DownloadError, match="not encrypted"):
        download(file, tmp_path, patience=PATIENCE)


def test_stopping_is_noticed_inside_a_read_over_tls(server: FaultServer, trusted: None, tmp_path: Path) -> None:
    file, stop, asked = remote(server), Stop(), []
    server.will("/file", faults.fall_silent(100_000))
    part = tmp_path / "file.zip.part"

    def ask() -> None:
        while not (part.exists() and part.stat().st_size == 100_000):
            time.sleep(0.01)
        asked.append(time.monotonic())
        stop.ask()

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(Interrupted):
        download(file, tmp_path, patience=PATIENCE, stop=stop)
    assert time.monotonic() - asked[0] < 1
    thread.join()


@contextmanager
def proxy(target: int) -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that connects to the local port `target` whatever it is asked for; its port, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with source, sink:
                try:
                    while data := source.recv(1 << 16):
                        sink.sendall(data)
                except OSError:
                    pass

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                asked.append(client.recv(1 << 16))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                upstream = socket.create_connection(("127.0.0.1", target))
                for pair in ((client.dup(), upstream.dup()), (upstream, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], asked
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("through", "pair"),
    [
        ("http://me:pass%40word@", "me:pass@word"),
        ("https://me:pass%40word@", "me:pass@word"),  # the connection to the proxy itself is plain, whatever it says
        ("me:pass%40word@", "me:pass@word"),
        ("me:p%C3%A4ss@", "me:päss"),
    ],
)
def test_the_proxy_of_the_environment_is_used(
    server: FaultServer, trusted: None, monkeypatch: pytest.MonkeyPatch, through: str, pair: str
) -> None:
    server.host("/list", b"{}", content_type="application/json")
    target = int(server.address.rsplit(":", 1)[1])
    with proxy(target) as (port, asked):
        monkeypatch.setenv("https_proxy", f"{through}127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        assert read_document(f"https://{NAME}/list", patience=PATIENCE) == b"{}"
    assert asked[0].startswith(f"CONNECT {NAME}:443 HTTP/1.".encode())
    fields = dict(line.lower().split(": ", 1) for line in asked[0].decode().split("\r\n")[1:] if line)
    assert fields["proxy-authorization"] == f"Basic {b64encode(pair.encode()).decode()}".lower()
    assert server.seen[0].headers["host"] == NAME
    assert "proxy-authorization" not in server.seen[0].headers


def test_this_machine_is_never_asked_for_through_a_proxy(server: FaultServer, trusted: None, monkeypatch) -> None:
    server.host("/list", b"{}")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    port = server.address.rsplit(":", 1)[1]
    assert read_document(f"https://localhost:{port}/list", patience=PATIENCE) == b"{}"
