"""Where the networks of a bench look: on the same images, beside a map of the middle, and with paired differences."""

from __future__ import annotations

import pandas as pd
import pytest

import skineval
from skineval.explain.scores import SCORES
from skineval.grid.looks import looks
from skineval.measure.comparisons import holm
from skineval.report.bench.leaderboard import internal
from skineval.report.bench.looks import tables
from tests.conftest import TINY, run_here


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench of two systems, in which every image is tested twice."""
    folder = tmp_path_factory.mktemp("looks")
    keys = ("--epochs=1", "--imbalance=none,class-weights", "--folds=2", "--repeats=2", "--replicates=1000")
    done = run_here("bench", *TINY, *keys, "--explainers=gradcam,rollout", "--out=out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return skineval.open(folder / "out")


def test_every_system_is_scored_on_the_same_images(bench):
    frames = {(one.imbalance, one.fold, one.seed): one.map_scores["gradcam"] for one in bench.finished}
    assert len(frames) == 8
    for (_, fold, _), frame in frames.items():
        assert frame["image_id"].tolist() == frames["none", fold, 0]["image_id"].tolist()
        assert list(frame.columns) == ["image_id", *SCORES, "centre"]
    assert all("rollout" in one.mapless for one in bench.finished)
    assert not any("rollout" in one.map_scores for one in bench.finished)


def test_figures_are_those_of_the_images(bench):
    first, second = looks(bench)
    assert first.score.value >= second.score.value
    assert first.behind is None
    of = {}
    for name in ("none", "class-weights"):
        mine = [one for one in bench.finished if one.imbalance == name]
        joined = pd.concat([one.map_scores["gradcam"] for one in mine])
        of[name] = joined.groupby("image_id")[["auc", "centre"]].mean()
    for look in (first, second):
        scores = of[look.score.imbalance]
        assert look.score.value == pytest.approx(scores["auc"].mean())
        assert look.score.n_images == scores["auc"].notna().sum()
        assert look.minus_centre.value == pytest.approx((scores["auc"] - scores["centre"]).mean())
        assert look.minus_centre.low < look.minus_centre.value < look.minus_centre.high
    gaps = of[first.score.imbalance]["auc"] - of[second.score.imbalance]["auc"]
    assert second.behind.value == pytest.approx(gaps.mean())
    compared = [first.minus_centre, second.minus_centre, second.behind]
    assert [one.p_holm for one in compared] == pytest.approx(holm([one.p for one in compared]))
    for look in (first, second):
        told = pd.concat([_told(one) for one in bench.finished if one.imbalance == look.score.imbalance])
        gap = told[told["right"]]["auc"].mean() - told[~told["right"]]["auc"].mean()
        assert look.right_minus_wrong.value == pytest.approx(gap)


def _told(cell):
    """The scores of a cell's maps, and whether its answers are right."""
    frame, test = cell.map_scores["gradcam"], cell.predictions.select("test")
    right = dict(zip(test.image_ids, test.probabilities.argmax(axis=1) == test.targets, strict=True))
    return frame.assign(right=frame["image_id"].map(right).astype(bool))


def test_they_stand_in_a_file_and_in_the_report_beside_accuracy(bench):
    written = pd.read_csv(bench.folder / "explanations.csv").set_index("imbalance")
    for look in looks(bench):
        row = written.loc[look.score.imbalance]
        assert (row["value"], row["low"], row["high"]) == (look.score.value, look.score.low, look.score.high)
        assert row["minus_centre_value"] == look.minus_centre.value
    (table,) = tables(bench, internal(bench))
    assert [row.cells[0] for row in table.rows] == list(internal(bench).systems)
    assert "Where systems look, by gradcam" in (bench.folder / "report.md").read_text()
