"""Threads that wait for one another spin briefly, in whatever process trains, unless the user has decided otherwise."""

from __future__ import annotations

import os
import subprocess

import pytest

from skineval.data.pixels.threads import BRIEFLY, waiting_briefly
from skineval.grid.workers.engine import LocalEngine


@pytest.mark.parametrize(
    ("found", "added"),
    [
        ({}, BRIEFLY),
        ({"PATH": "/bin"}, BRIEFLY),
        ({"OMP_WAIT_POLICY": "active"}, {}),
        ({"GOMP_SPINCOUNT": "infinity"}, {"KMP_BLOCKTIME": BRIEFLY["KMP_BLOCKTIME"]}),
    ],
)
def test_what_the_user_set_stays(found, added):
    assert waiting_briefly(found) == added


@pytest.mark.parametrize("own", [None, "77"])
def test_workers_are_started_so(own, tmp_path, monkeypatch):
    started: list[dict[str, str]] = []

    def start(*arguments, env, **more):
        started.append(env)
        raise RuntimeError("started")

    for name in ("OMP_WAIT_POLICY", *BRIEFLY):
        monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(RuntimeError, match="started"):
        LocalEngine({}, (), 1, tmp_path, lambda spec, reason: pytest.fail(reason))._start()
    assert started[0] == {**os.environ, **BRIEFLY, "GOMP_SPINCOUNT": own or BRIEFLY["GOMP_SPINCOUNT"]}


def test_the_program_itself_trains_so(skineval_program, monkeypatch):
    """`tune` trains in the process of the program, which loads torch after it is told."""
    for name in ("OMP_WAIT_POLICY", *BRIEFLY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert skineval_program("list", "recipes").returncode == 0
    assert {name: os.environ[name] for name in BRIEFLY} == BRIEFLY
