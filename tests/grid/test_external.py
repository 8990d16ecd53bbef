"""External tests: apart from the internal one, and without what the bench has seen."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from skineval.base.errors import DataError, UsageError
from skineval.catalog.catalog import load_catalog
from skineval.data.layouts import recognise
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.synthetic import synthetic
from skineval.data.union import union
from skineval.grid.external import (
    SAME_CONTENT,
    SAME_GROUP,
    SAME_ID,
    SAME_PATIENT,
    External,
    about,
    described,
    exclusions,
    overlaps,
)
from skineval.grid.folder import BenchFolder
from skineval.grid.prepare import prepare
from skineval.grid.sources import unique_names
from skineval.values.recipe import Recipe
from skineval.values.task import DIAGNOSES, DX7, OUTSIDE
from tests.conftest import TINY, run_here
from tests.data.folders import encoded, ham_folder, lesion_folder, made_table, metadata, photograph
from tests.data.layouts.collections import isic2020

OTHER = "synthetic:images=80:seed=5"


def pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)


def renamed(table, prefix):
    """The same lesions under names of their own."""
    frame = table.frame.copy()
    for column in ("image_id", "lesion_id", "group"):
        frame[column] = prefix + frame[column]
    return frame


def test_what_the_bench_knows_is_found_by_id_by_pixels_and_by_lesion():
    internal = made_table([("mel", 2), ("nv", 3), ("bcc", 1)])  # rows 0-1, 2-4, 5
    external = made_table([("mel", 1), ("nv", 2), ("bcc", 2), ("df", 1)])  # rows 0, 1-2, 3-4, 5
    frame = renamed(external, "X")
    frame.loc[0, "image_id"] = internal.frame["image_id"][0]
    frame.loc[5, ["lesion_id", "group"]] = internal.frame["group"][2]
    object.__setattr__(external, "frame", frame)
    ours, theirs = pixels(6), pixels(6, seed=1)
    theirs[3] = ours[5]
    reasons = overlaps(internal, ours, external, theirs)
    # Row 4 shows the lesion of row 3.
    assert reasons.tolist() == [SAME_ID, "", "", SAME_CONTENT, SAME_GROUP, SAME_GROUP]

    tested = External("x", external, np.zeros(6, dtype=np.int64))
    facts = about(tested, exclusions(tested, reasons))
    assert (facts.images, facts.tested_images, facts.tested_lesions) == (6, 2, 1)
    assert "4 images that occur in the data of the bench were left out" in described(facts)


def test_lesions_and_patients_are_known_by_all_their_names():
    internal, external = made_table([("mel", 1)]), made_table([("mel", 1), ("nv", 1), ("nv", 1)])
    frame = renamed(external, "X").assign(patient_id=["Q1", "Q2", "Q3"])
    object.__setattr__(external, "frame", frame)
    object.__setattr__(internal, "frame", internal.frame.assign(patient_id="P1"))
    further = {"lesion_id": frozenset({frame["lesion_id"][0]}), "patient_id": frozenset({"Q2"})}
    object.__setattr__(internal, "further", further)
    assert overlaps(internal, pixels(1), external, pixels(3, seed=1)).tolist() == [SAME_GROUP, SAME_PATIENT, ""]


def test_images_of_no_class_are_counted_by_label():
    external = made_table([("mel", 1), ("nv", 2), ("df", 3), ("bcc", 1)])
    tested = External("x", external, np.array([0, 1, 1, *[OUTSIDE] * 4]))
    facts = about(tested, exclusions(tested, np.array(["", "", "", SAME_ID, "", "", ""], dtype=object)))
    assert facts.outside == {"df": 2, "bcc": 1}  # the first df is known to the bench, whatever its class
    said = "3 of classes that the task does not have were left out: df (2 images), bcc (1 image)."
    assert described(facts).endswith(said)


def test_lesion_names_mean_nothing_where_one_side_does_not_know_them():
    internal, external = made_table([("mel", 2)]), made_table([("mel", 2)])
    ids = ["L00000", "X2"]
    object.__setattr__(external, "frame", external.frame.assign(image_id=ids, lesion_id=ids, group=ids))
    object.__setattr__(external, "lesions_known", False)
    assert overlaps(internal, pixels(2), external, pixels(2, seed=1)).tolist() == ["", ""]
    # What it says of others is compared all the same.
    said = external.frame.assign(lesion_id=["L00000", "X2"], image_id=["X1", "X2"])
    object.__setattr__(external, "frame", said)
    assert overlaps(internal, pixels(2), external, pixels(2, seed=1)).tolist() == [SAME_GROUP, ""]


def test_images_that_are_called_alike_by_chance_are_tested():
    internal, external = made_table([("mel", 1), ("nv", 1)]), made_table([("nv", 1), ("mel", 1)])
    ids = ["I00001", "ISIC_0000007"]  # the first is another picture there; of the second, none but the archive knows
    object.__setattr__(external, "frame", renamed(external, "X").assign(image_id=ids))
    object.__setattr__(internal, "frame", internal.frame.assign(image_id=["ISIC_0000007", "I00001"]))
    assert overlaps(internal, pixels(2), external, pixels(2, seed=1)).tolist() == ["", SAME_ID]


@pytest.mark.parametrize("known", [True, False])
def test_known_duplicates_are_joined_between_the_bench_and_the_external_test(known):
    inside, outside = KNOWN_DUPLICATES[0]
    internal, external = made_table([("mel", 1), ("mel", 1)]), made_table([("mel", 2), ("nv", 1)])
    for table, ids, prefix in ((internal, [inside, "ISIC_1"], "H"), (external, ["ISIC_8", outside, "ISIC_9"], "X")):
        object.__setattr__(table, "frame", renamed(table, prefix).assign(image_id=ids))
        object.__setattr__(table, "lesions_known", known)
    # Row 0 is another image of the lesion of row 1.
    assert overlaps(internal, pixels(2), external, pixels(3, seed=1)).tolist() == [SAME_GROUP, SAME_GROUP, ""]


def test_known_duplicates_on_one_side_are_tested():
    external = made_table([("mel", 1), ("mel", 1)])
    object.__setattr__(external, "frame", renamed(external, "X").assign(image_id=list(KNOWN_DUPLICATES[0])))
    assert overlaps(made_table([("mel", 2)]), pixels(2), external, pixels(2, seed=1)).tolist() == ["", ""]


def test_nothing_left_to_test_is_an_error():
    table = made_table([("mel", 2)])
    reasons = overlaps(table, pixels(2), table, pixels(2))
    with pytest.raises(DataError, match="external data x can be tested: 2 for same image id"):
        exclusions(External("x", table, np.zeros(2, dtype=np.int64)), reasons)


def test_names_are_folders_of_their_own():
    assert unique_names(["/a/data/", "/b/data", "synthetic:images=80", "/c/../.."], "--external") == [
        "data",
        "data-2",
        "synthetic-images-80",
        "data-3",
    ]
    with pytest.raises(UsageError, match="--data names /a twice"):
        unique_names(["/a", "/a"], "--data")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench that was run first without, then with an external test."""
    folder = tmp_path_factory.mktemp("external")
    for more in ([], [f"--external={OTHER}"]):
        done = run_here("bench", *TINY, "--imbalance=none,smote", "--epochs=1", "--out=out", *more, cwd=folder)
        assert done.returncode == 0, done.stderr
    return BenchFolder(folder / "out"), done


