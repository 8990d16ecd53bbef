"""What is said of the images of a part as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from skineval.catalog.strategy import ImbalanceStrategy
from skineval.data.splits.split import Parts
from skineval.grid.cell import predicting
from skineval.values.runspec import Selection


def test_shares_that_went_to_one_class_are_a_note_on_the_cell_for_each_part(monkeypatch):
    rows, notes = np.arange(30), []
    sure = np.tile([0.6, 0.4], (30, 1))  # by a little, of everything: the estimate goes to the first class
    sure[10:20] = np.repeat([[0.9, 0.1], [0.1, 0.9]], 5, axis=0)
    monkeypatch.setattr(predicting, "predict_probabilities", lambda network, stage, rows, tta: sure[rows].copy())
    cell = SimpleNamespace(
        strategy=ImbalanceStrategy("theirs", "One of a plugin.", estimates_prior=True),
        spec=SimpleNamespace(imbalance=Selection("theirs"), classes=("red", "green"), fold=0, seed=0, tta="none"),
        parts=Parts(rows[:10], rows[10:20], rows[20:]),
        stage=SimpleNamespace(on_note=notes.append),
        train_counts=np.array([5, 5]),
        on_embeddings=False,
    )
    ids = np.array([f"image {row}" for row in rows])
    images = SimpleNamespace(image_ids=ids, lesion_ids=ids, targets=rows % 2)
    found = predicting.predict(cell, None, images)
    assert notes == ["theirs: the shares estimated in test images went nearly all to red: red 100 %, green 0 %."]
    np.testing.assert_allclose(found.select("test").probabilities, np.tile([1.0, 0.0], (10, 1)), atol=1e-3)
