"""`skineval data audit` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from tests.conftest import TINY

FEW = ("--draws=3", "--pairs=4")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The folder of a bench of two folds whose parts are made of whole lesions."""
    from skineval import api

    folder = tmp_path_factory.mktemp("bench") / "b"
    keys = dict(key.removeprefix("--").split("=", 1) for key in TINY)
    keys = {key.replace("-", "_"): value for key, value in keys.items()}
    api.bench(**keys, epochs=1, folds=2, explainers="", out=folder)
    return folder


@pytest.fixture
def copy(bench, tmp_path):
    """A copy of that bench to spoil."""
    import shutil

    return shutil.copytree(bench, tmp_path / "b")


def test_a_data_set_is_audited_on_the_console_and_nothing_is_written(tmp_path, skineval_program):
    done = skineval_program("data", "audit", "synthetic:images=150", *FEW)
    assert done.returncode == 0, done.stderr
    for words in ("single images dealt out, LEAKY", "0 of 30", "Candidates", "minority classes", "SYNTHETIC"):
        assert words in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_json_is_the_document_that_is_written(tmp_path, skineval_program):
    done = skineval_program("data", "audit", "synthetic:images=150", *FEW, "--out=a", "--format=json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "a" / "audit.json").read_text()
    document = json.loads(done.stdout)
    assert document["images"] == 150
    assert document["lesion_level"]["parting"]["parted_lesions"] == 0
    assert 0.2 < document["siblings_by_lesion"][0]["expected"] < 0.7
    assert "audit.html" in done.stderr
    # A person has taken out the pairs that are none.
    (tmp_path / "a" / "pairs.csv").write_text("image_a,image_b\n")
    done = skineval_program("data", "audit", "synthetic:images=150", *FEW, "--out=a", "--format=json")
    assert done.returncode == 2
    assert "a/pairs.csv is there already, with another content." in done.stderr
    assert done.stdout == (tmp_path / "a" / "audit.json").read_text()


def test_csv_is_what_groups_takes(tmp_path, skineval_program):
    first = skineval_program("data", "audit", "synthetic:images=150", *FEW, "--format=csv")
    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    assert len(rows) == 4
    (tmp_path / "pairs.csv").write_text(first.stdout)
    second = skineval_program("data", "audit", "synthetic:images=150", *FEW, "--format=json", "--groups=pairs.csv")
    assert second.returncode == 0, second.stderr
    document = json.loads(second.stdout)
    joined = {(one["pair"]["lesion_a"], one["pair"]["lesion_b"]) for one in document["joined"]}
    assert {(row["lesion_a"], row["lesion_b"]) for row in rows} <= joined
    assert "confirmed pairs of images: 4" in " ".join(document["notes"])
    assert document["lesions"] < document["lesion_ids"]


def test_a_bench_is_what_it_claims(bench, skineval_program, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    done = skineval_program("data", "audit", str(bench), *FEW)
    assert done.returncode == 0, done.stderr
    assert "By fold: what crosses from part to part in the split of b" in done.stdout
    assert "Folds apart" in done.stdout
    assert re.search(r"the split of b\s+0 of 150", done.stdout)
    for name in ("audit.json", "audit.md", "audit.html", "pairs.csv", "figures/near-duplicates.svg"):
        assert (bench / name).is_file()
    document = json.loads((bench / "audit.json").read_text())
    assert document["actual"]["recorded"] == document["actual"]["fingerprint"]
    assert document["stamps"] == ["SYNTHETIC"]


def test_a_bench_whose_split_was_made_to_leak_is_found_out(copy, skineval_program):
    rows = list(csv.DictReader((copy / "split.csv").read_text().splitlines()))
    of_fold = [row for row in rows if row["fold"] == "0"]
    groups = [row["group"] for row in of_fold]
    moved = next(row for row in of_fold if groups.count(row["group"]) > 1 and row["part"] == "train")
    moved["part"] = "validation"
    with (copy / "split.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = skineval_program("data", "audit", str(copy), *FEW)
    assert done.returncode == 3
    assert "claims to keep lesions together, and 1 lesion is parted" in " ".join(done.stderr.split())
    assert "LEAKY" in (copy / "audit.md").read_text().partition("\n")[0]


def test_a_bench_whose_record_was_changed_is_found_out(copy, skineval_program):
    environment = json.loads((copy / "environment.json").read_text())
    environment["split"]["fingerprint"] = "0" * 64
    environment["data"]["fingerprint"] = "1" * 64
    (copy / "environment.json").write_text(json.dumps(environment))
    done = skineval_program("data", "audit", str(copy), *FEW, "-q")
    assert done.returncode == 3
    told = " ".join(done.stderr.split())
    assert "it was changed" in told
    assert "not the data that was benched" in told


def test_a_bench_has_its_own_quarantine(bench, skineval_program):
    done = skineval_program("data", "audit", str(bench), "--quarantine=list.csv")
    assert done.returncode == 2
    assert "is a bench" in done.stderr


def test_confirmed_pairs_show_that_a_bench_leaked(bench, tmp_path, skineval_program):
    rows = list(csv.DictReader((bench / "split.csv").read_text().splitlines()))
    test, train = (
        next(row for row in rows if row["fold"] == "0" and row["part"] == part) for part in ("test", "train")
    )
    (tmp_path / "pairs.csv").write_text(f"image_a,image_b\n{test['image_id']},{train['image_id']}\n")
    done = skineval_program("data", "audit", str(bench), *FEW, "--groups=pairs.csv", "--out=a")
    assert done.returncode == 3
    assert "lesions are parted" in done.stderr
    document = json.loads((tmp_path / "a" / "audit.json").read_text())
    assert document["actual"]["leaky"]
    assert len(document["actual"]["contradictions"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["synthetic:images=150", "--test=0"], 2, "A test share of 0.0"),
        (["synthetic:images=150", "--draws=0"], 2, "draws"),
        (["synthtic"], 2, "Did you mean synthetic?"),
        (["./nowhere"], 3, "There is no folder or file ./nowhere"),
        (["synthetic:images=150", "--groups=nowhere.csv"], 3, "nowhere.csv cannot be read"),
    ],
)
def test_errors_say_what_is_wrong(arguments, code, message, skineval_program):
    done = skineval_program("data", "audit", *arguments)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "environment.json").write_text("{}"),
            "json cannot be read: it lacks command",
        ),
        (lambda folder: (folder / "environment.json").unlink(), "environment.json cannot be read"),
        (lambda folder: (folder / "split.csv").write_text("image_id,part\nX,test\n"), "not in synthetic"),
    ],
)
def test_a_damaged_bench_is_refused(spoil, message, copy, skineval_program):
    spoil(copy)
    done = skineval_program("data", "audit", str(copy), *FEW)
    assert done.returncode == 3
    assert message in " ".join(done.stderr.split())
