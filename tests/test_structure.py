"""The architecture as the folders promise it: floors, cheap imports, no pickle."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skineval
from tests.structure import circles, folders, imports, modules, rooms

ROOT = Path(skineval.__file__).parent
MODULES = modules(ROOT)
IMPORTS = imports(ROOT)

#: A module imports from its own room and from floors below its own; `asking` and `api` are the roof that the command
#: line and `skineval` itself stand on. Imports inside functions count like any other, and those for type checkers.
FLOORS = {
    "base": 0,
    "values": 1,
    "catalog": 2,
    "data": 3,
    "measure": 4,
    "train": 5,
    "explain": 6,
    "grid": 7,
    "tuning": 8,
    "report": 9,
    "builtins": 10,
    "demo": 10,
    "asking": 10,
    "publish": 10,
    "scoring": 10,
    "api": 11,
    "cli": 12,
    "__init__": 12,
    "__main__": 13,
}
LONGEST = 400  #: lines of a file: a longer one has a second noun
HEAVY = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "matplotlib",
    "sklearn",
    "scipy",
    "PIL",
    "optuna",
    "urllib3",
    "starlette",
    "uvicorn",
)
SLOW = "pydantic"  # a fifth of a second that typer spends on options which were given


def test_every_room_imports_only_from_floors_below_its_own():
    arrows = rooms(IMPORTS, "skineval")
    assert set(arrows) == set(FLOORS)
    upwards = [f"{room} -> {other}" for room in arrows for other in arrows[room] if FLOORS[other] >= FLOORS[room]]
    assert upwards == []


@pytest.mark.parametrize("folder", folders(IMPORTS))
def test_no_folder_has_a_circle_of_rooms(folder):
    assert circles(rooms(IMPORTS, folder)) == []


def test_no_file_imports_itself_by_way_of_others():
    assert circles(IMPORTS) == []


def test_no_file_is_long():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_nobody_imports_the_builtins():
    arrows = rooms(IMPORTS, "skineval")
    assert [room for room in arrows if "builtins" in arrows[room]] == []


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["bench", "--help"],
        ["tune", "--help"],
        ["predict", "--help"],
        ["export", "--help"],
        ["demo", "--help"],
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
    for path in MODULES.values():
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
