"""`skineval data fetch` as a user meets it, against a repository on this machine."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import run_program
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import FaultServer, archive, dataverse, md5, zenodo

PARTS = {f"HAM10000_images_part_{number}.zip": archive(300_000, seed=number) for number in (1, 2)}
ROWS = "".join(f"HAM_{row:07},ISIC_{row:07},nv,histo,50.0,male,back,rosendahl\n" for row in range(10_015))
METADATA = f"lesion_id,image_id,dx,dx_type,age,sex,localization,dataset\n{ROWS}".encode()
FILES = {**PARTS, "HAM10000_metadata.csv": METADATA}
PART_2 = "/storage/101"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with faults.running() as running:
        dataverse(running, PARTS, {"HAM10000_metadata.tab": METADATA})
        yield running


def rows(stdout: str) -> list[dict[str, object]]:
    document = json.loads(stdout)
    return document["rows"] if isinstance(document, dict) else document


def test_help_has_an_example_and_every_name(skineval_program) -> None:
    from skineval.data.fetch.repositories import COLLECTIONS

    done = skineval_program("data", "fetch", "--help")
    assert done.returncode == 0
    assert "Example: skineval data fetch" in done.stdout
    assert all(name in " ".join(done.stdout.split()) for name in COLLECTIONS)


def test_a_data_set_is_fetched_verified_and_not_fetched_again(server, tmp_path, skineval_program) -> None:
    arguments = ("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address, "--format", "json")
    done = skineval_program(*arguments)
    assert done.returncode == 0, done.stderr
    assert [(row["file"], row["bytes"], row["status"], row["verified"]) for row in rows(done.stdout)] == [
        ("HAM10000_images_part_1.zip", len(PARTS["HAM10000_images_part_1.zip"]), "fetched", "md5"),
        ("HAM10000_images_part_2.zip", len(PARTS["HAM10000_images_part_2.zip"]), "fetched", "md5"),
        ("HAM10000_metadata.csv", len(METADATA), "fetched", "10015 rows"),
    ]
    assert all((tmp_path / "HAM" / name).read_bytes() == content for name, content in FILES.items())
    assert "skineval data info HAM" in done.stderr
    assert "fetched HAM10000_images_part_1.zip, 300.1 kB, verified by md5" in done.stderr
    asked = len(server.seen)
    again = skineval_program(*arguments)
    assert [row["status"] for row in rows(again.stdout)] == ["already there"] * 3
    assert [seen.path for seen in server.seen[asked:]] == ["/api/datasets/:persistentId/"]


def test_the_licence_stands_before_anything_is_asked_for(server, tmp_path, skineval_program) -> None:
    done = skineval_program("data", "fetch", "ham10000", "--base-url", "https://user@example.org", "--quiet")
    assert done.returncode == 2
    assert "CC BY-NC 4.0" in done.stderr
    assert "not for commercial use" in done.stderr
    assert "Tschandl" in done.stderr
    assert "https://doi.org/10.7910/DVN/DBW86T" in done.stderr
    assert done.stderr.index("Licence") < done.stderr.index("Error")


def test_quiet_leaves_the_licence_and_the_table(server, tmp_path, skineval_program) -> None:
    done = skineval_program("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address, "-q")
    assert done.returncode == 0, done.stderr
    assert "Licence" in done.stderr
    assert "verified by" not in done.stderr
    assert "Warning" not in done.stderr
    assert "Verified by" in done.stdout


def test_by_default_the_folder_is_one_of_the_cache(server, cache, skineval_program) -> None:
    zenodo(server, "10519652", {"dermamnist.npz": archive(1000)})
    done = skineval_program("data", "fetch", "dermamnist", "--base-url", server.address)
    assert done.returncode == 0, done.stderr
    assert (cache / "datasets" / "dermamnist" / "dermamnist.npz").read_bytes() == archive(1000)
    assert f"Folder: {cache / 'datasets' / 'dermamnist'}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ham1000"], 2, "There is no data set 'ham1000' to fetch."),
        ([], 2, "NAME"),
        (["ham10000", "--base-url", "http://example.org"], 2, "--base-url is http://example.org"),
        (["ham10000", "--base-url", "file:///etc"], 2, "--base-url is file:///etc"),
        (["ham10000", "--jobs", "0"], 2, "--jobs"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, code, message, tmp_path, skineval_program) -> None:
    done = skineval_program("data", "fetch", *arguments, "--to", "X")
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "X").exists()


def test_a_file_that_cannot_be_had_says_how_to_place_it(server, tmp_path, skineval_program) -> None:
    server.will(PART_2, faults.status(403, b"<html>Forbidden</html>", Content_Type="text/html"))
    done = skineval_program("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address)
    assert done.returncode == 3
    text = " ".join(done.stderr.split())
    content = PARTS["HAM10000_images_part_2.zip"]
    assert f"cannot be fetched from {server.address}/api/access/datafile/101" in text
    assert "status 403" in text
    assert f"place it as HAM/HAM10000_images_part_2.zip ({len(content)} bytes, md5 {md5(content)})" in text
    assert "failed" in done.stdout
    assert "secret" not in done.stderr
    # So be it: placed by hand, the whole is complete.
    (tmp_path / "HAM" / "HAM10000_images_part_2.zip").write_bytes(content)
    again = skineval_program("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already there") == 3


def test_a_wrong_checksum_is_refused(server, tmp_path, skineval_program) -> None:
    server.will(PART_2, faults.corrupt)
    done = skineval_program("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address)
    assert done.returncode == 3
    assert "its md5 is" in " ".join(done.stderr.split())
    assert not list((tmp_path / "HAM").glob("HAM10000_images_part_2*"))


def test_ctrl_c_leaves_what_arrived_and_exits_130(server, tmp_path) -> None:
    for path in ("/storage/100", PART_2):
        server.will(path, faults.fall_silent(100_000))
    command = [sys.executable, "-m", "skineval", "data", "fetch", "ham10000", "--to", "HAM"]
    running = subprocess.Popen(
        [*command, "--base-url", server.address],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    parts = [tmp_path / "HAM" / f"{name}.part" for name in PARTS]
    deadline = time.monotonic() + 30
    while not all(part.exists() and part.stat().st_size == 100_000 for part in parts):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asked = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=30)
    assert time.monotonic() - asked < 3
    assert running.returncode == 130, stderr
    assert "Interrupted." in stderr
    assert "Traceback" not in stderr
    again = ("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address, "--format=json")
    done = run_program(*again, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # The table was being fetched too, and may or may not have arrived.
    status = {row["file"]: row["status"] for row in rows(done.stdout)}
    assert all(status[name] == "resumed" for name in PARTS)
    assert all((tmp_path / "HAM" / name).read_bytes() == content for name, content in FILES.items())
    assert server.sent["/storage/100"] == len(PARTS["HAM10000_images_part_1.zip"])


@pytest.mark.parametrize(("typed", "code", "fetched"), [("y\n", 0, True), ("\n", 0, True), ("n\n", 0, False)])
def test_a_person_at_a_terminal_is_asked(server, tmp_path, typed, code, fetched) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "skineval", "data", "fetch", "ham10000", "--to", "HAM"]
    running = subprocess.Popen(
        [*command, "--base-url", server.address],
        cwd=tmp_path,
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    while True:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        shown += data
    running.communicate(timeout=30)
    os.close(ours)
    assert running.returncode == code, shown
    assert b"Fetch 3 files" in shown
    assert (tmp_path / "HAM" / "HAM10000_metadata.csv").exists() is fetched
