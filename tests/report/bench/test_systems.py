"""Systems of a report: those of models and those of means, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skineval.grid.measuring import measured
from skineval.measure.ensembles import mean_of
from skineval.measure.names import METRICS, OF_REJECTION
from skineval.report.bench import standings
from skineval.report.bench.bench import build
from skineval.report.bench.leaderboard import external, internal
from skineval.report.bench.notes import members
from skineval.report.bench.systems import ranked
from skineval.report.document import console, formatting, html, tables
from skineval.report.document.excerpt import Shown
from skineval.report.document.tables import Row, Table
from skineval.report.figures.style import Drawn
from skineval.report.prepare import draw
from skineval.report.split_table import parts_table
from skineval.values.predictions import EVERY_FOLD, Predictions
from skineval.values.result import OTHER_CLASS, BenchResult, CellResult, EnsembleResult, ExternalData, ExternalTest
from skineval.values.task import OUTSIDE
from tests.report.bench.test_bench import said as verdict_of

MEL = Shown(("mel",), ("mel",))
SEEDS = "ensemble(resnet34)/focal:gamma=1.5"
MODELS = "ensemble(resnet34,densenet121)/none"
NONE = "ensemble(efficientnet_b0)/none"


def comparison(bench: BenchResult) -> Table:
    return standings.comparison(internal(bench))


def row_of(table: Table, system: str) -> Row:
    (found,) = [row for row in table.rows if row.cells[0] == system]
    return found


def cell(table: Table, system: str, key: str) -> tables.Cell:
    return row_of(table, system).cells[[column.key for column in table.columns].index(key)]


def test_ensembles_are_ranked_among_the_systems(averaged: BenchResult) -> None:
    names = [system.name for system in ranked(averaged, internal(averaged))]
    assert names == internal(averaged).systems
    assert {SEEDS, MODELS} < set(names)
    assert NONE not in names
    by_name = {system.name: system for system in ranked(averaged, internal(averaged))}
    assert by_name[SEEDS].cells == ()
    behind = [sum(one.n_cells for one in by_name[name].predictions) for name in (SEEDS, MODELS, "resnet34/none")]
    assert behind == [2, 5, 2]
    # A mean is tested once, whatever the number of its members.
    assert len(by_name[MODELS].test) == 400
    assert len(by_name["resnet34/none"].test) == 800


def test_their_time_is_that_of_all_members_and_their_speed_nobody_s(averaged: BenchResult) -> None:
    table = comparison(averaged)
    seconds = averaged.cells.set_index("run_id")["seconds"]
    members = {one.system: list(one.members) for one in averaged.ensembles}
    for system in (SEEDS, MODELS):
        assert cell(table, system, "seconds") == seconds[members[system]].sum()
        assert cell(table, system, "images_per_second") is None


def test_time_that_holds_what_others_took_as_well_is_marked_and_a_number_to_programs(averaged: BenchResult) -> None:
    model, other = averaged.finished[0], averaged.finished[1]
    one = replace(model, run_id="shared", imbalance="smote", network=model.run_id)
    alone = replace(other, run_id="alone", imbalance="smote", network="of nobody else")
    listed = averaged.cells.set_index("run_id", drop=False)
    rows_ = [listed.loc[old.run_id].to_dict() | {"run_id": new.run_id, "model": new.run_id, "imbalance": "smote"}
             for old, new in ((model, one), (other, alone))]  # fmt: skip
    cells = pd.concat([averaged.cells, pd.DataFrame(rows_)])
    shared = replace(averaged, finished=(*averaged.finished, one, alone), cells=cells)
    assert shared.sharing == {"shared"}
    table = standings.cell_list(internal(shared))
    took = listed.loc[model.run_id, "seconds"]
    time = {str(row.cells[0]): row.cells[6] for row in table.rows}
    assert (time["shared"], time["alone"]) == (tables.Starred(took), took)
    assert [row["seconds"] for row in json.loads(console.render(table, "json"))["rows"][-2:]] == [took, took]
    words = console.render(table, width=200)
    assert words.count(f"{formatting.duration(took)}*") == 1
    assert "Time: * with what other systems share and was done once" in " ".join(words.split())
    assert "*" not in console.render(standings.cell_list(internal(averaged)), width=200)


def test_what_an_ensemble_is_and_what_it_lacks_is_said(averaged: BenchResult, bench: BenchResult) -> None:
    table = comparison(averaged)
    notes = " ".join(table.footnotes)
    assert "over its seeds or over all models and seeds; nothing is chosen" in notes
    assert f"{MODELS} is the mean of 5 of 6 cells" in notes
    assert f"{SEEDS} is the mean" not in notes
    assert "each figure of a single model is the mean over 2 cells" in notes
    assert "ensemble" not in " ".join(comparison(bench).footnotes)
    missing = row_of(table, NONE)
    assert (missing.kind, missing.note) == ("not made", "Of its 2 cells, no two that go together have finished.")
    assert "Its time" in notes
    external = standings.comparison(replace(internal(averaged), cells=()))
    assert "Its time" not in " ".join(external.footnotes)
    listed = standings.ensembles(internal(averaged))
    assert [row.cells for row in listed.rows] == [
        (SEEDS, "its seeds", 2, 2),
        (MODELS, "all models and seeds", 5, 6),
        (NONE, "its seeds", 0, 2),
    ]


def test_the_verdict_names_the_best_single_system_beside_an_ensemble(averaged: BenchResult) -> None:
    words = verdict_of(averaged)
    best = internal(averaged).systems[0]
    assert best == MODELS
    assert f"{best} ranks first" in words
    assert (
        "It averages the networks of 5 cells; the best system that is no ensemble, resnet34/focal:gamma=1.5," in words
    )


def of_fold(cell: CellResult, fold: int) -> CellResult:
    return replace(cell, run_id=f"{cell.run_id}-{fold}", fold=fold, predictions=replace(cell.predictions, fold=fold))


def anew(bench: BenchResult, finished: Sequence[CellResult], averaged: Sequence[EnsembleResult] = ()) -> BenchResult:
    """The bench with these cells and ensembles, and their measures."""
    few = bench.recipe.model_copy(update={"replicates": 100})
    return measured(replace(bench, finished=finished, ensembles=averaged, recipe=few), METRICS)


def test_every_difference_is_that_of_two_figures_on_as_many_images(bench: BenchResult) -> None:
    whole = anew(bench, bench.finished)
    figures = {(one.system, one.metric + f"_{one.class_}" * bool(one.class_)): one for one in whole.scores}
    overall = {"balanced_accuracy", "macro_auc", "malignancy_auc", "macro_f1", "accuracy", "nll"}
    assert {one.metric for one in whole.differences} == {*overall, "recall_mel"}
    for one in whole.differences:
        ours, theirs = figures[one.a, one.metric], figures[one.b, one.metric]
        assert one.value == pytest.approx(ours.value - theirs.value, abs=1e-12)
        assert (one.n_images, one.n_lesions) == (ours.n_images, ours.n_lesions)


def rejecting(bench: BenchResult, finished: Sequence[CellResult], predicted: Sequence[CellResult]) -> ExternalTest:
    """An external test of these cells, of which some have `predicted` its 160 images of no class as well."""
    facts = {"name": "x", "data": "x", "layout": "", "licence": "", "fingerprint": "", "key": "x", "synthetic": False}
    counts = {"images": 560, "tested_images": 400, "tested_lesions": 300, "excluded": {OTHER_CLASS: 160}}
    test = ExternalTest(
        name="x",
        about=ExternalData(**facts, **counts, lesions_known=True, notes=()),  # type: ignore[arg-type]
        predictions={cell.run_id: cell.predictions.select("test") for cell in finished},
        outside={cell.run_id: of_no_class(cell.predictions.select("validation")) for cell in predicted},
    )
    few = bench.recipe.model_copy(update={"replicates": 100})
    whole = measured(
        replace(bench, finished=finished, ensembles=(), externals=[test], recipe=few), (*METRICS, *OF_REJECTION)
    )
    assert not any(one.metric.startswith("reject") for one in (*whole.scores, *whole.differences))
    return whole.externals[0]


def of_no_class(images: Predictions) -> Predictions:
    return replace(images, targets=np.full(len(images), OUTSIDE), parts=np.full(len(images), "outside"))


def test_rejection_is_measured_of_the_cells_that_have_predicted_both_sides(bench: BenchResult) -> None:
    test = rejecting(bench, bench.finished, bench.finished[:3])
    n_cells = {one.system: one.n_cells for one in test.scores if one.metric == "reject_fpr95" and not one.baseline}
    assert n_cells == {bench.finished[0].system: 2, bench.finished[2].system: 1}
    assert {one.n_images for one in test.scores if one.metric == "reject_auroc"} == {560}
    (found,) = [one for one in test.differences if one.metric == "reject_auroc"]
    values = {one.system: one.value for one in test.scores if one.metric == "reject_auroc"}
    assert found.value == pytest.approx(values[found.a] - values[found.b])
    table = standings.rejection(external(replace(bench, finished=bench.finished), test))
    assert table is not None
    assert len([row for row in table.rows if row.cells[1] is not None]) == 4


def test_a_single_system_is_measured_and_compared_with_none(bench: BenchResult) -> None:
    alone = bench.finished[:2]
    test = rejecting(bench, alone, alone)
    assert [one.system for one in test.scores if one.metric == "reject_auroc"][:1] == [alone[0].system]
    assert not test.differences
    nobody = rejecting(bench, alone, ())
    assert not any(one.metric.startswith("reject") for one in nobody.scores)
    assert standings.rejection(external(bench, nobody)) is None


def lacking(bench: BenchResult, system: str) -> BenchResult:
    """The bench with a second fold, which `system` lacks."""
    second = [of_fold(one, 1) for one in bench.finished if one.system != system]
    return anew(bench, [*bench.finished, *second])


def test_a_system_that_lacks_a_fold_stands_below_the_others_without_a_rank(bench: BenchResult) -> None:
    best, second, third = internal(bench).systems
    lame = lacking(bench, best)
    assert internal(lame).unranked == {best: (1,)}
    assert {one.a for one in lame.differences} == {second}
    assert [system.name for system in ranked(lame, internal(lame))] == [second, third, best]

    table = build(lame, [], {}).sections[1].blocks[0]
    assert isinstance(table, Table)
    assert [(row.cells[0], row.kind) for row in table.rows[:3]] == [
        (second, "best"), (third, "plain"), (best, "unranked")
    ]  # fmt: skip
    assert table.rows[2].note.startswith("Not ranked: it lacks fold 1,")
    assert "compared with the best on the folds that both have" in " ".join(table.footnotes)
    for shown in (console.render(table, width=200), console.render(table, "markdown"), console.render(table, "json")):
        assert "Not ranked: it lacks fold 1" in shown

    said = verdict_of(lame)
    assert f"{best} (without fold 1)." in said
    assert f"{second} ranks first" in said
    assert f"It is ahead of the next, {third}, by 0." in said
    overview = next(item.figure for item in draw(lame) if isinstance(item, Drawn))
    assert f"{second} leads" in overview.alt
    assert "Grey: not ranked" in overview.caption


def test_a_mean_in_each_fold_is_said_to_be_of_the_cells_of_that_fold(bench: BenchResult) -> None:
    model, strategy = bench.finished[0].model, bench.finished[0].imbalance
    single = [one for one in bench.finished if (one.model, one.imbalance) == (model, strategy)]
    folds = [[of_fold(one, fold) for one in single] for fold in (0, 1, 2)]
    folds[2] += [replace(folds[2][0], run_id="third", seed=2)]
    finished = [one for fold in folds for one in fold]
    means = tuple(mean_of([one.predictions for one in fold]) for fold in folds)
    ids = tuple(one.run_id for one in finished)
    ensemble = EnsembleResult(f"ensemble({model})", strategy, ("seeds",), ids, 9, means)
    done = anew(bench, finished, [ensemble])
    assert ranked(done, internal(done))[0].name == ensemble.system
    said = verdict_of(done)
    assert "It averages the networks of 2 to 3 cells in each of 3 folds; the best system that is no ensemble" in said
    (shown, *_) = (item.figure for item in draw(done) if isinstance(item, Drawn) and item.figure.topic == "confusion")
    assert "of the mean of 2 to 3 cells in each of 3 folds by" in shown.caption
    assert standings.ensembles(internal(done)).rows[0].cells[1] == "its seeds in each of 3 folds"
    assert f"{ensemble.system} is made of 7 of 9 cells" in " ".join(comparison(done).footnotes)


def test_a_mean_of_each_seed_is_said_to_be_of_each_seed(bench: BenchResult) -> None:
    cell = bench.finished[0].predictions
    two = replace(cell, n_cells=2)
    by_seed = EnsembleResult("ensemble(a,b)", "none", ("models",), ("1", "2", "3", "4"), 4, (two, replace(two, seed=9)))
    assert members(by_seed) == "2 cells of each of 2 seeds"
    by_both = replace(by_seed, predictions=(two, replace(two, seed=9, fold=1)))
    assert members(by_both) == "2 cells of each of 2 seeds in each of 2 folds"
    assert members(replace(by_seed, predictions=(replace(two, fold=EVERY_FOLD),), over=("folds",))) == "2 cells"


def test_the_page_says_why_a_system_is_not_ranked(bench: BenchResult) -> None:
    best = internal(bench).systems[0]
    page = html.document(build(lacking(bench, best), [], {}), lambda file: b"")
    assert "Not ranked: it lacks fold 1, so that" in page


def test_where_every_system_lacks_a_fold_none_is_best(bench: BenchResult) -> None:
    first = bench.finished[0].system
    lame = anew(bench, [of_fold(one, int(one.system == first)) for one in bench.finished])
    assert not lame.differences
    table = build(lame, [], {}).sections[1].blocks[0]
    assert isinstance(table, Table)
    assert [row.kind for row in table.rows[:3]] == ["unranked"] * 3
    overview = next(item.figure for item in draw(lame) if isinstance(item, Drawn))
    assert "none is ranked" in overview.alt
    said = verdict_of(lame)
    assert "Every system lacks a fold that another one has, so there is nothing to compare" in said


def test_nobody_is_said_to_be_ahead_who_is_not(bench: BenchResult) -> None:
    for value in (0.0, -0.124):
        said = verdict_of(replace(bench, differences=[replace(one, value=value) for one in bench.differences]))
        assert "ahead of the next" in said
        assert "is not ahead of the next, densenet121/class_weights, on the same images" in said


def test_figures_show_them_but_no_training_of_theirs(averaged: BenchResult) -> None:
    drawn = [item.figure for item in draw(averaged) if isinstance(item, Drawn)]
    confusion = {figure.system: figure for figure in drawn if figure.topic == "confusion"}
    assert {SEEDS, MODELS} < set(confusion)
    assert "of the mean of 5 cells" in confusion[MODELS].caption
    assert "images of 2 cells" in confusion["resnet34/none"].caption
    assert {figure.system for figure in drawn if figure.topic == "training"} == set(confusion) - {SEEDS, MODELS}


def test_an_image_is_shown_once_however_many_copies_and_folds_test_it(bench: BenchResult) -> None:
    copied = [
        replace(one, predictions=one.predictions.take(np.repeat(np.arange(len(one.predictions)), 3)))
        for one in bench.finished
    ]
    again = [replace(one, run_id=f"{one.run_id}-again", fold=1) for one in copied]
    system = ranked(replace(bench, finished=[*copied, *again]), internal(bench))[0]
    assert len(system.test) == 2 * 2 * 3 * 400
    assert system.first_seed.image_ids.tolist() == bench.finished[0].predictions.select("test").image_ids.tolist()


def test_parts_with_copies_count_rows_and_images() -> None:
    split = pd.DataFrame(
        [("a", "L1", "train"), ("a", "L1", "train"), ("a", "L1", "test"), ("b", "L1", "test"), ("c", "L2", "test")],
        columns=["image_id", "lesion_id", "part"],
    ).assign(group=lambda frame: frame["lesion_id"], fold=0)
    table = parts_table(split, {}, MEL, "")
    assert [column.key for column in table.columns][:5] == ["fold", "part", "rows", "images", "lesions"]
    assert [row.cells[1:5] for row in table.rows] == [("train", 2, 1, 1), ("test", 3, 3, 2)]
    once = parts_table(split.drop_duplicates("image_id"), {}, MEL, "")
    assert "rows" not in [column.key for column in once.columns]


def test_parts_count_lesions_as_results_do() -> None:
    split = pd.DataFrame(
        [("a", "L1", "L1"), ("b", "L2", "L1"), ("c", "L3", "L3")], columns=["image_id", "lesion_id", "group"]
    ).assign(fold=0, part="test")
    table = parts_table(split, {}, MEL, "")
    assert table.rows[0].cells[2:4] == (3, 2)
    assert table.footnotes == ("3 lesion ids are 2 lesions: several are known to be of one.",)
    assert parts_table(split, {}, MEL, "", unit="image").rows[0].cells[3] is None
