"""A bench of one tiny cell, and its page on a port of this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3

import skineval
from skineval.demo import serving
from tests.conftest import run_here, undrawn
from tests.data.folders import lesion_folder

TOOLS = ("--models=cnn:width=4", "--weights=none", "--image-size=32", "--epochs=1", "--replicates=1000")


@contextmanager
def served(app) -> Iterator[str]:
    """The address of an application that runs in a thread of its own."""
    with serving.bound("127.0.0.1", 0) as listening:
        server = serving.server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield serving.address(listening)
        finally:
            server.should_exit = True
            thread.join()


def post(address: str, content: bytes, headers: dict[str, str] | None = None, name: str = "image.jpg", **fields: str):
    """The answer to an image: an HTTP response, whose JSON is `json()`."""
    form = {"image": (name, content), **fields}
    return urllib3.request("POST", f"{address}api/predict", fields=form, headers=headers or {}, retries=False)


def get(address: str, path: str):
    """What lies there, as JSON."""
    return json.loads(urllib3.request("GET", address + path).data)


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder with data and a bench of one cell on it."""
    folder = tmp_path_factory.mktemp("demo")
    lesion_folder(folder / "data")
    data = f"--data={folder / 'data'}"
    with undrawn():
        done = run_here("bench", data, *TOOLS, "--imbalance=none", "--explainers=", "--out=one", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def cell(place):
    """The folder of the cell."""
    (found,) = (place / "one" / "cells").iterdir()
    return found


@pytest.fixture(scope="session")
def address(cell):
    """Where its page is."""
    with served(skineval.demo_app(cell, device="cpu")) as found:
        yield found
