"""The picture of the embedding space: points of the train part, of what a strategy made of it, and of the test part."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.builtins.imbalance.resampling import by_imblearn, with_smote
from skineval.data.splits.split import Parts
from skineval.grid.cell.embedding_space import MOST, embedding_space, synthetic
from skineval.grid.cell.record import is_complete, read_cell
from skineval.grid.folder import BenchFolder
from skineval.grid.reading import read_bench
from skineval.grid.tables import csv_text
from skineval.train.principal_axes import principal_plane
from skineval.values.embeddings import SPACE

CLASSES = ("a", "b", "c")
COUNTS = (80, 20, 9)
TARGETS = np.concatenate([np.repeat([0, 1, 2], COUNTS), np.repeat([0, 1], [70, 4])])
N_TRAIN = sum(COUNTS)
EMBEDDINGS = (np.random.default_rng(0).normal(size=(len(TARGETS), 8)) + TARGETS[:, None]).astype(np.float32)
TRAIN = EMBEDDINGS[:N_TRAIN], TARGETS[:N_TRAIN]


def cell_of(imbalance="smote", model="cnn", probe=False):
    places = np.arange(len(TARGETS))
    spec = SimpleNamespace(classes=CLASSES, is_probe=probe, model=model, imbalance=imbalance, seed=0, fold=0)
    return SimpleNamespace(spec=spec, targets=TARGETS, parts=Parts(places[:N_TRAIN], places[:0], places[N_TRAIN:]))


def smote(seed=3):
    return by_imblearn("over_sampling.SMOTE", k="k_neighbors")(*TRAIN, seed=seed, k=3)


@pytest.fixture(scope="module")
def points():
    return embedding_space(cell_of(), EMBEDDINGS, smote())


def test_rows_beyond_the_originals_are_those_that_smote_made():
    made = smote()[0]
    np.testing.assert_array_equal(made[:N_TRAIN], TRAIN[0])
    order = np.random.default_rng(0).permutation(len(made))
    np.testing.assert_array_equal(synthetic(TRAIN[0], made), np.arange(N_TRAIN, 3 * COUNTS[0]))
    np.testing.assert_array_equal(synthetic(TRAIN[0], made[order]), np.flatnonzero(order >= N_TRAIN))


def test_those_that_a_sampler_took_away_again_are_no_points():
    kept, labels = with_smote("combine.SMOTEENN")(*TRAIN, seed=3, k=3)
    found = embedding_space(cell_of(), EMBEDDINGS, (kept, labels))
    assert found["kind"].eq("synthetic").any()
    made = {row.tobytes() for row in smote()[0][N_TRAIN:]}
    assert {row.tobytes() for row in kept[synthetic(TRAIN[0], kept)]} <= made


@pytest.mark.parametrize("sampler", ["under_sampling.RandomUnderSampler", "over_sampling.RandomOverSampler"])
def test_what_only_takes_or_repeats_rows_has_no_picture(sampler):
    assert embedding_space(cell_of(), EMBEDDINGS, by_imblearn(sampler)(*TRAIN, seed=0)) is None


def test_where_there_is_no_plane_there_is_no_picture():
    narrow = EMBEDDINGS[:, :1]
    assert embedding_space(cell_of(), narrow, (narrow[:N_TRAIN] + 1, TRAIN[1])) is None


def test_it_is_the_same_every_time(points):
    assert csv_text(points) == csv_text(embedding_space(cell_of(), EMBEDDINGS, smote()))
    assert tuple(points.columns) == SPACE


def test_at_most_so_many_of_each_class_and_kind_are_drawn_and_all_are_counted(points):
    found = {key: (len(frame), frame["of"].unique().tolist()) for key, frame in points.groupby(["kind", "class"])}
    assert found == {
        ("train", "a"): (MOST, [80]), ("train", "b"): (20, [20]), ("train", "c"): (9, [9]),
        ("synthetic", "b"): (MOST, [MOST]), ("synthetic", "c"): (MOST, [71]),
        ("test", "a"): (MOST, [70]), ("test", "b"): (4, [4]),
    }  # fmt: skip


def test_points_lie_where_the_axes_of_the_train_part_have_them(points):
    plane, made = principal_plane(TRAIN[0]), smote()
    rows = {"train": TRAIN, "synthetic": made, "test": (EMBEDDINGS[N_TRAIN:], TARGETS[N_TRAIN:])}
    for (kind, name), frame in points.groupby(["kind", "class"]):
        embeddings, labels = rows[kind]
        there = plane.project(embeddings[labels == CLASSES.index(name)]).round(4)
        assert {*frame[["x", "y"]].itertuples(index=False, name=None)} <= {*map(tuple, there.tolist())}
    assert points[["x_share", "y_share"]].drop_duplicates().to_numpy().tolist() == [np.round(plane.shares, 4).tolist()]


def test_test_embeddings_move_no_axis(points):
    moved = EMBEDDINGS.copy()
    moved[N_TRAIN:] *= 100
    found = embedding_space(cell_of(), moved, smote())
    pd.testing.assert_frame_equal(found[found["kind"] != "test"], points[points["kind"] != "test"])


def test_other_strategies_show_the_same_points_of_both_parts(points):
    found = embedding_space(cell_of("adasyn"), EMBEDDINGS, smote(seed=4))
    assert not found.equals(points)
    pd.testing.assert_frame_equal(found[found["kind"] != "synthetic"], points[points["kind"] != "synthetic"])


def test_embeddings_show_the_same_points_by_whatever_name_they_come():
    one, other = (embedding_space(cell_of(model=name, probe=True), EMBEDDINGS, smote()) for name in ("cnn", "file"))
    pd.testing.assert_frame_equal(one, other)


KEYS = {
    "data": "synthetic:images=140", "models": "cnn:width=4", "image_size": 32, "weights": "none", "explainers": "",
    "epochs": 1, "precision": "fp32", "replicates": 1000,
}  # fmt: skip


def test_a_bench_writes_it_and_writes_it_again_where_it_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("SKINEVAL_CACHE", str(tmp_path / "cache"))
    result = skineval.bench(**KEYS, imbalance="none,smote,random-under", out=tmp_path / "out")
    cells = {cell.imbalance: cell for cell in result.finished}
    assert [name for name, cell in cells.items() if cell.embedding_space] == ["smote"]
    bench = BenchFolder(tmp_path / "out")
    folder = bench.cell(cells["smote"].run_id)
    assert cells["smote"].embedding_space == folder.embedding_space
    assert tuple(pd.read_csv(folder.embedding_space).columns) == SPACE
    assert read_cell(folder).files["embedding_space.csv"].startswith("sha256:")
    written = folder.embedding_space.read_bytes()
    folder.embedding_space.write_text("x\n1\n")
    assert not any(cell.embedding_space for cell in read_bench(bench).finished)
    skineval.bench(**KEYS, imbalance="none,smote,random-under", out=tmp_path / "out")
    assert folder.embedding_space.read_bytes() == written
    folder.embedding_space.unlink()
    assert not is_complete(folder, ())
