"""`skineval evaluate` on files as people have them: small ones that once gave wrong numbers, or errors that misled."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import DataError
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.values.task import DIAGNOSES
from tests.measure.samples import classifier

TRUTH = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\na,1,0,0,0,0,0,0\nb,0,1,0,0,0,0,0\nc,1,0,0,0,0,0,0\nd,0,1,0,0,0,0,0\n"
WITH_SCC = (
    "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC,SCC\na,.05,.01,.01,.01,.01,.01,.00,.9\nb,.01,.05,.01,.01,.01,.01,.00,.9\n"
    "c,.9,.05,.01,.01,.01,.01,.01,0\nd,.05,.9,.01,.01,.01,.01,.01,0\n"
)
CONTRADICTING = (
    "image_id,target,akiec,bcc,bkl,df,mel,nv,vasc\na,nv,0,0,0,0,.9,.1,0\nb,mel,0,0,0,0,.1,.9,0\n"
    "c,nv,0,0,0,0,.9,.1,0\nd,mel,0,0,0,0,.1,.9,0\n"
)
UPPER_CASE = (
    "image_id,target,AKIEC,BCC,BKL,DF,MEL,NV,VASC\na,MEL,0,0,0,0,.7,.3,0\nb,NV,0,0,0,0,.4,.6,0\n"
    "c,MEL,0,0,0,0,.6,.4,0\nd,NV,0,0,0,0,.3,.7,0\n"
)
TRUTHS = {
    "commas": TRUTH,
    "semicolons": TRUTH.replace(",", ";"),
    "suffixes": TRUTH.replace("\na,", "\na.jpg,").replace("\nb,", "\nx/b.JPG,"),
}


@pytest.fixture
def figures(tmp_path, skineval_program):
    """The figures of predictions, perhaps with a truth file, by metric and class; with what stands below them."""

    def measure(predictions, truth=None, *options):
        (tmp_path / "p.csv").write_text(predictions)
        (tmp_path / "t.csv").write_text(truth or "")
        given = ("--truth=t.csv",) * (truth is not None)
        done = skineval_program("evaluate", "p.csv", *given, "--replicates=1000", "--format=json", *options)
        assert done.returncode == 0, done.stderr
        table = json.loads(done.stdout)
        values = {(row["metric"], row["class"] or ""): row["value"] for row in table["rows"]}
        named = {key: one["value"] if isinstance(one, dict) else one for key, one in values.items()}
        return named, " ".join(table["footnotes"])

    return measure


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_class_that_the_truth_does_not_know_is_named_and_an_answer_of_it_is_wrong(truth, figures):
    found, notes = figures(WITH_SCC, TRUTHS[truth])
    assert found["accuracy", ""] == found["balanced_accuracy", ""] == 0.5
    assert found["recall", "mel"] == found["recall", "nv"] == 0.5
    assert "SCC: not among the classes of the reference standard" in notes
    assert "2 of 4 images" in notes


def test_python_is_warned_of_a_class_that_the_truth_does_not_know(tmp_path):
    (tmp_path / "p.csv").write_text(WITH_SCC)
    (tmp_path / "t.csv").write_text(TRUTH)
    with pytest.warns(UserWarning, match="SCC"):
        skineval.evaluate(tmp_path / "p.csv", truth=tmp_path / "t.csv", replicates=1000)


def test_targets_that_contradict_the_truth_are_refused_with_their_row(figures, tmp_path, skineval_program):
    found, _ = figures(CONTRADICTING)
    assert found["accuracy", ""] == 0
    (tmp_path / "t.csv").write_text(TRUTH)
    done = skineval_program("evaluate", "p.csv", "--truth=t.csv")
    assert done.returncode == 3
    assert "row 2: target of a is nv, and mel in t.csv" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "names",
    [
        {},
        {dx.upper(): dx for dx in DIAGNOSES},
        {"MEL": "Melanoma", "NV": "Melanocytic nevi", "AKIEC": "Actinic keratoses", "BCC": "Basal cell carcinoma"},
    ],
    ids=["upper case", "lower case", "full names"],
)
def test_malignancy_is_known_whatever_classes_are_called(names, figures):
    text = UPPER_CASE
    for name, other in names.items():
        text = text.replace(name, other)
    found, notes = figures(text)
    assert found["malignancy_auc", ""] == found["accuracy", ""] == 1
    assert "malignancy" not in notes


def test_malignancy_that_is_not_known_is_said_to_be_so(figures):
    found, notes = figures("image,target,first,second\na,first,.9,.1\nb,second,.2,.8\n")
    assert found["accuracy", ""] == 1
    assert ("malignancy_auc", "") not in found
    assert "No malignancy AUC: whether first, second are malignant is not known" in notes


def test_malignancy_counts_what_is_known_of_every_class(figures):
    """A squamous cell carcinoma is malignant, and nobody is said to be benign who is not known to be."""
    found, notes = figures("image,target,mel,nv,scc\na,scc,.1,.1,.8\nb,nv,.1,.7,.2\nc,mel,.6,.3,.1\n")
    assert found["malignancy_auc", ""] == 1
    assert "alignancy AUC" not in notes
    found, notes = figures("image,target,mel,nv,wart\na,wart,.1,.1,.8\nb,nv,.1,.7,.2\nc,mel,.6,.3,.1\n")
    assert ("malignancy_auc", "") not in found
    assert "whether wart are malignant is not known" in notes


def test_malignant_and_benign_are_the_classes_of_their_task(tmp_path):
    (tmp_path / "p.csv").write_text("image;target;Malignant;Benign\na;Malignant;0,7;0,3\nb;benign;0,4;0,6\n")
    found = skineval.evaluate(tmp_path / "p.csv", replicates=1000)
    assert set(found["task"]) == {"malignant"}
    assert set(found["class"]) == {"", "benign", "malignant"}
    assert found.set_index("metric").loc["malignancy_auc", "value"] == 1


def test_a_truth_file_leaves_the_choice_of_a_part(tmp_path):
    whole = classifier(90)
    frame = whole.to_frame()
    frame["part"] = np.resize(["test", "Val", "training"], len(frame))
    frame.drop(columns=["target", "lesion_id"]).to_csv(tmp_path / "p.csv", index=False)
    truth = frame[["image_id", "lesion_id"]].assign(dx=frame["target"])
    for part, rows in (("test", 0), ("validation", 1), ("val", 1), ("Train", 2)):
        alone = skineval.evaluate(tmp_path / "p.csv", truth=truth, part=part, replicates=1000)
        kept = whole.take(np.arange(rows, len(frame), 3)).to_frame().assign(part="test")
        pd.testing.assert_frame_equal(
            alone.drop(columns="model"), skineval.evaluate(kept, replicates=1000).drop(columns="model")
        )
        assert alone["n_images"].max() == len(kept)


def test_lesion_ids_that_are_known_to_be_of_one_lesion_are_one(tmp_path):
    frame = classifier(12, images_per_lesion=1).to_frame()
    frame.loc[[0, 1], "image_id"] = KNOWN_DUPLICATES[0]
    frame.loc[1, list(frame)[5:]] = frame.loc[0, list(frame)[5:]]
    assert skineval.evaluate(frame, replicates=1000)["n_lesions"].max() == 11


def test_rounded_probabilities_have_all_figures_but_net_benefit(figures):
    frame = classifier(40).to_frame()
    frame[list(DIAGNOSES)] = frame[list(DIAGNOSES)].round(2)
    found, notes = figures(frame.to_csv(index=False, sep=";", decimal=","))
    assert found["nll", ""] > 0
    assert "Probabilities are rounded" in notes
    assert found["net_benefit", ""] is None  # of two sums of these, one has an error of up to .025
    assert "net benefit is left out." in notes
    scores = frame.assign(mel=1.0).drop(columns="target").to_csv(index=False)
    found, notes = figures(scores, frame[["image_id", "target"]].to_csv(index=False))
    assert found["nll", ""] is None
    assert "do not sum to 1: NLL, Brier score, ECE and net benefit need probabilities and are left out" in notes


def test_columns_that_are_not_read_are_named(figures):
    _, notes = figures(
        UPPER_CASE.replace("target", "age,target").replace("MEL,0", "50,MEL,0").replace("NV,0", "50,NV,0")
    )
    assert "Not read, as no scores of a class: age." in notes


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_spreadsheets_and_pandas_write_scores_alike(encoding, tmp_path):
    frame = classifier(30).to_frame()
    wanted = skineval.evaluate(frame, replicates=1000)
    frame.to_csv(tmp_path / "p.csv", sep=";", decimal=",", encoding=encoding, lineterminator="\r\n")
    found = skineval.evaluate(tmp_path / "p.csv", replicates=1000)
    pd.testing.assert_frame_equal(found.drop(columns="model"), wanted.drop(columns="model"))


def test_a_frame_may_have_images_as_its_index():
    frame = classifier(20).to_frame()
    indexed = skineval.evaluate(frame.set_index("image_id"), replicates=1000)
    pd.testing.assert_frame_equal(indexed, skineval.evaluate(frame, replicates=1000))


def test_systems_of_files_have_no_strategy(tmp_path, skineval_program):
    (tmp_path / "p.csv").write_text(UPPER_CASE)
    told = skineval_program("evaluate", "p.csv", "--replicates=1000", "--format=markdown").stdout
    assert "Scored: 4 images" in told
    assert "strategy" not in told


def test_numbered_classes_are_named_by_an_option(figures, tmp_path, skineval_program):
    frame = classifier(30).to_frame()
    wanted, _ = figures(frame.to_csv(index=False))
    numbered = {dx: f"probability_class_{code}" for code, dx in enumerate(DIAGNOSES)}
    other = frame.rename(columns=numbered).assign(target=frame["target"].map(DIAGNOSES.index)).to_csv(index=False)
    found, _ = figures(other, None, f"--classes={','.join(DIAGNOSES)}")
    assert found == wanted
    done = skineval_program("evaluate", "p.csv")
    assert done.returncode == 3
    assert "--classes akiec,bcc,bkl,df,mel,nv,vasc" in done.stderr


def test_quiet_is_without_warnings(tmp_path, skineval_program):
    (tmp_path / "p.csv").write_text(WITH_SCC)
    (tmp_path / "t.csv").write_text(TRUTH)
    loud = skineval_program("evaluate", "p.csv", "--truth=t.csv", "--replicates=1000", "--format=csv")
    assert "Warning: SCC" in loud.stderr
    quiet = skineval_program("evaluate", "p.csv", "--truth=t.csv", "--replicates=1000", "--format=csv", "-q")
    assert (quiet.returncode, quiet.stderr, quiet.stdout) == (0, "", loud.stdout)
    doctor = skineval_program("doctor", "-q", "--format=csv")
    assert (doctor.returncode, doctor.stderr) == (0, "")


def test_names_of_classes_are_no_control_characters_nor_markup(figures):
    _, notes = figures(WITH_SCC.replace("SCC", "[red]S\x1b[31m<b>"), TRUTH)
    assert "[red]S" in notes
    assert "\x1b" not in notes


def test_figures_are_measured_and_benches_planned_without_torch(tmp_path):
    (tmp_path / "p.csv").write_text(UPPER_CASE)
    code = (
        "import sys, skineval, skineval.measure.comparisons, skineval.measure.curves, skineval.measure.baselines; "
        "skineval.evaluate('p.csv', replicates=1000); assert 'sklearn' not in sys.modules; "
        "import skineval.grid.run, skineval.grid.prepare; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_several_maps_are_all_of_them(skineval_program, tmp_path):
    rows = ["a,mel,.6,.2,.1,.1", "b,nv,.1,.7,.1,.1", "c,bcc,.1,.1,.7,.1", "d,bkl,.1,.3,.2,.4"]
    (tmp_path / "four.csv").write_text("\n".join(["image_id,target,mel,nv,bcc,bkl", *rows]))
    once = ("--map=bad=mel+bcc,good=nv+bkl",)
    twice = ("--map=bad=mel+bcc", "--map=good=nv+bkl")
    first, second = (
        skineval_program("evaluate", "four.csv", *maps, "--replicates=0", "--format=csv").stdout
        for maps in (once, twice)
    )
    assert first == second
    assert "recall,good," in first


def test_without_intervals_figures_are_the_same_and_it_is_said(figures, tmp_path, skineval_program):
    whole, _ = figures(UPPER_CASE)
    done = skineval_program("evaluate", "p.csv", "--replicates=0", "--format=json")
    table = json.loads(done.stdout)
    plain = {(row["metric"], row["class"] or ""): row["value"] for row in table["rows"]}
    for key, value in whole.items():
        found = plain[key]["value"]
        assert (plain[key]["low"], plain[key]["high"]) == (None, None)
        assert found == (None if value is None else pytest.approx(value))
    notes = " ".join(table["footnotes"])
    assert "nothing says how sure these figures are" in notes
    assert "Brackets" not in notes
    (tmp_path / "q.csv").write_text(UPPER_CASE.replace(".7,.3", ".3,.7"))
    for refused in (("evaluate", "p.csv", "--replicates=999"), ("compare", "p.csv", "q.csv", "--replicates=0")):
        failed = skineval_program(*refused)
        assert failed.returncode == 2
        assert "--replicates is" in failed.stderr


@pytest.mark.parametrize(
    ("predictions", "truth", "said"),
    [
        (UPPER_CASE.replace("target", "label"), None, "label holds names of classes: call it target"),
        (UPPER_CASE, TRUTH.replace("\n", "\nX"), "No image of p.csv is in t.csv: there is no a, but Xa."),
    ],
)
def test_what_is_probably_meant_is_said(predictions, truth, said, tmp_path, skineval_program):
    (tmp_path / "p.csv").write_text(predictions)
    (tmp_path / "t.csv").write_text((truth or "").removesuffix("X"))
    given = ("--truth=t.csv", "--allow-missing") if truth else ()
    done = skineval_program("evaluate", "p.csv", *given)
    assert done.returncode == 3
    assert said in " ".join(done.stderr.split())


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="is a folder, and neither that of a bench nor that of a trained cell"):
        skineval.evaluate(tmp_path)
