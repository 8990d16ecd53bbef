"""Where a bench goes: its folder, which may hold an earlier run of it that is gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from skineval.base.errors import UsageError
from skineval.base.files import atomic_write, is_temporary
from skineval.base.places import RUNS
from skineval.grid.folder import OF_A_SEARCH, BenchFolder
from skineval.grid.plan import run_folder_name
from skineval.grid.prepare import Prepared
from skineval.values.keys import KEYS, MORE
from skineval.values.recipe import Recipe, make_recipe, read_recipe


def open_folder(prepared: Prepared, out: Path | None = None, fresh: bool = False) -> BenchFolder:
    """The folder of this bench, with its recipe in it; raises what `find_folder` does.

    A fresh one holds nothing of an earlier run.
    """
    folder = find_folder(prepared, out, fresh)
    if fresh and folder.recipe.is_file():
        # Only what is a bench is ever deleted.
        shutil.rmtree(folder.path)
    text = prepared.recipe.to_toml()
    if not folder.recipe.is_file() or folder.recipe.read_text(encoding="utf-8") != text:
        atomic_write(folder.recipe, text)
    return folder


def find_folder(prepared: Prepared, out: Path | None, fresh: bool) -> BenchFolder:
    """The folder of this bench, by default one under runs/ that is this recipe's alone; nothing is touched.

    Raises UsageError where it holds something else, or the bench of another recipe that is not to be discarded for a
    fresh one.

    A folder may be extended: a recipe with more models, strategies, seeds or explainers than the one that is there
    leaves every finished cell as it is, and so does one with other ensembles, and one that asks for fewer explainers
    or external tests, such as one that fails.
    """
    path = out or RUNS / run_folder_name(prepared.recipe, prepared.cells)
    folder = BenchFolder(path)
    if (path / OF_A_SEARCH).is_file():
        raise UsageError(
            f"--out is {path}, the folder of a search for settings.", "Use another --out; nothing was touched."
        )
    if folder.recipe.is_file():
        if not fresh:
            _refuse_another(folder, prepared.recipe)
    elif path.is_dir() and not all(is_temporary(file) for file in path.iterdir()):  # one killed early leaves only these
        raise UsageError(f"--out is {path}, a folder that holds something else.", "Use a new or an empty folder.")
    elif path.exists() and not path.is_dir():
        raise UsageError(f"--out is {path}, which is a file.", "Use a new or an empty folder.")
    return folder


def _refuse_another(folder: BenchFolder, recipe: Recipe) -> None:
    present = make_recipe(read_recipe(str(folder.recipe)), str(folder.recipe))
    conflicts = recipe.conflicts(present)
    if conflicts:
        listed = "; ".join(
            f"{key} is {_as_given(getattr(present, key))} there, {_as_given(getattr(recipe, key))} here"
            for key in conflicts
        )
        raise UsageError(
            f"{folder.path} holds the bench of another recipe: {listed}.",
            f"{_to_add(recipe, present, conflicts)}Use another --out, or --fresh to discard what is there.",
        )


def _to_add(recipe: Recipe, present: Recipe, conflicts: Sequence[str]) -> str:
    """How what is asked for would be added to the bench that is there; empty where it cannot be."""
    both = {key: (getattr(present, key), getattr(recipe, key)) for key in conflicts}
    if any(KEYS[key].keeps != MORE or not isinstance(values[0], tuple) for key, values in both.items()):
        return ""
    flags = (f"--{key} {_as_given(tuple(dict.fromkeys((*there, *here))))}" for key, (there, here) in both.items())
    return f"What is there stays where it is named, too: {' '.join(flags)}. "


def _as_given(value: object) -> str:
    """A value as one gives it on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else repr(value)
