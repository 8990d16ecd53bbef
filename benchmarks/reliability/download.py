"""Row 16: downloads that are cut, changed, slowed, led astray and lied to, by a real server on this machine."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.reliability.outcome import Outcome
from skineval.data.fetch.download import DownloadError, RemoteFile, download
from skineval.data.fetch.transport import Patience
from skineval.data.fetch.verification import Checksum, Promise
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import Fault, FaultServer, archive, cut, md5

ROW = 16
CUTS, KILLS = 200, 20
SIZE = 4_000_000  #: bytes of the file
PIECE, PAUSE = 20_000, 0.002  #: how the server sends to a program that is about to be killed: bytes, seconds
PATH = "/file"

_HASTY = Patience(
    connect=2, silence=0.5, answer=1, window=0.5, slowest=1e5, attempts=5, first_wait=0.001, longest_wait=0.01
)
_CONTENT = archive(SIZE)
_OTHER = archive(SIZE, seed=1)
_CHILD = f"""
import sys
from pathlib import Path
from skineval.data.fetch.download import RemoteFile, download
from skineval.data.fetch.verification import Checksum, Promise
promise = Promise("zip", {len(_CONTENT)}, (Checksum("md5", "{md5(_CONTENT)}"),))
print("ready", flush=True)
sys.stdin.readline()
print(download(RemoteFile("file.zip", sys.argv[1], promise, ""), Path(sys.argv[2])).status)
"""


def measure() -> list[Outcome]:
    """Cut at 200 places, kill 20 times, run twice at once, and every other fault by itself."""
    return [_cuts(), _kills(), _two_processes(), *_cases()]


def _file(server: FaultServer, content: bytes = _CONTENT) -> RemoteFile:
    promise = Promise("zip", len(content), (Checksum("md5", md5(content)),))
    return RemoteFile("file.zip", server.host(PATH, _CONTENT), promise, "")


def _whole(folder: Path, content: bytes = _CONTENT) -> bool:
    """Whether the file is there and right, and nothing else is."""
    seen = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return [path.name for path in seen] == ["file.zip"] and seen[0].read_bytes() == content


def _cuts() -> Outcome:
    """Each run is cut once, anywhere, and ends; the next goes on."""
    generator = random.Random(0)
    places = sorted(generator.sample(range(1, len(_CONTENT)), CUTS))
    with faults.running() as server, tempfile.TemporaryDirectory() as folder:
        file = _file(server)
        server.will(PATH, *[cut(end - start) for start, end in zip([0, *places], places, strict=False)])
        for _ in places:
            with suppress(DownloadError):
                download(file, Path(folder), patience=replace(_HASTY, attempts=1))
        download(file, Path(folder), patience=_HASTY)
        again = server.sent[PATH] - len(_CONTENT)
        figure = f"{len(server.asked(PATH)) - 1} resumed, {again} bytes sent again of {len(_CONTENT)}"
        right = _whole(Path(folder)) and again == 0 and len(server.asked(PATH)) == CUTS + 1
    return Outcome(ROW, f"connection cut at {CUTS} places, the program ended each time", figure, right)


def _kills() -> Outcome:
    """Each run is killed once about a twentieth of the file has arrived."""
    with faults.running() as server, tempfile.TemporaryDirectory() as folder:
        file, part = _file(server), Path(folder, "file.zip.part")
        kills = 0
        for number in range(KILLS):
            server.will(PATH, faults.drip(PIECE, PAUSE))
            running = _child(file, folder)
            goal = (number + 0.5) / (KILLS + 1) * len(_CONTENT)
            while running.poll() is None and not (part.exists() and part.stat().st_size > goal):
                time.sleep(0.001)
            kills += running.poll() is None
            running.kill()
            running.communicate()
        time.sleep(0.2)  # until the server notices the last one
        download(file, Path(folder), patience=_HASTY)
        again = server.sent[PATH] - len(_CONTENT)
        figure = f"{kills} killed, {again} bytes sent again of {len(_CONTENT)}"
        right = _whole(Path(folder)) and kills == KILLS and again <= KILLS * 3 * PIECE
    return Outcome(ROW, f"kill -9 of the program, {KILLS} times in one file", figure, right)


def _two_processes() -> Outcome:
    with faults.running() as server, tempfile.TemporaryDirectory() as folder:
        file = _file(server)
        server.will(PATH, faults.drip(PIECE, PAUSE))
        both = [_child(file, folder) for _ in range(2)]
        said = sorted(running.communicate(timeout=60)[0].strip() for running in both)
        figure = f"{' and '.join(said)}, {server.sent[PATH]} bytes sent of {len(_CONTENT)}"
        right = _whole(Path(folder)) and said == ["already there", "fetched"] and server.sent[PATH] == len(_CONTENT)
    return Outcome(ROW, "two processes with one target", figure, right)


def _child(file: RemoteFile, folder: str) -> subprocess.Popen[str]:
    """A process that downloads, its imports done."""
    command = [sys.executable, "-c", _CHILD, file.url, folder]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdout.readline()
    running.stdin.write("go\n")
    running.stdin.flush()
    return running


def _cases() -> list[Outcome]:
    middle = len(_CONTENT) // 2
    outlived: Mapping[str, list[Fault]] = {
        "status 202, 429, 500, 503": [faults.status(code) for code in (202, 429, 500, 503)],
        "no answer": [faults.hang_up],
        "reset": [cut(middle, reset=True)],
        "silence": [faults.fall_silent(middle)],
        "dripping body": [faults.drip(100, 0.01)],
        "dripping headers": [faults.drip_headers(0.1)],
        "200 for a range": [cut(middle), faults.without_ranges()],
        "another range": [cut(middle), faults.another_range(1)],
        "416": [cut(middle), faults.status(416, Content_Range="bytes */7")],
        "chunks cut": [faults.chunked(middle)],
        "redirect": [faults.redirect("/elsewhere")],
    }
    refused: Mapping[str, list[Fault]] = {
        "403": [faults.status(403)],
        "404": [faults.status(404)],
        "web page": [faults.web_page()],
        "empty body": [faults.status(200)],
        "longer than promised": [faults.lie_about_length(+9)],
        "shorter than promised": [faults.lie_about_length(-9)],
        "more than promised": [faults.without_length(b"more")],
        "one bit wrong": [faults.corrupt],
        "another file": [faults.change(_OTHER)],
        "gzip": [faults.compressed],
        "redirect to file://": [faults.redirect("file:///etc/passwd")],
        "redirect to http elsewhere": [faults.redirect("http://example.org/")],
        "redirects in a circle": [faults.redirect(PATH)] * 20,
    }
    changed: Mapping[str, list[Fault]] = {
        "new ETag": [cut(middle), faults.change(_OTHER)],
        "new file without regard to If-Range": [cut(middle), faults.part_of_another_version(_OTHER, '"new"')],
    }
    return [
        _count("outlived, file right", outlived, _arrives),
        _count("refused, nothing left behind", refused, _is_refused),
        _count("begun anew, never mixed", changed, _arrives_changed),
    ]


def _count(promise: str, cases: Mapping[str, list[Fault]], holds: Callable[[list[Fault]], bool]) -> Outcome:
    kept = [holds(script) for script in cases.values()]
    return Outcome(ROW, ", ".join(cases), f"{sum(kept)}/{len(kept)} {promise}", all(kept))


def _arrives(script: list[Fault]) -> bool:
    with faults.running() as server, tempfile.TemporaryDirectory() as folder:
        file = _file(server)
        server.host("/elsewhere", _CONTENT)
        server.will(PATH, *script)
        download(file, Path(folder), patience=_HASTY)
        return _whole(Path(folder))


def _is_refused(script: list[Fault]) -> bool:
    with faults.running() as server, tempfile.TemporaryDirectory() as folder:
        file = _file(server)
        server.will(PATH, *script)
        try:
            download(file, Path(folder), patience=_HASTY)
        except DownloadError:
            return all(path.name.startswith(".") for path in Path(folder).iterdir())
        return False


def _arrives_changed(script: list[Fault]) -> bool:
    with faults.running() as server, tempfile.TemporaryDirectory() as folder:
        file = _file(server, _OTHER)
        server.will(PATH, *script)
        download(file, Path(folder), patience=_HASTY)
        return _whole(Path(folder), _OTHER)
