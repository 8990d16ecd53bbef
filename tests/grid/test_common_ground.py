"""Systems from anywhere are set beside each other on the images that all of them have, or are not at all."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import DataError, UsageError
from skineval.grid.common_ground import named_apart
from skineval.grid.entrants import Entrant
from skineval.measure.comparisons import against_best
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.values.measures import COMPARISON_COLUMNS, as_frame
from skineval.values.predictions import concatenated
from skineval.values.task import DX7
from tests.measure.samples import classifier


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def written(folder, **systems):
    paths = [folder / f"{name}.csv" for name in systems]
    for path, cell in zip(paths, systems.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        (cell if isinstance(cell, pd.DataFrame) else cell.to_frame()).to_csv(path, index=False)
    return paths


GOOD, WORSE, WORST = (classifier(40, seed=seed, skill=skill) for seed, skill in enumerate((3.0, 2.0, 1.0)))


def test_figures_and_differences_are_those_of_the_predictions_themselves(tmp_path):
    paths = written(tmp_path, worse=WORSE, good=GOOD, worst=WORST)
    found = skineval.compare(*paths, replicates=1000)
    metrics = [metric for metric in METRICS if metric.name in set(found["metric"])]
    named = {"worse": [WORSE], "good": [GOOD], "worst": [WORST]}
    expected = as_frame(against_best(named, metrics, replicates=1000), COMPARISON_COLUMNS)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
    assert set(found["a"]) == {"good"}
    scores = skineval.evaluate(paths, replicates=1000).query("model == 'worst' and metric == 'macro_auc'")
    (score,) = (one for one in estimate([WORST], METRICS, replicates=1000) if one.metric == "macro_auc")
    assert scores["value"].item() == pytest.approx(score.value)
    assert scores["low"].item() == pytest.approx(score.low)


def test_all_are_scored_on_the_images_that_all_have_and_what_is_left_out_is_said(tmp_path):
    some, others = np.arange(len(GOOD)) < 50, np.arange(len(WORSE)) > 9
    paths = written(tmp_path, good=GOOD.take(some), worse=WORSE.take(others).with_classes(WORSE.classes[::-1]))
    with pytest.warns(UserWarning, match="good: 10 images are not in all others"):
        found = skineval.compare(*paths, replicates=1000)
    assert set(found["n_images"]) == {40}
    both = some & others
    alone = skineval.compare(*written(tmp_path, a=GOOD.take(both), b=WORSE.take(both)), replicates=1000)
    assert found["difference"].tolist() == pytest.approx(alone["difference"].tolist())


def test_who_knows_which_images_show_one_lesion_says_so_for_all(tmp_path):
    frame = WORSE.to_frame().drop(columns="lesion_id")
    found = skineval.compare(*written(tmp_path, good=GOOD, worse=frame), replicates=1000)
    assert set(found["n_lesions"]) == {40}


def right(cell):
    return (cell.probabilities.argmax(axis=1) == cell.targets).mean()


def test_folds_of_one_pair_with_all_images_of_another(tmp_path):
    folds = [classifier(30, seed=1, fold=fold, truth_seed=fold) for fold in (0, 1)]
    wholes = [classifier(30, seed=2, fold=fold, truth_seed=fold, skill=1) for fold in (0, 1)]
    both, whole = (pd.concat([cell.to_frame() for cell in cells]) for cells in (folds, wholes))
    paths = written(tmp_path, folded=both, whole=whole.drop(columns=["fold", "seed"]))
    found = skineval.compare(*paths, replicates=1000).set_index("metric")
    scores = skineval.evaluate(paths, replicates=1000).query("metric == 'accuracy'").set_index("model")["value"]
    folded, unfolded = (np.mean([right(cell) for cell in cells]) for cells in (folds, wholes))
    assert found.loc["accuracy", "difference"] == pytest.approx(folded - unfolded)
    assert scores["folded"] == pytest.approx(folded)


def test_what_cannot_be_compared_is_refused(tmp_path):
    other = replace(WORSE, targets=(WORSE.targets + 1) % 7)
    foreign = replace(WORSE, image_ids=np.char.add(WORSE.image_ids, "9"))
    few = classifier(40, classes=("mel", "nv"))
    for cell, message in (
        (other, "ISIC_0000000 is .* in good, and .* in worse .* images differ"),
        (foreign, "No image is in all of good, worse, in the same fold"),
        (few, "good tells akiec, .* apart, and worse mel, nv"),
    ):
        with pytest.raises(DataError, match=message):
            skineval.compare(*written(tmp_path, good=GOOD, worse=cell), replicates=1000)
    with pytest.raises(UsageError, match="There is one system alone: good"):
        skineval.compare(*written(tmp_path, good=GOOD), replicates=1000)
    with pytest.raises(DataError, match=r"good\.csv is given twice"):
        skineval.compare(tmp_path / "good.csv", tmp_path / "good.csv", replicates=1000)


def test_files_of_one_name_are_called_by_their_folders(tmp_path):
    paths = [*written(tmp_path / "ours", predictions=GOOD), *written(tmp_path / "theirs", predictions=WORSE)]
    assert set(skineval.evaluate(paths, replicates=1000)["model"]) == {"ours/predictions", "theirs/predictions"}


def test_benches_whose_names_hold_dots_are_told_apart(tmp_path):
    found = [Entrant("cnn", [cell], DX7, imbalance="none") for cell in (GOOD, WORSE)]
    places = [tmp_path / "run.v1", tmp_path / "run.v2"]
    for place in places:
        place.mkdir()
    assert [one.name for one in named_apart(found, places)] == ["cnn (run.v1)/none", "cnn (run.v2)/none"]


def test_what_would_be_without_effect_is_refused():
    with pytest.raises(UsageError, match="There is no keyword replicate"):
        skineval.evaluate(GOOD.to_frame(), replicate=1000)
    with pytest.raises(UsageError, match="--columns says how a data set is read, and none is named"):
        skineval.evaluate(GOOD.to_frame(), columns="image=a,label=b")
    with pytest.raises(UsageError, match="--replicates is 10, which is too few"):
        skineval.evaluate(GOOD.to_frame(), replicates=10)


def test_an_order_of_classes_that_scores_far_better_is_pointed_out(tmp_path):
    classes = list(GOOD.classes)
    swapped = [*classes[:4], "nv", "mel", *classes[6:]]
    named = GOOD.to_frame().rename(columns=dict(zip(classes, swapped, strict=True)))
    with pytest.warns(UserWarning, match="In another order of classes balanced accuracy would be .* nv be mel"):
        skineval.evaluate(named, replicates=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cell in (GOOD, WORST, classifier(40, skill=0)):
            skineval.evaluate(cell.to_frame(), replicates=1000)
    three_of_one = GOOD.take(np.r_[np.flatnonzero(GOOD.targets != 1), np.flatnonzero(GOOD.targets == 1)[:3]])
    reversed_ = three_of_one.to_frame().rename(columns=dict(zip(classes, classes[::-1], strict=True)))
    with pytest.warns(UserWarning, match="In another order of classes balanced accuracy would be .* mel be bkl"):
        skineval.evaluate(reversed_, replicates=1000)


def test_an_order_that_chance_may_have_made_better_is_not():
    """By lesions: copies of their images say nothing more."""

    def told(cell):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            skineval.evaluate(cell.to_frame(), replicates=1000)
        return any("another order" in str(one.message) for one in found)

    def swapped(lesions):
        rows = [row for target in (4, 5) for row in np.flatnonzero(GOOD.targets == target)[:lesions]]
        few = GOOD.take(np.array(rows))
        names = np.array([f"L{k}" for k in range(len(few))])
        answers = np.eye(7)[np.where(few.targets == 4, 5, 4)]
        return replace(few, lesion_ids=names, groups=names, probabilities=answers)

    assert told(swapped(6))
    assert not told(swapped(3))
    copies = [replace(swapped(3), image_ids=np.array([f"I{copy}-{k}" for k in range(6)])) for copy in range(5)]
    assert not told(concatenated(copies))
    coin = np.random.default_rng(0)
    tossed = [replace(swapped(10), probabilities=np.eye(7)[coin.integers(4, 6, 20)]) for _ in range(40)]
    assert sum(map(told, tossed)) <= 1


def test_seeds_that_have_other_images_are_told_of():
    seeds = [replace(GOOD, seed=0).to_frame(), replace(WORST, seed=1).to_frame()]
    skineval.evaluate(pd.concat(seeds), replicates=1000)
    with pytest.warns(UserWarning, match="The seeds have different images: one has 35 of the 88 that any has"):
        skineval.evaluate(pd.concat([seeds[0], seeds[1][:35]]), replicates=1000)


def test_a_difference_is_that_of_the_figures_whatever_images_the_seeds_have(tmp_path):
    seeds = [replace(GOOD, seed=0).to_frame(), replace(WORST, seed=1).to_frame()]
    whole = [replace(WORSE, seed=seed).to_frame() for seed in (0, 1)]
    paths = written(tmp_path, lacking=pd.concat([seeds[0], seeds[1][:35]]), whole=pd.concat(whole))
    with pytest.warns(UserWarning, match="lacking: 53 images are not in all others, in another fold there, or not of"):
        found = skineval.evaluate(paths, replicates=1000)
    difference = skineval.compare(*paths, replicates=1000).set_index("metric")["difference"]
    figures = found[found["class"] == ""].pivot(index="metric", columns="model", values="value")
    gap = figures["lacking"] - figures["whole"]
    assert len(difference) > 5
    assert difference.abs().to_numpy() == pytest.approx(gap[difference.index].abs().to_numpy(), nan_ok=True)


def test_lesions_of_several_classes_are_told_of_whichever_file_knows_them(tmp_path):
    frame = GOOD.to_frame()
    for lesion, rows in frame.groupby("lesion_id"):
        if len(rows) > 1 and lesion < "L010":
            frame.loc[rows.index[0], "target"] = "mel" if rows["target"].iloc[1] != "mel" else "nv"
    paths = written(tmp_path, knows=frame, plain=frame.drop(columns="lesion_id"))
    for order in (paths, paths[::-1]):
        with pytest.warns(UserWarning, match="lesions? ha.* images of several classes"):
            skineval.evaluate(order, replicates=1000)


def test_a_file_without_folds_is_scored_in_those_of_the_others(tmp_path):
    """Pooled, scores whose level differs between folds would rank images of different folds: another question."""
    cells = [classifier(60, seed=1, fold=fold, truth_seed=fold) for fold in (0, 1)]
    shifted = replace(cells[1], probabilities=(cells[1].probabilities + 9 * np.eye(7)[5]) / 10)
    frame = pd.concat([cell.to_frame() for cell in (cells[0], shifted)])
    paths = written(tmp_path, folded=frame, flat=frame.drop(columns=["fold", "seed"]))
    with pytest.warns(UserWarning, match="flat: nothing says of which fold an image is; each is scored in"):
        found = skineval.evaluate(paths, replicates=1000)
    columns = ["metric", "class", "value", "low", "high", "n_images", "n_cells"]
    folded, flat = (found[found["model"] == name][columns].reset_index(drop=True) for name in ("folded", "flat"))
    own = folded["metric"] != "rank_kept"
    pd.testing.assert_frame_equal(folded[own], flat[own])
    alone = skineval.evaluate(paths[1], replicates=1000).set_index(["metric", "class"])["value"]
    assert abs(alone["macro_auc", ""] - folded.set_index("metric").loc["macro_auc", "value"]) > 0.01


def test_an_image_that_one_file_has_more_often_is_named(tmp_path):
    cell = classifier(30)
    rows = cell.to_frame()
    files = [tmp_path / name for name in ("once.csv", "twice.csv")]
    rows.to_csv(files[0], index=False)
    pd.concat([rows, rows.iloc[:5]]).to_csv(files[1], index=False)
    with pytest.raises(DataError, match=rf"once/?.* has 1 row of {cell.image_ids[0]}, and twice/?.* 2"):
        skineval.evaluate(files, protocol="oversample-first", replicates=0)


def test_rules_that_differ_between_folds_are_not_said_to_be_one():
    folds = [replace(GOOD, fold=fold, probabilities=np.eye(7)[np.full(len(GOOD), fold)]) for fold in (4, 5)]
    with pytest.warns(UserWarning, match="gives every image of a fold and seed the same answer"):
        skineval.evaluate(pd.concat([one.to_frame() for one in folds]), replicates=1000)


def test_probabilities_are_scored_as_they_are_in_memory():
    expected = skineval.evaluate(GOOD.to_frame(), replicates=1000)
    for targets in (GOOD.targets, np.array(GOOD.classes)[GOOD.targets]):
        found = skineval.evaluate(
            GOOD.probabilities, targets, groups=GOOD.groups, classes=GOOD.classes, replicates=1000
        )
        pd.testing.assert_frame_equal(found.drop(columns="model"), expected.drop(columns="model"))
    frame = pd.DataFrame(GOOD.probabilities, columns=list(GOOD.classes))
    alone = skineval.evaluate(frame, GOOD.targets, replicates=1000)
    assert alone["n_lesions"].max() == len(GOOD)
    for arguments, message in (
        ((GOOD.probabilities[:, 0], GOOD.targets), r"have the shapes \(\d+,\)"),
        ((GOOD.probabilities, GOOD.targets), "Probabilities are of 7 classes, and nobody names them"),
        ((frame, GOOD.targets + 7), "Targets reach from 7 to 13"),
        ((frame, pd.Series(GOOD.targets).iloc[::-1]), "the same in another order"),
        ((frame.rename(columns={"nv": "x"}), GOOD.targets, "akiec,bcc,bkl,df,mel,nv,vasc"), "The columns are called"),
        (([[0.5], [0.5, 0.5]], [0, 1], "a,b"), "are no arrays"),
        (("ours.csv", "truth.csv"), "are no arrays"),
        ((GOOD.probabilities, GOOD.targets, "akiec,akiec,bkl,df,mel,nv,vasc"), "--classes names akiec twice"),
    ):
        with pytest.raises(UsageError, match=message):
            skineval.evaluate(*arguments[:2], classes=arguments[2] if len(arguments) > 2 else ())
    for targets in (GOOD.targets * 1.0, GOOD.targets.astype(str)):
        pd.testing.assert_frame_equal(skineval.evaluate(frame, targets, replicates=1000), alone)
    of_one, nevus = GOOD.probabilities[:, 5], GOOD.targets == 5
    pair = np.stack([1 - of_one, of_one], axis=1)
    one, both = (skineval.evaluate(given, nevus, classes="rest,nv", replicates=0) for given in (of_one, pair))
    pd.testing.assert_frame_equal(one, both)
    names = np.array(GOOD.classes)[GOOD.targets]
    turned = skineval.evaluate(frame[frame.columns[::-1]], names, classes=GOOD.classes, replicates=1000)
    pd.testing.assert_frame_equal(turned, alone)


def test_a_constant_answer_is_said_to_be_a_rule():
    constant = replace(GOOD, probabilities=np.tile(np.linspace(0.1, 0.2, 7) / 1.05, (len(GOOD), 1)))
    with pytest.warns(UserWarning, match="gives every image the same answer: what such a rule scores"):
        skineval.evaluate(constant.to_frame(), replicates=1000)


def test_columns_that_are_numbers_are_the_classes_that_are_named_in_their_order():
    frame, names = GOOD.to_frame(), list(GOOD.classes)
    numbered = frame.rename(columns={name: str(place) for place, name in enumerate(names)})
    numbered["target"] = frame["target"].map(names.index)
    found = skineval.evaluate(numbered, classes=names, replicates=1000)
    pd.testing.assert_frame_equal(found, skineval.evaluate(frame, replicates=1000))
