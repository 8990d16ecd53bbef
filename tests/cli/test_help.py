"""`--help`: grouped, as wide as the terminal, with what each key is by default and in which recipe, and quick."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest

from skineval.cli import bench, tune
from skineval.cli.data import split
from skineval.values.keys import KEYS, PANELS
from skineval.values.recipe import Recipe, read_recipe
from skineval.values.shipped import shipped_recipes
from tests.conftest import run_program

WIDTHS = (60, 78, 100, 160)


def words(text):
    """The text of a page without its frames, each run of blanks as one."""
    return " ".join("".join(" " if c in "│╭╮╰╯─" else c for c in text).split())


def written(value):
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value).removesuffix(".0")


@pytest.fixture(scope="module", params=WIDTHS)
def page(request, tmp_path_factory):
    """`skineval bench --help` in a terminal of this width: the width, and the page."""
    done = run_program("bench", "--help", cwd=tmp_path_factory.mktemp("help"), env={"COLUMNS": str(request.param)})
    assert done.returncode == 0, done.stderr
    return request.param, done.stdout


def test_it_is_as_wide_as_the_terminal_and_breaks_no_option(page):
    width, text = page
    *lines, example = text.rstrip().splitlines()
    assert max(map(len, lines)) == width
    assert example == bench.EXAMPLE  # to be copied: it is left in one piece
    for name, key in KEYS.items():
        flag = f"--{name.replace('_', '-')} {key.metavar}".rstrip()
        (line,) = [line for line in lines if line.strip("│ ").startswith(flag) and line.startswith("│ ")]
        assert flag in line


def test_every_key_says_what_it_is_by_default_and_which_recipe_says_otherwise(page):
    text = words(page[1])
    for name, field in Recipe.model_fields.items():
        option = " ".join(filter(None, (f"--{name.replace('_', '-')}", KEYS[name].metavar, words(KEYS[name].help))))
        assert option in text
        said = text.partition(option)[2].partition(" --")[0]
        default = field.default
        if not field.is_required() and default not in (None, ()) and default is not False:
            assert f"[default: {written(default)}" in said
        for recipe in shipped_recipes():
            value = read_recipe(recipe).get(name, default)
            assert (f"{recipe}: {written(value)}" in said) is (written(value) != written(default)), (recipe, name)


def test_options_stand_in_panels(page):
    titles = [line.split("─ ")[1].split(" ─")[0] for line in page[1].splitlines() if line.startswith("╭")]
    assert titles == ["Arguments", *PANELS, "Options"]


def test_a_command_offers_the_keys_that_it_can_use():
    offered = [
        {n for n in inspect.signature(one).parameters if n in KEYS} for one in (bench.bench, tune.tune, split.split)
    ]
    useless = {"explainers", "external", "reject", "ensemble", "replicates", "jobs", "tta", "probe"}
    dealt = {"data", "columns", "table", "groups", "quarantine", "limit", "task", "strict_classes", "protocol", "split"}
    dealt |= {"folds", "repeats", "split_seed", "group_by", "known_lesions"}
    assert offered == [set(KEYS), set(KEYS) - useless, dealt]


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize("plain", [False, True])
def test_it_is_coloured_in_a_terminal_unless_nobody_wants_that(plain, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm-256color"}
    program = [sys.executable, "-m", "skineval", "report", "--help"]
    subprocess.run(program, stdout=theirs, env=env | ({"NO_COLOR": "1"} if plain else {}), cwd=tmp_path, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "--format" in shown
    assert ("\x1b[1;36m" in shown) is not plain
