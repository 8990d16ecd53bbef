"""A made-up experiment on leakage: what is in the leaky train part is answered rightly there, all else as elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from skineval.grid.inflation import inflations
from skineval.grid.leakage import Leakage
from skineval.measure.names import METRICS
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult
from tests.report.conftest import make_bench

SYSTEMS = (("resnet34", "none", 1.3), ("cnn", "none", 0.9))


def known_groups(bench: BenchResult) -> np.ndarray:
    """Every other lesion of the test images, in the order of their names: what the leaky train part holds."""
    test = bench.split[bench.split["part"] == "test"]
    return np.unique(test["group"].to_numpy(dtype=str))[::2]


def leaked(folder: Path) -> Leakage:
    """Two systems of two seeds each under the protocols lesion and image."""
    clean = make_bench(folder / "lesion", systems=SYSTEMS, failed=None, pixels=None)
    clean = replace(clean, recipe=clean.recipe.model_copy(update={"replicates": 1000}))
    groups = known_groups(clean)
    siblings = pd.DataFrame(
        {"image_id": [f"S{k}" for k in range(len(groups))], "lesion_id": groups, "group": groups, "fold": 0}
    ).assign(part="train")

    def told(one: Predictions) -> Predictions:
        right = np.eye(len(one.classes))[one.targets]
        seen = np.isin(one.groups, groups) & (one.parts == "test")
        return replace(one, probabilities=np.where(seen[:, None], right, one.probabilities))

    leaky = replace(
        clean,
        folder=folder / "image",
        recipe=clean.recipe.model_copy(update={"protocol": "image"}),
        warnings=("LEAKY",),
        scores=(),
        split=pd.concat([clean.split, siblings], ignore_index=True),
        finished=[replace(cell, predictions=told(cell.predictions)) for cell in clean.finished],
    )
    recipe = clean.recipe.model_copy(update={"protocol": "lesion,image"})
    return Leakage(folder, recipe, {"lesion": clean, "image": leaky}, inflations(clean, [leaky], METRICS))
