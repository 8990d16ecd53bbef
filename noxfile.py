"""The project's checks: `nox` runs what CI runs; `nox -l` lists the sessions on request."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "tests", "plugins"]

PYTHON = nox.project.load_toml("pyproject.toml")["project"]["requires-python"].removeprefix(">=")
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]
GRADIO = "plugins/skineval-gradio"  # in need of an older Pillow, with a hole that the pinned one does not have
PACKAGES = sorted({str(path.parent) for path in Path("plugins").glob("*/pyproject.toml")} - {GRADIO})
PINNED = ".ci/requirements.txt"  # every version with its hashes: a package that was tampered with is refused


def install(session: nox.Session, *arguments: str) -> None:
    """Install the pinned versions, hashes checked."""
    session.install(*arguments, "-c", PINNED)


def install_compiled(session: nox.Session, *arguments: str) -> None:
    """The same for tests, which start processes by the hundred: each of them would compile torch and pandas anew."""
    session.env.update(UV_COMPILE_BYTECODE="1", PYTHONDONTWRITEBYTECODE="")
    install(session, *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    install(session, *GROUPS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict static types."""
    install(session, "-e", ".[demo,onnx,tune]", *GROUPS["types"], "nox")
    session.run("mypy", "--num-workers=auto")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, those of the READMEs, too; on real data where SKINEVAL_TEST_DATA names its folder."""
    install_compiled(session, "-e", ".[demo,onnx,tune]", *GROUPS["test"])
    session.run("pytest", *session.posargs)


@nox.session
def plugins(session: nox.Session) -> None:
    """The packages in plugins/, installed and exercised as a stranger's would be."""
    install_compiled(session, ".", *GROUPS["test"], *PACKAGES)
    # Their strategies, too, are handed the train part and nothing else.
    sentinel = "tests/grid/cell/test_finishing.py::test_no_strategy_sees_more_than_the_train_part"
    session.run("pytest", *PACKAGES, sentinel)
    session.run("skineval", "plugins", "list")


@nox.session
def gradio(session: nox.Session) -> None:
    """The Gradio app of plugins/, in an environment of its own, with versions that are not pinned."""
    session.install(".", *GROUPS["test"], GRADIO)
    session.run("pytest", "--rootdir", GRADIO, "-c", f"{GRADIO}/pyproject.toml", GRADIO)


@nox.session
def minimums(session: nox.Session) -> None:
    """The oldest versions that pyproject.toml admits."""
    session.install("-e", ".[demo,onnx,tune]", *GROUPS["test"], "--resolution", "lowest-direct")
    # What old versions do that newer ones of others deprecate is no fault of ours.
    session.run("pytest", "-W", "ignore::DeprecationWarning", "-W", "ignore::FutureWarning", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel, install it alone, and run it."""
    install(session, "build")
    folder = session.create_tmp()
    session.run("python", "-m", "build", "--wheel", "--installer", "uv", "--outdir", folder)
    (wheel,) = Path(folder).glob("*.whl")
    install(session, str(wheel))
    with session.chdir(folder):
        session.run("skineval", "list", "models")


@nox.session
def speed(session: nox.Session) -> None:
    """Training speed against the bare step, the loop of tutorials, timm and Lightning; give it --data DIR."""
    install(session, "-e", ".", *GROUPS["peers"])
    session.run("python", "-m", "benchmarks.speed", *session.posargs)


@nox.session
def recipes(session: nox.Session) -> None:
    """Every recipe of a published system, for one epoch, on real images, with its leak and without."""
    install(session, "-e", ".")
    data = os.environ.get("SKINEVAL_TEST_DATA")
    if not data:
        session.error("SKINEVAL_TEST_DATA does not name a folder with HAM10000.")
    short = ("--epochs=1", "--limit=300", "--weights=none", "--image-size=32", "--replicates=1000")
    session.run("python", "-m", "benchmarks.recipes", f"--data={data}", *short, f"--out={session.create_tmp()}")


@nox.session
def gpu(session: nox.Session) -> None:
    """The tests that need a GPU, with the torch that is installed."""
    install(session, "-e", ".", *GROUPS["test"])
    session.run("pytest", "-m", "gpu", *session.posargs)
