"""What all tests share: a cache of their own, and the program, in this process or in one of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from skineval.cli import main

#: A bench of seconds: tiny synthetic images, a tiny network.
TINY = (
    "--data=synthetic:images=150",
    "--image-size=32",
    "--models=cnn:width=4",
    "--replicates=1000",
    "--precision=fp32",
)


# No test is about how long an example takes, and a machine that has other work may take its time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Side by side, each process of the tests has a core of its own, and what it starts has, too.

    Without that, each of them would compute with as many threads as there are cores, and wait for the others' threads.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Skineval = Callable[..., Done]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Nothing is read from or left in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["SKINEVAL_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def without_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is drawn, but for modules that say DRAWN."""
    with nullcontext() if getattr(request.module, "DRAWN", False) else undrawn():
        yield


def run_here(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """`skineval ARGUMENTS` in this process, which has imported torch once; its workers are forked.

    Packages in the PYTHONPATH of `env` are found as a new process would find them, and are gone afterwards.
    """
    from tests.forked_workers import ForkedWorker  # which loads torch

    added = [path for path in (env or {}).get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path]
    known = set(sys.modules)
    with pytest.MonkeyPatch.context() as patched, StringIO() as out, StringIO() as errors:
        patched.chdir(cwd)
        patched.setattr(sys, "argv", ["skineval", *arguments])
        patched.setattr(sys, "path", [*added, *sys.path])
        for name, value in (env or {}).items():
            patched.setenv(name, value)
        forking = SimpleNamespace(**{**vars(subprocess), "Popen": ForkedWorker})
        patched.setattr("skineval.grid.workers.engine.subprocess", forking)
        with redirect_stdout(out), redirect_stderr(errors), pytest.raises(SystemExit) as end:
            main()
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(tuple(added)):
                del sys.modules[name]
        return Done(int(end.value.code or 0), out.getvalue(), errors.getvalue())


@pytest.fixture
def skineval_program(tmp_path) -> Skineval:
    """`run_here`, by default in a folder of the test's own."""
    return functools.partial(run_here, cwd=tmp_path)


def run_program(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None, **options: object) -> Done:
    """`skineval ARGUMENTS` in a process of its own, where that is the point: signals, what a start loads or prints."""
    done = subprocess.run(
        [sys.executable, "-m", "skineval", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        **options,  # type: ignore[call-overload]
    )
    return Done(done.returncode, done.stdout, done.stderr)


def install_plugin(folder: Path, name: str, source: str) -> dict[str, str]:
    """Put an installed package of one module into `folder`; the environment in which it is found."""
    module = name.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[skineval]\n{name} = {module}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


@contextmanager
def undrawn() -> Iterator[None]:
    """Reports lack their figures, which take longer than a small bench and have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skineval.report.prepare.draw", lambda bench: iter(()))
        yield
