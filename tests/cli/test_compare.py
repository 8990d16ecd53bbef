"""`skineval compare`, and `skineval evaluate` of several: what stands on standard output."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from skineval.data.synthetic import synthetic
from skineval.measure.names import OF_ANSWERS
from skineval.values.measures import COMPARISON_COLUMNS
from tests.measure.samples import classifier

HOSTILE = "[red]a[/]"


@pytest.fixture
def files(tmp_path):
    for seed, name in enumerate(("ours", HOSTILE.replace("/", "_"), "theirs")):
        classifier(40, seed=seed, skill=2 - seed / 2).to_frame().to_csv(tmp_path / f"{name}.csv", index=False)
    return sorted(path.name for path in tmp_path.iterdir())


def test_differences_have_the_columns_of_comparisons_csv(files, skineval_program):
    done = skineval_program("compare", *files, "--replicates=1000", "--format=csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert {row["a"] for row in rows} == {"ours"}
    done = skineval_program("compare", *files, "--replicates=1000", "--format=json")
    written = json.loads(done.stdout)["rows"]
    assert [tuple(row) for row in written] == [COMPARISON_COLUMNS] * len(rows)
    assert [row["difference"] for row in written] == [pytest.approx(float(row["difference"])) for row in rows]


def test_people_see_a_table_of_differences_and_what_is_to_be_said(files, skineval_program):
    done = skineval_program("compare", *files, "--replicates=1000")
    assert done.returncode == 0
    assert "Paired differences" in done.stdout
    assert "A is better where a difference is above 0, in nll below 0." in " ".join(done.stdout.split())
    assert "[red]a[_]" in done.stdout


def test_several_are_ranked_for_people_and_listed_for_programs(files, skineval_program):
    done = skineval_program("evaluate", *files, "--replicates=1000", "--format=markdown")
    assert "Behind the best" in done.stdout
    assert done.stdout.index("ours") < done.stdout.index("theirs")
    rows = csv.DictReader(io.StringIO(skineval_program("evaluate", *files, "--replicates=1000", "--format=csv").stdout))
    assert {row["system"] for row in rows} == {"ours", "theirs", "[red]a[_]"}


def test_a_data_set_tells_what_images_are_and_how_they_were_chosen(tmp_path, skineval_program):
    images = synthetic.load(images=150).frame
    few = images.iloc[::3]
    rows = "".join(f"{id_},0.4{',0.1' * 6}\n" for id_ in few["image_id"])
    (tmp_path / "p.csv").write_text(f"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n{rows}")
    data = ("--data", "synthetic:images=150")
    done = skineval_program("evaluate", "p.csv", *data, "--replicates=1000", "--format=json")
    said = " ".join(json.loads(done.stdout)["footnotes"])
    inside = images["image_id"].isin(few["image_id"])
    found = images["lesion_id"][inside].isin(images["lesion_id"][~inside]).sum()
    assert f"{found} of the {len(few)} images have another photograph of their lesion" in said
    assert skineval_program("evaluate", "p.csv", "--replicates=1000").returncode == 3
    done = skineval_program("evaluate", "p.csv", *data, "--truth=p.csv")
    assert (done.returncode, "--truth and --data" in done.stderr) == (2, True)
    assert "Name it: --data" in skineval_program("evaluate", "p.csv", "--group-by=lesion").stderr


def test_answers_alone_have_no_figures_of_scores(tmp_path, skineval_program):
    (tmp_path / "p.csv").write_text("image,prediction,target\na,mel,mel\nb,nv,mel\nc,nv,nv\n")
    done = skineval_program("evaluate", "p.csv", "--replicates=1000", "--format=csv")
    metrics = {row["metric"] for row in csv.DictReader(io.StringIO(done.stdout))}
    assert metrics == OF_ANSWERS


def test_subgroups_are_a_table_of_their_own(tmp_path, skineval_program):
    images = synthetic.load(images=400).frame
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(7), len(images)).round(6)
    rows = "".join(f"{id_},{','.join(map(str, row))}\n" for id_, row in zip(images["image_id"], scores, strict=True))
    (tmp_path / "p.csv").write_text(f"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n{rows}")
    command = ("evaluate", "p.csv", "--subgroups", "--replicates=1000", "--format=json")
    scored, parted = json.loads(skineval_program(*command, "--data=synthetic:images=400").stdout)
    assert scored["title"].startswith("Scores")
    sexes = {row["value"].removesuffix(" (worst)") for row in parted["rows"] if row["attribute"] == "sex"}
    assert sexes == set(images["sex"])
    assert sum(row["n_images"] for row in parted["rows"] if row["attribute"] == "age") == 400
    assert "Name their data set: --data" in skineval_program("evaluate", "p.csv", "--truth=p.csv", "--subgroups").stderr


def test_a_preset_gives_the_figures_of_an_official_scorer(files, skineval_program):
    done = skineval_program("evaluate", files[0], "--preset=isic2018", "--replicates=1000", "--format=csv")
    metrics = {row["metric"] for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {"balanced_accuracy", "auc_sens_80", "macro_dice_at_half", "ap"} <= metrics
    assert "nll" not in metrics
    assert "There is no preset 'isic'" in skineval_program("evaluate", files[0], "--preset=isic").stderr
