"""What somebody might send who means no good, and what comes of it: row by row a status, and never a traceback."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import urllib3

from skineval.base.errors import CellError
from skineval.demo import limits
from skineval.demo.limits import LOOPBACK, PLACES, Refused, check_names
from skineval.demo.routes import LOOKED, make_app
from skineval.demo.samples import Samples
from tests.data.folders import encoded, photograph
from tests.demo.conftest import get, post, served
from tests.demo.openapi import check, schema_of

PHOTO = encoded(photograph(1, 90, 60))


def bomb() -> bytes:
    """A small JPEG file that says it has 60,000 x 60,000 pixels."""
    place = PHOTO.index(b"\xff\xc0") + 5
    return PHOTO[:place] + (60_000).to_bytes(2, "big") * 2 + PHOTO[place + 4 :]


REFUSED = {
    "10 MB": (bytes(10 * 2**20), {}, {}, 413),
    "a bomb": (bomb(), {}, {}, 415),
    "no image": (b"<html>", {}, {}, 415),
    "nothing": (b"", {}, {}, 415),
    "half an image": (PHOTO[: len(PHOTO) // 2], {}, {}, 415),
    "a foreign host": (PHOTO, {"Host": "evil.example"}, {}, 400),
    "a foreign page": (PHOTO, {"Origin": "https://evil.example"}, {}, 403),
    "an unknown explainer": (PHOTO, {}, {"explainer": "<script>"}, 400),
    "an unknown class": (PHOTO, {}, {"target": "../etc"}, 400),
    "too many fields": (PHOTO, {}, {f"f{number}": "" for number in range(9)}, 400),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_a_status_and_without_a_path(address, case):
    content, headers, fields, status = REFUSED[case]
    response = post(address, content, headers, **fields)
    assert response.status == status
    check(response.json(), schema_of("/api/predict", "post", status))
    text = response.data.decode()
    assert not [word for word in ("Traceback", "/", ".py", "script") if word in text.replace("image/", "")]


def test_a_form_without_an_image_and_no_form_at_all_are_refused(address):
    url = f"{address}api/predict"
    assert urllib3.request("POST", url, fields={"explainer": "gradcam"}).status == 400
    assert urllib3.request("POST", url, fields={"photo": ("a.jpg", PHOTO)}).status == 400
    assert urllib3.request("POST", url, body=PHOTO, headers={"Content-Type": "image/jpeg"}).status == 415
    assert urllib3.request("GET", url).status == 405


@pytest.mark.parametrize(
    "path", ["nothing", "../pyproject.toml", "page/../../routes.py", "api/samples/-1", "api/samples/x"]
)
def test_there_is_nothing_elsewhere(address, path):
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as raw:  # clients would tidy the path up
        raw.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(100).split()[1] == b"404"


@pytest.mark.parametrize("path", ["", "page.js", "api/model", "nothing"])
def test_every_answer_forbids_what_is_not_the_pages_own(address, path):
    headers = urllib3.request("GET", address + path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def names(host: str, origin: str | None = None, **options: bool) -> int:
    """The status of a request that names these; 200 where it is let in."""
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    try:
        check_names(SimpleNamespace(headers=headers), LOOPBACK, **{"any_address": False, **options})
    except Refused as refused:
        return refused.status
    return 200


def test_only_names_of_this_machine_lead_here():
    known = [names(host) for host in ("localhost", "127.0.0.1:8642", "[::1]:80", "LOCALHOST")]
    assert known == [200] * 4
    strange = ("evil.example", "", "127.0.0.1.evil.example", "localhost.", "192.168.0.7", "[::1", "a@b@localhost:1x")
    assert [names(host) for host in strange[:6]] == [400] * 6
    assert names("localhost", "http://localhost:1234") == 200
    assert names("localhost", "null") == 403


def test_where_it_is_exposed_addresses_lead_here_and_names_do_not():
    assert names("192.168.0.7:8642", any_address=True) == 200
    assert names("evil.example", any_address=True) == 400


class Model:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.asked: list[bytes] = []

    def answer(self, content: bytes, explainer: str, target: str) -> dict[str, object]:
        self.asked.append(content)
        self.told.wait(60)
        if content == b"ill":
            raise CellError("/home/somebody/model.py failed")
        if content == b"worse":
            raise RuntimeError("/home/somebody/model.py failed")
        return {}


@pytest.fixture
def model(monkeypatch):
    """A model of which nothing is known, and its page."""
    monkeypatch.setattr("skineval.demo.routes.statement", lambda shown, samples: {})
    found = Model()
    with served(make_app(found, Samples("", ()))) as address:
        yield found, address
        found.told.set()


def test_of_fifty_at_once_as_many_wait_as_there_are_places_and_the_others_are_told(model):
    slow, address = model
    statuses: list[int] = []
    with ThreadPoolExecutor(50) as clients:
        for _ in range(50):
            clients.submit(lambda: statuses.append(post(address, b"x" * 100_000).status))
        deadline = time.monotonic() + 60
        while len(statuses) < 50 - PLACES and time.monotonic() < deadline:
            time.sleep(0.02)
        assert statuses == [503] * (50 - PLACES)
        slow.told.set()
    assert statuses[50 - PLACES :] == [200] * PLACES
    assert post(address, b"later").status == 200


def test_whoever_is_gone_takes_no_place_and_is_not_worked_for(model):
    slow, address = model
    form, impatient = {"image": ("image.jpg", b"gone")}, urllib3.Timeout(0.3)
    with ThreadPoolExecutor(PLACES) as clients:
        gone = [
            clients.submit(
                urllib3.request, "POST", f"{address}api/predict", fields=form, timeout=impatient, retries=False
            )
            for _ in range(PLACES)
        ]
    assert all(isinstance(one.exception(), urllib3.exceptions.HTTPError) for one in gone)
    time.sleep(3 * LOOKED)  # until it has been seen that they are
    slow.told.set()
    assert post(address, b"later").status == 200
    assert slow.asked == [b"gone", b"later"], "those that waited were worked for"


@pytest.mark.parametrize("content", [b"ill", b"worse"])
def test_what_goes_wrong_within_is_told_without_its_path(model, content):
    model[0].told.set()
    response = post(model[1], content)
    assert response.status == 500
    assert b"home" not in response.data
    assert "content-security-policy" in response.headers
    assert post(model[1], b"next").status == 200


@pytest.fixture
def hasty(monkeypatch):
    """Requests have to arrive in a moment."""
    monkeypatch.setattr(limits, "SECONDS", 0.4)


def ended(address: str, begin: bytes) -> bytes:
    """What is answered to a request that begins and goes no further, until the connection is closed."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(begin)
        received = b""
        while chunk := raw.recv(1000):
            received += chunk
            if b"\r\n\r\n" in received:
                break
        return received


@pytest.mark.usefixtures("hasty")
def test_whoever_sends_headers_too_slowly_is_cut_off(model):
    assert ended(model[1], b"POST /api/predict HTTP/1.1\r\nHost: loc") == b""


@pytest.mark.usefixtures("hasty")
def test_whoever_sends_an_image_too_slowly_is_told(model):
    kind = b"Content-Type: multipart/form-data; boundary=x\r\n"
    begin = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n" + kind + b"\r\n--x\r\n"
    assert b" 408 " in ended(model[1], begin)


@pytest.mark.usefixtures("hasty")
def test_whoever_waits_for_an_answer_is_not_cut_off(model):
    threading.Timer(1.0, model[0].told.set).start()
    assert post(model[1], b"x").status == 200


def test_a_chunked_request_has_the_same_limit(address):
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    chunks = iter([form, *[bytes(2**20)] * 10])
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}
    response = urllib3.request("POST", f"{address}api/predict", body=chunks, headers=headers, retries=False)
    assert response.status == 413
    assert json.loads(response.data)["error"]
    assert get(address, "api/model")["most_bytes"] < 10 * 2**20
