"""The architecture as the folders promise it: floors, cheap imports, no pickle."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skineval

ROOT = Path(skineval.__file__).parent

#: A module imports from its own folder and from floors below its own; `api` is the roof that the command line and
#: `skineval` itself stand on. Imports inside functions count like any other.
FLOORS = {
    "errors": 0,
    "files": 0,
    "options": 0,
    "scheme": 0,
    "svg": 1,
    "augmentations": 1,
    "specs": 1,
    "networks": 1,
    "runspec": 1,
    "recipe": 1,
    "calls": 2,
    "hookspecs": 2,
    "plugins": 2,
    "hybrids": 2,
    "catalog": 2,
    "data": 3,
    "measure": 4,
    "train": 5,
    "explain": 6,
    "grid": 7,
    "tuning": 8,
    "report": 9,
    "builtins": 10,
    "api": 10,
    "cli": 11,
    "__init__": 11,
    "__main__": 12,
}
HEAVY = ("torch", "torchvision", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "PIL", "optuna")
SLOW = "pydantic"  # a fifth of a second that typer spends on options which were given


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def floor_name(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The first part below `skineval` of everything a module imports, leaving out what only type checkers see."""
    found = set()
    tree = ast.parse(path.read_text())
    unseen = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *rest = name.split(".")
            if package == "skineval" and rest:
                found.add(rest[0] if rest[0] in FLOORS else "__init__")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_import_from_their_own_floor_or_below(path):
    own = floor_name(path)
    for other in imported(path):
        assert FLOORS[other] < FLOORS[own] or other == own or FLOORS[other] == FLOORS[own] < 3, f"{own} -> {other}"


def test_nobody_imports_the_builtins():
    importers = {floor_name(path) for path in modules() if "builtins" in imported(path)}
    assert importers <= {"builtins"}


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["bench", "--help"],
        ["tune", "--help"],
        ["data", "--help"],
        ["data", "audit", "--help"],
        ["data", "cache", "--help"],
        ["data", "info", "--help"],
        ["list", "models"],
        ["list", "imbalance"],
        ["list", "explainers"],
        ["list", "metrics"],
        ["list", "datasets"],
        ["list", "recipes"],
        ["plugins", "list"],
    ],
    ids=" ".join,
)
def test_help_and_lists_load_nothing_heavy(command):
    program = f"""
import sys
sys.argv = ["skineval", *{command!r}]
from skineval.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {(*HEAVY, SLOW)!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_nothing_is_unpickled():
    for path in modules():
        text = path.read_text()
        assert "import pickle" not in text
        assert "weights_only=False" not in text
        assert "LOAD_TRUNCATED_IMAGES" not in text


def test_every_dependency_is_pinned_with_hashes_and_without_a_registry():
    root = ROOT.parent
    pinned = (root / ".ci" / "requirements.txt").read_text()
    project = tomllib.loads((root / "pyproject.toml").read_text())
    groups = [entry for group in project["dependency-groups"].values() for entry in group if isinstance(entry, str)]
    extras = [entry for extra in project["project"]["optional-dependencies"].values() for entry in extra]
    for requirement in [*project["project"]["dependencies"], *extras, *groups]:
        name = re.split(r"[<>=!~ \[;]", requirement)[0]
        assert re.search(rf"^{re.escape(name)}==\S+ .*\\\n    --hash=sha256:", pinned, flags=re.MULTILINE), name
    assert "://" not in pinned
    assert "index" not in pinned
