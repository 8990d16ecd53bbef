"""Where a trained cell looks: its maps of the test part of its bench, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import DataError, ModelFileError
from skineval.base.places import cache_folder
from skineval.base.terms import Progress, Unit
from skineval.catalog.catalog import Catalog
from skineval.data.pixels.store import open_store
from skineval.explain.panels import Explaining, Seen
from skineval.explain.rating import CENTRE, Rated, rate
from skineval.explain.scores import SCORES
from skineval.explain.target import Target
from skineval.grid.cell.record import read_cell
from skineval.grid.folder import BenchFolder, CellFolder, trained_cell
from skineval.grid.reading import read_bench
from skineval.grid.sources import read_data
from skineval.measure.comparisons import holm
from skineval.measure.means import mean_difference, mean_score
from skineval.measure.resampling import UnitCounts, resample
from skineval.train.augment import normaliser
from skineval.train.classifier import Classifier, load_classifier
from skineval.train.device import cpu_threads
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import Stage, put_on_device
from skineval.train.weights import NONE, Weights
from skineval.values.lesion_table import LesionTable, fit_keyword
from skineval.values.measures import Difference, Score
from skineval.values.predictions import Predictions
from skineval.values.recipe import make_recipe
from skineval.values.runspec import RunSpec, derive_seed

PRIMARY = "auc"  #: by which explainers are compared, declared beforehand


@dataclass(frozen=True, eq=False)
class Explained:
    """How well each way to make maps of a trained cell agrees with the outlines of lesions."""

    run_id: str
    system: str
    unit: Unit  #: what is resampled
    replicates: int
    target: Target
    images: Predictions
    rated: Sequence[Rated]
    scores: Mapping[str, Sequence[Score]]  #: of each row, in the order of `SCORES`
    differences: Sequence[Difference]  #: in `PRIMARY`: each explainer less `centre`, and less its untrained twin
    stamps: tuple[str, ...]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """scores.csv: one row an image and way to make maps."""
        known = {"image_id": self.images.image_ids, "lesion_id": self.images.lesion_ids}
        return pd.concat([pd.DataFrame({"explainer": one.name, **known, **one.scores}) for one in self.rated])


def explain_cell(
    model: Path, keys: Mapping[str, object], catalog: Catalog, *, target: str, limit: int | None, progress: Progress
) -> Explained:
    """Score the maps of a trained cell on the test part of its bench, or on `limit` images of it.

    `keys` are the recipe keys `explainers`, `device` and `replicates`. Raises ModelFileError for what is no trained
    cell of a bench, DataError where its data have changed or have no masks, UsageError for explainers and targets that
    are not there.
    """
    asked = make_recipe({**keys, "models": "*", "data": "synthetic"})  # no recipe is without these
    cell = CellFolder(trained_cell(model).resolve())
    record = read_cell(cell)
    folder = BenchFolder(cell.path.parents[1])
    if record is None or not folder.recipe.is_file():
        raise ModelFileError(f"{model} is no cell of a bench.", "Its test part is looked for in the bench around it.")
    classifier = load_classifier(cell.path, device=asked.device, catalog=catalog)
    aim = Target.of(target, classifier.classes)
    explaining = [Explaining(one, catalog.explainers[one.name]) for one in catalog.explainers.select(asked.explainers)]
    bench = read_bench(folder)
    table = read_data(bench.recipe, catalog).table
    if table.fingerprint != record.spec.data:
        raise DataError(f"The data of {folder.path} are no longer those of the bench.", "Restore them.")
    (own,) = (one for one in bench.finished if one.run_id == record.spec.run_id)
    test = _few(own.predictions.select("test"), limit, record.spec.split)
    torch.set_num_threads(cpu_threads(1))
    seen = _seen(classifier, table, test, progress)
    rated = list(rate(seen, explaining, _untrained(record.spec, seen), aim, progress))
    drawn = resample([test], asked.replicates, 0)
    return Explained(
        run_id=own.run_id,
        system=own.system,
        unit=bench.unit,
        replicates=asked.replicates,
        target=aim,
        images=test,
        rated=rated,
        scores={one.name: [mean_score(name, one.scores[name], test, drawn) for name in SCORES] for one in rated},
        differences=_differences(rated, test, drawn),
        stamps=classifier.stamps,
        notes=tuple(table.notes),
    )


def _seen(classifier: Classifier, table: LesionTable, test: Predictions, progress: Progress) -> Seen:
    """The network and the images that it is asked about."""
    about, architecture, device = classifier.about, classifier.architecture, classifier.device
    pixels = open_store(table, about.image_size, fit=about.fit, cache=cache_folder(), progress=progress)
    normalise = normaliser(architecture.mean, architecture.std, device)
    stage = Stage(put_on_device(pixels.array, device), device, "fp32", normalise)
    keyword = fit_keyword(table.images.masks, about.fit)

    def masks(image_ids: Sequence[str], side: int) -> NDArray[np.bool_] | None:
        return table.images.masks(table.rows_of(image_ids), side, **keyword)

    rows = np.asarray(table.rows_of(test.image_ids.tolist()))
    return Seen(architecture, classifier.network, stage, test, rows, masks)


def _untrained(spec: RunSpec, seen: Seen) -> nn.Module:
    """The same network with random weights: others than those which a training from scratch began with."""
    seed = derive_seed("untrained", spec.seed)
    network, _ = build_network(Blueprint.of(seen.architecture, spec), Weights(NONE), seed)
    return network.to(seen.stage.device).to(memory_format=torch.channels_last).eval()


def _differences(rated: Sequence[Rated], test: Predictions, drawn: UnitCounts) -> list[Difference]:
    values = {one.name: one.scores[PRIMARY] for one in rated}
    pairs = [(one.name, CENTRE) for one in rated if not one.is_control and not one.silence] + [
        (one.of, one.name) for one in rated if one.of
    ]
    found = [replace(mean_difference(PRIMARY, values[a], values[b], test, drawn), a=a, b=b) for a, b in pairs]
    corrected = holm([one.p for one in found])
    return [replace(one, p_holm=float(p)) for one, p in zip(found, corrected, strict=True)]


def _few(test: Predictions, limit: int | None, seed: str) -> Predictions:
    """Each image once, and of these so many, of each class its share, by chance that depends on the split alone."""
    _, once = np.unique(test.image_ids, return_index=True)
    test = test.take(np.sort(once))
    if limit is None or limit >= len(test):
        return test
    order = np.random.default_rng([*seed.encode()]).permutation(len(test))
    ranks = np.empty(len(test))
    for label in range(len(test.classes)):
        members = order[test.targets[order] == label]
        ranks[members] = (np.arange(len(members)) + 0.5) / max(len(members), 1)
    return test.take(np.sort(np.argsort(ranks, kind="stable")[:limit]))
