"""The recipes that come with skineval, and what they say instead of the defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from skineval.values.keys import KEYS, REQUIRED


def shipped_recipes() -> dict[str, Traversable]:
    """The recipes that come with skineval, by name."""
    folder = resources.files("skineval").joinpath("recipes")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}


def recipe_summary(file: Traversable) -> str:
    """The first comment line of a shipped recipe."""
    return file.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def defaults(names: Iterable[str]) -> dict[str, str]:
    """What each of these keys is where nobody says: its default, and the recipes that come with skineval and differ.

    Empty for a key that is not there by default.
    """
    recipes = {name: tomllib.loads(file.read_text(encoding="utf-8")) for name, file in shipped_recipes().items()}
    return {name: "; ".join(_given(name, KEYS[name].default, recipes)) for name in names}


def _given(name: str, default: object, recipes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    is_there = default is not REQUIRED and default is not None and default is not False and default != ()
    said = [f"default: {_written(default)}"] if is_there else []
    given = {recipe: _written(values[name]) for recipe, values in recipes.items() if name in values}
    return said + [f"{recipe}: {value}" for recipe, value in given.items() if value != _written(default)]


def _written(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