def test_an_external_test_is_added_to_a_finished_bench_without_training(bench):
    folder, done = bench
    assert "External test" in done.stdout
    cells = pd.read_csv(folder.cells)
    for run_id in cells["run_id"]:
        record = json.loads(folder.cell(run_id).cell.read_text())
        assert len(record["externals"]) == 1
        history = pd.read_csv(folder.cell(run_id).history)
        assert len(history) == 1


def test_internal_and_external_figures_are_kept_apart(bench):
    folder, _ = bench
    name = json.loads(folder.environment.read_text())["external"][0]
    facts = json.loads(folder.external(name).about.read_text())
    internal, external = (pd.read_csv(file) for file in (folder.results, folder.external(name).results))
    assert set(external["n_images"][external["metric"] == "balanced_accuracy"]) == {facts["tested_images"]}
    assert facts["tested_images"] not in set(internal["n_images"])
    run_id = pd.read_csv(folder.cells).set_index("imbalance").loc["smote", "run_id"]
    predictions = pd.read_csv(folder.cell(run_id).external(name))
    assert set(predictions["part"]) == {"external"}
    figure = external[(external["metric"] == "balanced_accuracy") & (external["imbalance"] == "smote")]["value"].item()
    called = predictions[list(DIAGNOSES)].idxmax(axis=1)
    assert figure == pytest.approx(balanced_accuracy_score(predictions["target"], called))
    report = (folder.path / "report.md").read_text()
    assert "External test" in report
    assert "no external test is part" not in report


