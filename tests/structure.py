"""The structure at a glance: `python -m tests.structure` prints it, and tests/test_structure.py holds it.

A room is what lies directly in a folder: a module, or a folder of modules. An arrow leads from a room to another one
that something in it imports, wherever the import stands: in a function, or where only type checkers see it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

Imports: TypeAlias = Mapping[str, set[str]]  #: module -> the modules that it imports, by their dotted names


def modules(root: Path) -> dict[str, Path]:
    """Every module below the package folder `root`, by its dotted name; a folder's `__init__` under that name."""
    return {".".join([root.name, *path.relative_to(root).with_suffix("").parts]): path for path in root.rglob("*.py")}


def imports(root: Path) -> Imports:
    """What every module below `root` imports of the others."""
    known = modules(root)
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def rooms(found: Imports, place: str) -> dict[str, set[str]]:
    """The rooms of the folder `place`, each with the rooms beside it that it imports."""
    inside = {name for name in found if name.startswith(f"{place}.")}
    room = {name: name.removeprefix(f"{place}.").partition(".")[0] for name in inside}
    arrows: dict[str, set[str]] = {one: set() for one in room.values()}
    for name in inside:
        arrows[room[name]] |= {room[other] for other in found[name] & inside} - {room[name]}
    return arrows


def circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """What can be reached from itself, in groups that reach one another: each a circle, or several that touch."""
    reached = {start: _reached(start, arrows) for start in arrows}
    groups = {tuple(sorted(other for other in reached[one] if one in reached[other])) for one in arrows}
    return [list(group) for group in sorted(groups) if group]


def folders(found: Imports) -> list[str]:
    """Every folder in which modules lie, or other folders."""
    return sorted({name.rpartition(".")[0] for name in found})


def _reached(start: str, arrows: Mapping[str, Iterable[str]]) -> set[str]:
    waiting, reached = list(arrows[start]), set()
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += arrows[one]
    return reached


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield from _first_known(known, f"{node.module}.{alias.name}", node.module)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _first_known(known, alias.name)


def _first_known(known: Mapping[str, Path], *names: str) -> Iterator[str]:
    """The first of `names` that is a module, or a folder, which is its `__init__`."""
    yield from [name for dotted in names for name in (dotted, f"{dotted}.__init__") if name in known][:1]


def main() -> None:
    """Print the structure of the package in the folder given, or of skineval."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "skineval").resolve()
    found = imports(root)
    for folder in folders(found):
        arrows = rooms(found, folder)
        if len(arrows) > 1:
            circular = "; ".join(", ".join(circle) for circle in circles(arrows)) or "none"
            print(f"{folder}: {len(arrows)} rooms, {sum(map(len, arrows.values()))} arrows, circles: {circular}")
    print(f"circles of files: {'; '.join(', '.join(circle) for circle in circles(found)) or 'none'}")
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(root).items()}
    longest = max(lengths, key=lambda name: lengths[name])
    print(f"{sum(lengths.values())} lines in {len(lengths)} files; the longest: {longest}, {lengths[longest]}")


if __name__ == "__main__":
    main()
