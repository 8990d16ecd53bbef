from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from skineval.base.errors import DataError
from skineval.builtins.datasets import SOURCES
from skineval.data.layouts import recognise
from tests.data.folders import ham_folder, seven_classes
from tests.data.layouts import collections, relayout

SOURCE = {source.name: source for source in SOURCES}


def test_ham10000_reads_folders(tmp_path: Path) -> None:
    source = SOURCE["ham10000"]
    assert source.recognise is not None
    assert not source.recognise(tmp_path)
    with pytest.raises(DataError):
        source.load(tmp_path)
    ham_folder(tmp_path)
    assert source.recognise(tmp_path)
    assert len(source.load(tmp_path)) == 4


def test_each_layout_is_a_source_that_recognises_its_own_alone(tmp_path: Path) -> None:
    table = recognise.load(seven_classes(tmp_path / "ham10000"))
    codes = table.frame["dx"].replace("akiec", "ak").str.upper().tolist()
    laid_out = {
        "ham10000": tmp_path / "ham10000",
        "isic2018": relayout.isic2018(table, tmp_path / "isic", ["train"] * 28),
        "isic2019": relayout.isic2019(table, tmp_path / "2019", codes, table.frame["lesion_id"].tolist()),
        "dermamnist": relayout.dermamnist(
            table, tmp_path / "dermamnist.npz", 8, ["train"] * 26 + ["test", "validation"]
        ),
        "folders": relayout.class_folders(table, tmp_path / "classes"),
        "hmnist": relayout.hmnist(table, tmp_path / "csv", 8),
    }
    expected = dict.fromkeys(laid_out, sorted(table.frame["dx"]))
    for name in collections.LAID_OUT.keys() & SOURCE.keys():
        laid_out[name] = tmp_path / name
        labels = collections.LAID_OUT[name](table, laid_out[name]).labels
        expected[name] = sorted(labels[dx] for dx in table.frame["dx"])
    assert set(laid_out) == set(SOURCE) - {"synthetic"} == {layout.name for layout in recognise.LAYOUTS}
    for name, path in laid_out.items():
        recognised = {source.name for source in SOURCES if source.recognise is not None and source.recognise(path)}
        assert recognised == {name}
        assert sorted(SOURCE[name].load(path).frame["dx"]) == expected[name]


def test_images_in_quarantine_are_left_out_of_every_layout(tmp_path: Path) -> None:
    table = recognise.load(seven_classes(tmp_path / "ham10000"))
    left_out = frozenset(table.frame["image_id"][:3])
    codes = table.frame["dx"].replace("akiec", "ak").str.upper().tolist()
    made = {name: tmp_path / name for name in collections.LAID_OUT.keys() & SOURCE.keys()}
    for name, path in made.items():
        collections.LAID_OUT[name](table, path)
    for name, path in {
        **made,
        "ham10000": tmp_path / "ham10000",
        "isic2018": relayout.isic2018(table, tmp_path / "isic", ["train"] * 28),
        "isic2019": relayout.isic2019(table, tmp_path / "2019", codes, table.frame["lesion_id"].tolist()),
        "folders": relayout.class_folders(table, tmp_path / "classes"),
    }.items():
        read = SOURCE[name].load(path, quarantined=left_out)
        assert read.frame["image_id"].tolist() == table.frame["image_id"][3:].tolist()


def test_synthetic_takes_its_parameters() -> None:
    source = SOURCE["synthetic"]
    assert source.recognise is None
    table = source.load(None, images=70, seed=3)
    assert len(table) == 70
    assert table.synthetic
    assert {name: parameter.default for name, parameter in source.parameters.items()} == {"images": 2000, "seed": 0}


def test_listing_data_sets_imports_nothing_heavy() -> None:
    # Importing the module imports its package, which lists every built-in.
    code = "import sys, skineval.builtins.datasets; print({'numpy', 'pandas', 'PIL', 'torch'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