def test_predictions_of_an_external_test_are_scored_with_the_stamps_of_the_bench(bench, skineval_program):
    folder, _ = bench
    name = json.loads(folder.environment.read_text())["external"][0]
    file = folder.cell(pd.read_csv(folder.cells)["run_id"][0]).external(name)
    done = skineval_program("evaluate", str(file), "--part=external", "--replicates=1000")
    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC" in done.stdout


def test_a_finished_bench_with_an_external_test_runs_nothing(bench, skineval_program):
    folder, _ = bench
    files = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    done = skineval_program(
        "bench",
        *TINY,
        "--imbalance=none,smote",
        "--epochs=1",
        "--out=out",
        f"--external={OTHER}",
        cwd=folder.path.parent,
    )
    assert done.returncode == 0, done.stderr
    assert "External test" in done.stdout
    assert {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()} == files


def test_a_dry_run_says_of_the_data_what_the_run_says_and_writes_nothing(bench, skineval_program):
    folder, done = bench
    files = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    asked = ("bench", *TINY, "--imbalance=none,smote", "--epochs=1", f"--external={OTHER}", "--dry-run", "--out=out")
    dry = skineval_program(*asked, "--format=json", cwd=folder.path.parent)
    assert dry.returncode == 0, dry.stderr
    notes = json.loads(dry.stdout)["footnotes"]
    said = [note for note in notes if note in done.stderr.splitlines()]
    assert any(note.startswith("external test synthetic-images-80-seed-5: None of its images") for note in said)
    assert set(notes) - set(said) == {
        note for note in notes if note.startswith(("2 cells", "Estimated", "The machine"))
    }
    assert {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()} == files


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_the_data_of_the_bench_is_no_external_test(skineval_program, dry):
    done = skineval_program("bench", *TINY, "--epochs=1", "--out=same", "--external=synthetic:images=150", *dry)
    assert done.returncode == 3
    assert "can be tested: 150 for same image id" in done.stderr


def test_a_dry_run_into_the_bench_of_another_recipe_is_refused(bench, skineval_program):
    folder, _ = bench
    asked = ("bench", *TINY, "--imbalance=none,smote", "--epochs=2", "--dry-run", "--out=out")
    done = skineval_program(*asked, cwd=folder.path.parent)
    assert done.returncode == 2
    assert "holds the bench of another recipe: epochs is 1 there, 2 here" in done.stderr
    assert skineval_program(*asked, "--fresh", cwd=folder.path.parent).returncode == 0
    assert len(pd.read_csv(folder.cells)) == 2  # nothing was discarded


def test_a_subset_of_the_bench_is_left_out():
    table = synthetic.load(images=80, seed=0)
    half = table.take(np.arange(40))
    stored = table.images.pixels(range(80), 16)
    reasons = overlaps(half, stored[:40], table, stored)
    assert all(reasons[:40])
    shared = table.frame["group"].isin(set(half.frame["group"])).to_numpy()
    assert (reasons != "").tolist() == shared.tolist()


def test_labels_of_an_external_set_are_taken_for_what_it_says_of_them(tmp_path):
    ham = recognise.load(lesion_folder(tmp_path / "ham"))
    isic2020(ham, tmp_path / "isic2020")
    recipe = Recipe(
        models=("cnn",), data=("synthetic:images=70",), task="melanoma", external=(str(tmp_path / "isic2020"),),
        weights="none", image_size=32, explainers=(),
    )  # fmt: skip
    (external,) = prepare(recipe, load_catalog()).externals
    assert external.targets.tolist() == (ham.frame["dx"] == "mel").astype(int).tolist()
    assert any("lentigo-nos as other (12 images)" in note for note in external.table.notes)


def test_images_are_known_by_what_every_data_set_calls_them(tmp_path):
    def lone(number, lesion, content):
        row = f"{lesion},x,nv,histo,40,male,back,x"
        return recognise.load(ham_folder(tmp_path / str(number), metadata([row]), {"x": content}))

    first, second = (photograph(seed, 120, 90) for seed in (1, 2))
    both = union([lone(1, "L1", encoded(first)), lone(2, "L2", encoded(second))], ("one", "two"), DX7)
    assert both.frame["image_id"].tolist() == ["2-x", "x"]
    outside = lone(3, "L3", encoded(second.resize((90, 67))))
    reasons = overlaps(both, both.images.pixels([0, 1], 64), outside, outside.images.pixels([0], 64))
    assert reasons.tolist() == [SAME_ID]
