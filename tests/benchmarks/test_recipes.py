"""The recipes of published systems: valid, sourced, and runnable as they are."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks.recipes import __main__ as program
from skineval.catalog.catalog import load_catalog
from skineval.values.recipe import make_recipe, read_recipe
from tests.conftest import run_here

ROOT = Path(__file__).parents[2] / "benchmarks"
RECIPES = {path.stem: path for path in sorted((ROOT / "recipes").glob("*.toml"))}
LEAKY = ("image", "oversample-first")
#: What makes a recipe one of seconds: an epoch of few and small images, from scratch.
SHORT = ("--epochs=1", "--limit=150", "--weights=none", "--image-size=32", "--replicates=1000")

DATA = "synthetic:images=320"

recipes = pytest.mark.parametrize("name", RECIPES)


def comment(name: str) -> str:
    lines = RECIPES[name].read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def test_every_published_system_has_a_recipe():
    models = [make_recipe(read_recipe(str(path)), name).models for name, path in RECIPES.items()]
    assert sorted(models) == sorted(
        [
            ("resnet34",),
            ("resnet50:head=conv",),
            ("resnet18",),
            ("densenet121",),
            ("densenet169",),
            ("cnn",),
            ("cnn+densenet121",),
            ("densenet121+efficientnet_b3",),
        ]
    )


@recipes
def test_a_recipe_names_what_there_is_and_runs_under_both_protocols(name):
    recipe = make_recipe(read_recipe(str(RECIPES[name])), name)
    catalog = load_catalog()
    (selection,) = catalog.architectures.select(recipe.models)
    architecture = catalog.architecture(selection)
    assert recipe.weights == (("none",) if name == "cnn" else ("imagenet",))
    assert architecture.min_image_size <= 32  # the size of `SHORT`
    assert catalog.imbalance.select(recipe.imbalance)
    assert recipe.protocol in LEAKY
    assert make_recipe({**read_recipe(str(RECIPES[name])), "protocol": "lesion"}).differences(recipe) == ("protocol",)
    # Schedules that watch the validation loss only make sense while training lasts longer than their patience.
    assert recipe.schedule != "plateau" or recipe.plateau_patience < recipe.patience <= recipe.epochs


@recipes
def test_a_recipe_says_where_it_is_from_and_what_is_not_known(name):
    words = comment(name)
    for heading in ("Source: ", "Reported: ", "Known: ", "Not known, chosen here: "):
        assert len(re.findall(rf"^{heading}\w", words, flags=re.MULTILINE)) == 1, heading


@recipes
def test_the_readme_lists_a_recipe_with_its_protocol(name):
    protocol = make_recipe(read_recipe(str(RECIPES[name])), name).protocol
    row = rf"^\| \[{re.escape(name)}\]\(recipes/{re.escape(name)}\.toml\) \| accuracy 0\.\d+.* \| {protocol} \|$"
    assert re.search(row, (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_figures_are_quoted_as_the_comment_has_them():
    assert program.reported(RECIPES["resnet34-binary"]) == "accuracy 0.72, AUC 0.8347"
    assert program.reported(RECIPES["cnn+densenet121"]) == "accuracy 93.8 %"


def test_a_system_is_run_with_its_leak_and_without(tmp_path, capfd, monkeypatch):
    """One recipe; `nox -s recipes` runs all of them."""
    here = SimpleNamespace(run=lambda command, **_: run_here(*command[3:], cwd=tmp_path))
    monkeypatch.setattr(program, "subprocess", here)
    assert program.main(["cnn", f"--data={DATA}", *SHORT, f"--out={tmp_path}"]) == 0
    printed = capfd.readouterr().out
    assert printed.strip() == (tmp_path / "recipes.md").read_text().strip()
    assert DATA not in printed
    rows = [line.strip("|").split(" | ") for line in printed.splitlines() if line.startswith("| cnn |")]
    assert [row[2].partition(" ")[0] for row in rows] == ["oversample-first", "lesion"]
    assert ["**LEAKY**" in row[2] for row in rows] == [True, False]
    assert all("**NOT COMPARABLE**" in row[2] for row in rows)
    for protocol, row in zip(("oversample-first", "lesion"), rows, strict=True):
        results = pd.read_csv(tmp_path / f"cnn-{protocol}" / "results.csv")
        (accuracy,) = results[(results["metric"] == "accuracy") & (results["model"] == "cnn")].to_dict("records")
        assert row[3].startswith(f"{accuracy['value']:.3f} [{accuracy['low']:.3f}, ")
        assert row[7] == f"{accuracy['n_images']:,}"


def test_a_system_that_fails_is_a_row(tmp_path, capfd):
    assert program.main(["cnn", "--data=synthetic:images=100", "--image-size=8", f"--out={tmp_path}"]) == 1
    printed = capfd.readouterr()
    assert printed.out.count("| cnn | accuracy 93.7 % | oversample-first | failed |") == 1
    assert "image_size is 8" in printed.err


@pytest.mark.parametrize(("words", "complaint"), [(["vgg16"], "vgg16"), (["cnn", "--protocol=image"], "--protocol")])
def test_what_cannot_be_run_is_refused(words, complaint, capsys):
    with pytest.raises(SystemExit) as end:
        program.main([*words, "--data=synthetic"])
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--protocol=image", "--models=cnn", "--task", "--dry-run"])
def test_options_that_would_make_something_else_of_a_recipe_are_refused(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(["cnn", "--data=x", flag])
    assert ended.value.code == 2
    assert f"leave {flag} out" in capsys.readouterr().err
