"""Lesion masks on their way from the data to the galleries that a worker writes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from skineval.base.errors import DataError
from skineval.catalog.catalog import load_catalog
from skineval.data.synthetic import synthetic
from skineval.grid.cell.additions import outlines
from skineval.grid.folder import BenchFolder
from skineval.grid.workers.worker import masks_of
from skineval.values.recipe import make_recipe


@pytest.fixture
def bench(tmp_path):
    folder = BenchFolder(tmp_path)
    recipe = make_recipe({"models": "cnn", "data": "synthetic:images=100", "limit": 50, "fit": "crop"})
    folder.recipe.write_text(recipe.to_toml(), encoding="utf-8")
    return folder


def test_a_worker_finds_the_masks_of_images_as_the_bench_shows_them(bench):
    table = synthetic.load(images=100)
    shown = [str(table.frame["image_id"][row]) for row in (7, 3)]
    sample = masks_of(bench, load_catalog())
    with pytest.raises(KeyError):  # half of the images are in the sample
        sample(table.frame["image_id"].tolist(), 16)
    whole = bench.recipe.read_text(encoding="utf-8").replace("limit = 50\n", "")
    bench.recipe.write_text(whole, encoding="utf-8")
    found = masks_of(bench, load_catalog())(shown, 16)
    np.testing.assert_array_equal(found, table.images.masks([7, 3], 16, fit="crop"))
    assert found.any()


@pytest.mark.parametrize("error", [DataError("x_segmentation.png is damaged."), KeyError("of a plugin")])
def test_masks_that_cannot_be_had_cost_the_outlines_and_no_more(error):
    def masks(image_ids, side):
        raise error

    notes = []
    cell = SimpleNamespace(masks=masks, stage=SimpleNamespace(on_note=notes.append))
    assert outlines(cell, ["a"], 16) is None
    (note,) = notes
    assert note.startswith("Explanations lack the outlines of lesions: ")
    assert ("damaged" in note) == isinstance(error, DataError)


def test_data_without_masks_have_no_outlines(bench, monkeypatch):
    table = replace(synthetic.load(images=100), images=SimpleNamespace(masks=lambda rows, side, fit: None))
    monkeypatch.setattr("skineval.grid.workers.worker.read_data", lambda recipe, catalog: SimpleNamespace(table=table))
    assert masks_of(bench, load_catalog())([str(table.frame["image_id"][0])], 16) is None
