"""Recipes and what identifies a cell."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.asking import request
from skineval.base.codec import from_json, to_json
from skineval.base.errors import UsageError
from skineval.values.recipe import make_recipe, read_recipe
from skineval.values.runspec import RunSpec, Selection, Training, derive_seed
from skineval.values.shipped import shipped_recipes

SPEC = RunSpec(
    model=Selection("cnn", {"width": 16}, "cnn:width=16"),
    imbalance=Selection("none", {}, "none"),
    fold=0,
    seed=0,
    task="dx7",
    classes=("a", "b"),
    data="d",
    split="s",
    image_size=64,
    training=Training(epochs=2, batch_size=8, learning_rate=1e-3),
    weights="none",
    precision="fp32",
)
#: Run ids of three cells, as they were before pydantic wrote what they hash.
RECORDED = [
    "cnn-width-16-none-f0-s0-d8bc0e9ab6",
    "densenet121-gr-e-none-f0-s0-9e23838d66",
    "cnn-width-16-smote-f0-s0-0b3ee24a3b",
]


def test_flags_and_toml_make_the_same_recipe():
    flags = make_recipe({"models": "resnet18, cnn", "data": "synthetic", "seeds": "0,1"})
    assert flags == make_recipe({"models": ["resnet18", "cnn"], "data": "synthetic", "seeds": [0, 1]})


def test_a_written_recipe_reads_back_to_the_same_value():
    recipe = make_recipe({"models": "cnn", "data": 'a "quoted" \\ path', "learning_rate": 0.01, "limit": 100})
    assert make_recipe(tomllib.loads(recipe.to_toml())) == recipe


def test_the_fit_is_part_of_what_identifies_a_cell():
    fits = ("squash", "crop", "pad")
    assert len({dataclasses.replace(SPEC, fit=fit).run_id for fit in fits}) == 3
    assert dataclasses.replace(SPEC, fit="squash") == SPEC
    assert [make_recipe({"models": "cnn", "data": "d", "fit": fit}).fit for fit in fits] == list(fits)
    with pytest.raises(UsageError, match="fit is 'stretch'"):
        make_recipe({"models": "cnn", "data": "d", "fit": "stretch"})


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid(name):
    make_recipe(read_recipe(name), name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modles": "cnn"}, "Did you mean models?"),
        ({"data": "x"}, "models is missing"),
        ({"models": "", "data": "x"}, "models is ''"),
        ({"models": "cnn", "data": "x", "epochs": 0}, "epochs is 0"),
        ({"models": "cnn", "data": "x", "folds": "five"}, "folds is 'five'"),
        ({"models": "cnn", "data": "x", "optimizer": "sdg"}, "'adam', 'adamw' or 'sgd'"),
        ({"models": "cnn", "data": "x", "learning_rate": float("nan")}, "learning_rate is nan"),
        ({"models": "cnn", "data": "x", "seeds": "1,x"}, "seeds is '1,x'"),
        ({"models": "cnn", "data": "x", "replicates": 10}, "replicates is 10"),
        ({"models": "cnn", "data": "x", "device": "tpu"}, "device is 'tpu', which should be auto, cpu, mps, cuda, or"),
        ({"models": "cnn", "data": "x", "epochs": True}, "epochs is True, which should be something other than true"),
        ({"models": "cnn", "data": "x", "seeds": [True, 2]}, "seeds is [True, 2], which should be something other"),
        ({"models": "cnn", "data": "x", "seeds": 0}, "seeds is 0, which should be a list, or a text with commas"),
        (
            {"models": "cnn", "data": "x", "external": [""]},
            "external is [''], which should be a text that is not empty",
        ),
        ({"models": "cnn", "data": 3}, "data is 3, which should be a list, or a text with commas"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(values, message):
    with pytest.raises(UsageError) as caught:
        make_recipe(values)
    assert not re.search("Tuple|String|pattern", str(caught.value))
    assert message in str(caught.value)


def test_an_unknown_recipe_names_the_shipped_ones():
    with pytest.raises(UsageError, match="Did you mean demo"):
        read_recipe("dmeo")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('models = ["cnn",\ndata = "a"\n', "line 2, column 1"),
        ('models = [\n  "cnn",\n\n', "line 2, column 9"),
        ('epochs = 1\nmodels = "cnn\n', "line 2, column 14"),
        ("epochs = 1\nepochs = 2\n", "line 2, column 11"),
        ("=", "line 1, column 1"),
    ],
)
def test_a_broken_toml_file_is_named_with_line_and_column(tmp_path, text, where):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"r\.toml is not valid TOML at {where}: \w"):
        read_recipe(str(tmp_path / "r.toml"))


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({"optimizer": "adma"}, "adam"),
        ({"group_by": "lesoin"}, "lesion"),
        ({"freeze": "bakbone"}, "backbone"),
        ({"ensemble": "seed"}, "seeds"),
    ],
)
def test_one_of_a_few_names_that_is_misspelt_is_asked_for(values, meant):
    with pytest.raises(UsageError, match=rf"\(did you mean {meant}\b"):
        make_recipe({"models": "cnn", "data": "d", **values})


def test_paths_are_taken_from_python():
    places = {"data": Path("HAM"), "split": Path("s.csv"), "external": Path("a,b"), "weights": Path("w.pt")}
    recipe = make_recipe({"models": "cnn", **places})
    assert (recipe.data, recipe.split, recipe.external, recipe.weights) == (("HAM",), "s.csv", ("a,b",), ("w.pt",))
    assert make_recipe({"models": "cnn", "data": "x", "external": [Path("a"), "b"]}).external == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepochs = 3", "there is no key 'training'"),
        ("epochs = 0", "epochs is 0"),
        ('models = ""', "models is ''"),
    ],
)
def test_what_is_wrong_in_a_file_is_blamed_on_the_file(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        request(str(path), {"models": "cnn", "data": "x", "epochs": 2})
    assert f"{path}: {message}" in str(caught.value)


def test_what_a_file_lacks_or_contradicts_may_come_from_the_command_line(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("plateau_patience = 5", encoding="utf-8-sig")  # with the mark that editors on Windows write
    asked = request(str(path), {"models": "cnn", "data": "x", "schedule": "plateau"})
    assert make_recipe(asked.values).plateau_patience == 5


def test_run_ids_are_those_of_cells_that_lie_on_disks():
    odd = Selection("densenet121+größe", {"densenet121.a": True, "größe.b": 1, "größe.c": 1.0, "größe.d": "1"})
    smote = Selection("smote", {"k": 5}, "smote")
    cells = [
        dataclasses.replace(SPEC, training=Training(epochs=2, batch_size=8, learning_rate=1e-5)),
        dataclasses.replace(SPEC, model=odd, weights="sha256:ab", fit="pad"),
        dataclasses.replace(SPEC, imbalance=smote, on_embeddings=True, imbalance_package="theirs 1.2"),
    ]
    assert [cell.run_id for cell in cells] == RECORDED
    assert [from_json(RunSpec, to_json(cell), "here") for cell in cells] == cells


def _other(value):
    return (not value) if isinstance(value, bool) else f"{value}x" if isinstance(value, str) else value + 1


def _fields(of, *, but=()):
    return [field.name for field in dataclasses.fields(of) if field.name not in but]


@pytest.mark.parametrize(
    "change", _fields(RunSpec, but=("model", "imbalance", "classes", "training", "trained", "trained_package"))
)
def test_every_field_is_part_of_the_run_id(change):
    changed = dataclasses.replace(SPEC, **{change: _other(getattr(SPEC, change))})
    assert changed.run_id != SPEC.run_id


@pytest.mark.parametrize("change", _fields(Training))
def test_every_setting_of_training_is_part_of_the_run_id(change):
    training = dataclasses.replace(SPEC.training, **{change: _other(getattr(SPEC.training, change))})
    assert dataclasses.replace(SPEC, training=training).run_id != SPEC.run_id


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"plateau_factor": 0.1}, "plateau_factor is 0.1, which does nothing while schedule is 'cosine'"),
        ({"plateau_patience": 1, "schedule": "one-cycle"}, "does nothing while schedule is 'one-cycle'"),
        ({"freeze_epochs": 3}, "freeze_epochs is 3, which does nothing while freeze is 'none'"),
        ({"freeze": "backbone", "weights": "none"}, "would never learn"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys, complaint):
    with pytest.raises(UsageError, match=complaint):
        make_recipe({"models": "cnn", "data": "d", **keys})


def test_keys_that_need_each_other_are_taken_together():
    recipe = make_recipe({"models": "cnn", "data": "d", "schedule": "plateau", "plateau_factor": "0.1"})
    assert recipe.plateau_factor == 0.1
    assert make_recipe(tomllib.loads(recipe.to_toml())) == recipe


def test_augmentation_is_written_in_one_way():
    def augment(value):
        return make_recipe({"models": "cnn", "data": "d", "augment": value}).augment

    assert augment("rotate, flip") == augment(["flip", "rotate"]) == augment("flip,rotate,flip") == "flip,rotate"
    assert augment("colour,shift,zoom,rotate,flip") == augment("basic") == "basic"
    assert augment("none") == "none"
    with pytest.raises(UsageError, match="did you mean rotate"):
        augment("flip,rotat")


def test_the_run_id_is_readable_and_safe_as_a_folder():
    odd = dataclasses.replace(SPEC, model=Selection("cnn", {"width": 16}, "../cnn:[/] width=16"))
    assert odd.run_id.startswith("..-cnn-width-16-none-f0-s0-") or odd.run_id.startswith("cnn")
    assert "/" not in odd.run_id
    assert SPEC.run_id.startswith("cnn-width-16-none-f0-s0-")


def test_strategies_on_embeddings_share_the_network_of_none():
    smote = dataclasses.replace(SPEC, imbalance=Selection("smote", {"k": 5}, "smote"), on_embeddings=True)
    assert smote.run_id != SPEC.run_id
    assert smote.network_id == SPEC.network_id == SPEC.run_id
    foreign = dataclasses.replace(smote, imbalance=Selection("theirs"), imbalance_package="theirs 1.2")
    assert foreign.network_id == SPEC.network_id
    weights = Selection("class-weights", {}, "class-weights")
    weighted = dataclasses.replace(SPEC, imbalance=weights)
    assert weighted.network_id == weighted.run_id != SPEC.network_id
    both = Selection("class-weights+temperature")
    cooled = dataclasses.replace(SPEC, imbalance=both, on_embeddings=True, trained=weights)
    assert cooled.network_id == weighted.run_id != cooled.run_id


@given(st.lists(st.one_of(st.integers(), st.text()), min_size=1, max_size=4))
def test_seeds_are_63_bit_and_repeatable(parts):
    assert 0 <= derive_seed(*parts) < 2**63
    assert derive_seed(*parts) == derive_seed(*parts)


def test_seeds_tell_identities_apart():
    assert derive_seed("a", "b") != derive_seed("ab")
    assert len({derive_seed("epoch", seed, fold) for seed in range(10) for fold in range(10)}) == 100


def test_jobs_cannot_change_a_result_unless_the_batch_size_depends_on_them():
    def recipe(**keys):
        return make_recipe({"models": "cnn", "data": "d", **keys})

    assert recipe(jobs=1).differences(recipe(jobs=2)) == ()
    assert recipe(jobs=1, batch_size="auto").differences(recipe(jobs=2, batch_size="auto")) == ("jobs",)


def test_several_data_sets_are_named_with_commas_unless_one_has_them(tmp_path, monkeypatch):
    def read(data):
        return make_recipe({"models": "cnn", "data": data}).data

    monkeypatch.chdir(tmp_path)
    assert read("a, b") == read(["a", Path("b")]) == ("a", "b")
    (tmp_path / "a, b").mkdir()
    assert read("a, b") == ("a, b",)


def test_columns_are_the_same_as_texts_and_as_a_mapping():
    def read(columns):
        return make_recipe({"models": "cnn", "data": "d", "columns": columns})

    texts = "image=file|img, label=dx, age=years"
    mapping = {"image": ["file", "img"], "label": "dx", "age": ("years",)}
    assert read(texts) == read(mapping) == read(texts.split(", "))
    assert read(mapping).to_toml() == read(texts).to_toml()
    assert read({"image": "file|img", "label": "dx", "age": "years"}) == read(mapping)
    assert read({"image": "file, or none"}).columns == ("image=file, or none",)


@pytest.mark.parametrize("wrong", [{"image": 3}, {"image": []}, {"image": ["a|b", "c"]}, {"image": ["a", None]}])
def test_a_mapping_of_columns_to_something_else_is_refused(wrong):
    with pytest.raises(UsageError, match=r"columns is .* the name of a column for each role"):
        make_recipe({"models": "cnn", "data": "d", "columns": wrong})


@pytest.mark.parametrize(
    ("now", "goes_on"),
    [
        ("label=dx|what,image=file", True),  # another data set calls it otherwise
        ("image=file,label=what|dx", False),  # which may be read instead
        ("image=file,label=dxs", False),
        ("image=file,label=dx,age=years", False),
        ("image=file", False),
    ],
)
def test_a_bench_goes_on_where_further_names_of_columns_are_looked_for(now, goes_on):
    earlier, later = (
        make_recipe({"models": "cnn", "data": "d", "columns": columns}) for columns in ("image=file,label=dx", now)
    )
    assert (later.conflicts(earlier) == ()) is goes_on


def test_a_bench_goes_on_where_tables_of_external_tests_are_named():
    def recipe(*tables):
        return make_recipe({"models": "cnn", "data": "d", "columns": "image=file,label=dx", "table": tables})

    assert (
        recipe("a.csv", "b.csv").conflicts(recipe("a.csv")) == recipe("a.csv").conflicts(recipe("a.csv", "b.csv")) == ()
    )
    assert recipe("b.csv", "a.csv").conflicts(recipe("a.csv", "b.csv")) == ("table",)
    assert recipe("a.csv").conflicts(recipe()) == ("table",)
