"""A whole data set into a folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skineval.base.errors import DataError, Interrupted
from skineval.base.files import DiskError
from skineval.data.fetch import fetch as fetch_module
from skineval.data.fetch.download import RemoteFile
from skineval.data.fetch.fetch import MANIFEST, Fetched, fetch
from skineval.data.fetch.transport import Patience, Stop
from skineval.data.fetch.verification import Checksum, Promise
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import FaultServer, archive, md5

HASTY = Patience(connect=2, silence=0.5, answer=1, attempts=3, first_wait=0.001, longest_wait=0.01)
CONTENTS = {f"part_{number}.zip": archive(50_000, seed=number) for number in range(4)}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with faults.running() as running:
        yield running


def remotes(server: FaultServer) -> list[RemoteFile]:
    return [
        RemoteFile(
            name,
            server.host(f"/{name}", content),
            Promise("zip", len(content), (Checksum("md5", md5(content)),)),
            "https://doi.org/10.0/X",
        )
        for name, content in CONTENTS.items()
    ]


def get(server: FaultServer, folder: Path, **options: object) -> Fetched:
    return fetch(remotes(server), folder, **{"patience": HASTY, **options})  # type: ignore[arg-type]


def manifest(folder: Path) -> dict[str, str]:
    lines = (folder / MANIFEST).read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def test_every_file_arrives_with_its_sha256_beside_it(server: FaultServer, tmp_path: Path) -> None:
    fetched = get(server, tmp_path)
    assert list(fetched.receipts) == list(CONTENTS)
    assert not fetched.errors
    assert all((tmp_path / name).read_bytes() == content for name, content in CONTENTS.items())
    assert manifest(tmp_path) == {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum here")
def test_sha256sum_reads_the_manifest(server: FaultServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    done = subprocess.run(["sha256sum", "--check", "--strict", MANIFEST], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "part_2.zip").write_bytes(b"PK")
    assert subprocess.run(["sha256sum", "--check", MANIFEST], cwd=tmp_path, capture_output=True).returncode == 1


def test_other_files_stay_in_the_manifest(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(f"{'0' * 64}  part_1.zip\n{'1' * 64}  masks.zip\n")
    get(server, tmp_path)
    known = manifest(tmp_path)
    assert known["masks.zip"] == "1" * 64
    assert known["part_1.zip"] == hashlib.sha256(CONTENTS["part_1.zip"]).hexdigest()


def test_a_broken_manifest_is_named_before_anything_is_fetched(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("no checksum\n")
    with pytest.raises(DataError, match=f"{MANIFEST}, line 1"):
        get(server, tmp_path)
    assert server.seen == []


def test_a_second_run_asks_for_nothing_and_writes_nothing(server: FaultServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    server.seen.clear()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fetched = get(server, tmp_path)
    assert {receipt.status for receipt in fetched.receipts.values()} == {"already there"}
    assert server.seen == []
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_one_failure_keeps_nothing_else_back(server: FaultServer, tmp_path: Path) -> None:
    files = remotes(server)
    server.will("/part_1.zip", faults.status(404))
    fetched = fetch(files, tmp_path, jobs=1, patience=HASTY)
    assert list(fetched.errors) == ["part_1.zip"]
    assert list(fetched.receipts) == list(manifest(tmp_path)) == ["part_0.zip", "part_2.zip", "part_3.zip"]


def test_files_are_fetched_at_the_same_time(server: FaultServer, tmp_path: Path) -> None:
    files, together = remotes(server), threading.Barrier(4)

    def wait_for_all(exchange: faults.Exchange) -> None:
        together.wait(5)
        faults.good(exchange)

    for file in files:
        server.will(f"/{file.name}", wait_for_all)
    assert len(fetch(files, tmp_path, jobs=4, patience=HASTY).receipts) == 4


def test_no_more_files_at_the_same_time_than_asked_for(server: FaultServer, tmp_path: Path) -> None:
    files, running, most = remotes(server), [0], [0]
    lock = threading.Lock()

    def count(exchange: faults.Exchange) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        faults.good(exchange)

    for file in files:
        server.will(f"/{file.name}", count)
    fetch(files, tmp_path, jobs=2, patience=HASTY)
    assert most == [2]


def test_what_does_not_fit_is_not_begun(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = sum(map(len, CONTENTS.values()))

    class Usage:
        free = total - 1

    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda path: Usage)
    folder = tmp_path / "not" / "there"
    with pytest.raises(DiskError, match="has room for"):
        get(server, folder)
    assert server.seen == []
    assert not folder.exists()
    # What is there already needs no room.
    folder.mkdir(parents=True)
    (folder / "part_0.zip").write_bytes(CONTENTS["part_0.zip"])
    assert len(get(server, folder).receipts) == 4


def test_stopping_keeps_what_arrived(server: FaultServer, tmp_path: Path) -> None:
    files, stop = remotes(server), Stop()
    for file in files:
        server.will(f"/{file.name}", faults.fall_silent(20_000))

    def ask() -> None:
        while len(list(tmp_path.glob("*.part"))) < 4 or any(
            path.stat().st_size < 20_000 for path in tmp_path.glob("*.part")
        ):
            time.sleep(0.01)
        stop.ask()

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(Interrupted):
        fetch(files, tmp_path, stop=stop, patience=Patience())
    thread.join()
    sent = sum(server.sent.values())
    fetched = fetch(files, tmp_path, patience=HASTY)
    assert {receipt.status for receipt in fetched.receipts.values()} == {"resumed"}
    sent += sum(receipt.transferred for receipt in fetched.receipts.values())
    assert sent == sum(map(len, CONTENTS.values()))
