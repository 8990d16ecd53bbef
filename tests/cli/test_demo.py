"""`skineval demo`: where it answers, what it refuses, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import urllib3

from skineval.cli import demo
from skineval.demo import serving
from tests.conftest import run_here
from tests.data.folders import encoded, lesion_folder, photograph
from tests.demo.conftest import TOOLS, get, post, served


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench of one cell."""
    folder = tmp_path_factory.mktemp("bench")
    lesion_folder(folder / "data")
    done = run_here("bench", "--data=data", *TOOLS, "--imbalance=none", "--explainers=", "--out=one", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "one"


@contextmanager
def running(*arguments: str):
    """The program in a process of its own, and the address that it prints."""
    command = [sys.executable, "-m", "skineval", "demo", "--port=0", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, **pipes) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_it_prints_its_address_and_ctrl_c_ends_it_at_once(bench):
    with running(str(bench)) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        assert get(address, "api/model")["model"] == "cnn/none"
        kept = urllib3.connectionpool.connection_from_url(address)  # one that is open does not keep it
        assert kept.request("GET", "/").status == 200
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in told
    assert "Ended." in told
    assert time.monotonic() - begun < 10  # a second where nothing else runs


def test_ctrl_c_does_not_wait_for_a_map(bench):
    with running(str(bench)) as (process, address):
        picture = encoded(photograph(1, 60, 45))
        with ThreadPoolExecutor(8) as clients:
            for _ in range(8):
                clients.submit(post, address, picture, explainer="rise").add_done_callback(Future.exception)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()) == (0, ["Ctrl-C ends it.", "Ended."])


def test_without_a_model_one_is_made_and_kept(monkeypatch, tmp_path):
    tiny = {"models": "cnn:width=4", "data": "synthetic:images=150", "image_size": 32, "epochs": 1, "replicates": 1000}
    monkeypatch.setattr(demo, "MADE", {**tiny, "explainers": ()})
    models = []

    def look(app, on):
        with served(app) as address:
            models.append(get(address, "api/model"))

    monkeypatch.setattr(serving, "serve", look)
    first = run_here("demo", "--port=0", cwd=tmp_path)
    second = run_here("demo", "--port=0", cwd=tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert models[0] == models[1]
    assert models[0]["stamps"][0].startswith("SYNTHETIC")
    assert "epoch 1" in first.stderr
    assert "epoch 1" not in second.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_needs_a_flag_that_says_what_that_means(bench, host):
    done = run_here("demo", str(bench), f"--host={host}", "--port=0", cwd=bench)
    assert done.returncode == 2
    assert "--expose" in done.stderr
    assert "password" in done.stderr


def test_with_the_flag_others_are_let_in_by_address_and_a_warning_says_so(bench, monkeypatch):
    statuses = []

    def look(app, on):
        with served(app) as address:
            hosts = ("192.0.2.7", socket.gethostname(), "evil.example")
            statuses.extend(urllib3.request("GET", address, headers={"Host": host}).status for host in hosts)

    monkeypatch.setattr(serving, "serve", look)
    done = run_here("demo", str(bench), "--host=0.0.0.0", "--expose", "--port=0", cwd=bench)
    assert done.returncode == 0, done.stderr
    assert statuses == [200, 200, 400]
    assert "Everybody who can reach this machine" in done.stderr


def test_a_port_that_is_taken_is_named(bench):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_here("demo", str(bench), f"--port={port}", cwd=bench)
    assert done.returncode == 2
    assert f"Port {port}" in done.stderr


def test_what_is_missing_is_named_with_how_to_install_it(bench, monkeypatch):
    monkeypatch.setattr("skineval.demo.extra.PACKAGES", ("starlette", "no_such_package"))
    done = run_here("demo", str(bench), cwd=bench)
    assert done.returncode == 2
    assert 'pip install "skineval[demo]"' in done.stderr
    assert "no_such_package" in done.stderr


def test_what_is_no_model_is_refused(tmp_path):
    done = run_here("demo", str(tmp_path), "--port=0", cwd=tmp_path)
    assert done.returncode == 4
    assert "model.json" in done.stderr
