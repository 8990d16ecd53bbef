"""Patients as groups: images of one are never on both sides, and every report says what was kept together."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import skineval
from skineval import api
from skineval.base.errors import DataError, UsageError
from skineval.report.audit import audit
from tests.data.folders import encoded, picture, write_files

TINY = {"models": "cnn:width=4", "image_size": 16, "epochs": 1, "replicates": 1000, "weights": "none"}
COLUMNS = "image=file,label=what,patient=who"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 images of 24 patients, of whom each second one has a wart beside moles; lesions are not known."""
    rows = [
        f"i{patient}-{k},{'Wart' if k == 1 and patient % 2 else 'Mole'},p{patient}"
        for patient in range(24)
        for k in range(2 + patient % 2)
    ]
    images = {f"{row.partition(',')[0]}.png": encoded(picture(seed), "PNG") for seed, row in enumerate(rows)}
    return write_files(
        tmp_path_factory.mktemp("own"), {**images, "t.csv": "\n".join(["file,what,who", *rows]).encode()}
    )


def test_info_audit_and_bench_show_one_fingerprint(folder, tmp_path):
    keys = {"columns": COLUMNS, "task": "labels"}
    info = api.inventory(folder, **keys).fingerprint
    assert (
        info == api.audit(folder, draws=1, **keys).audit.fingerprint == api.dealt_out(folder, keys)[0].table.fingerprint
    )
    assert info != api.inventory(folder, **keys).table.fingerprint


def test_a_bench_keeps_patients_together_and_says_so(folder, tmp_path):
    result = skineval.bench(data=folder, columns=COLUMNS, task="labels", out=tmp_path / "out", **TINY)
    split = pd.read_csv(tmp_path / "out/split.csv")
    patient = split["image_id"].str.partition("-")[0]
    assert (split.groupby(patient)["part"].nunique() == 1).all()
    assert result.warnings == ()
    recall = result.results.query("metric == 'recall' and model == 'majority'")
    test = split[split["part"] == "test"]
    assert recall.query("`class` == 'mole'")["n_lesions"].item() == patient[test.index].nunique()
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "patients, with all of their images, are resampled" in report
    assert "No patient has images in more than one part" in report
    assert "60 lesion ids are of 24 patients" in report
    data = json.loads((tmp_path / "out/environment.json").read_text())["data"]
    assert (data["patients"], data["by_patient"], data["lesions"]) == (24, True, None)


def test_lesions_alone_do_not_do_where_only_patients_are_known(folder):
    table, made = api.split(folder, columns=COLUMNS, task="labels", folds=3)
    assert table.unit == "patient"
    assert made.folds == 3
    with pytest.raises(DataError, match="which lesion it shows"):
        api.split(folder, columns=COLUMNS, task="labels", group_by="lesion")
    with pytest.raises(UsageError, match="names no patients"):
        api.split("synthetic:images=100", group_by="patient")


def test_an_audit_speaks_of_what_images_are_grouped_by(folder):
    found = api.audit(folder, columns=COLUMNS, draws=2, pairs=0).audit
    assert (found.patients, found.lesions, found.unit) == (24, None, "patient")
    assert found.lesion_level.parting is not None
    assert not found.lesion_level.parting.leaky
    said = json.dumps([str(table) for table in audit.tables(found)])
    assert "whole patients dealt out" in said
    assert "an image of their patient in train" in said
    assert "of their lesion" not in said
