"""Where a trained cell looks: its maps of the test part of its bench, scored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import DataError, ModelFileError, NoMapError, UsageError, first_few
from skineval.base.places import cache_folder
from skineval.base.terms import Progress, Unit
from skineval.catalog.catalog import Catalog
from skineval.data.pixels.store import open_store
from skineval.explain.asked import Asked, places_of_few
from skineval.explain.ledger import Ledger
from skineval.explain.panels import Explaining, Seen, explain
from skineval.explain.rating import FAITHFULNESS, GROUPS, OUTLINES, Rated, rate
from skineval.explain.scores import CENTRE, SHARES
from skineval.explain.scores import PRIMARY as OF_OUTLINES
from skineval.explain.target import PREDICTED, Target
from skineval.grid.lesionless import Removed, without_lesions
from skineval.grid.sources import read_data
from skineval.grid.trained import open_trained
from skineval.measure.comparisons import holm
from skineval.measure.means import mean_difference, mean_score
from skineval.measure.resampling import UnitCounts, resample
from skineval.train.augment import normaliser
from skineval.train.classifier import Classifier
from skineval.train.cpu import use_cpu
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import Stage, put_on_device
from skineval.train.weights import NONE, Weights
from skineval.values.lesion_table import LesionTable, fit_keyword
from skineval.values.measures import Difference, Score
from skineval.values.predictions import Predictions
from skineval.values.recipe import make_recipe
from skineval.values.runspec import RunSpec, derive_seed

CONTROLS = "controls"  #: of the network itself: it is asked about images without their lesion
SCORED = (*GROUPS, CONTROLS)  #: what can be asked for
#: By which score of a group explainers are compared, declared beforehand.
PRIMARY: Mapping[str, str] = MappingProxyType({OUTLINES: OF_OUTLINES, FAITHFULNESS: "road"})
NO_MASKS = "There is no mask of any test image."


_SHOWN = 4  # right ones of a class, and wrong ones


@dataclass(frozen=True)
class Questions:
    """What is asked of a trained cell."""

    target: str = PREDICTED
    scores: str = OUTLINES  #: some of `SCORED`, with commas
    images: Sequence[str] = ()  #: ids of test images; none: all of them are asked about
    limit: int | None = None  #: so many of these, of each class its share
    fresh: bool = False  #: nothing of the same questions that was scored before an interruption is gone on from


@dataclass(frozen=True, eq=False)
class Explained:
    """How well each way to make maps of a trained cell does."""

    run_id: str
    system: str
    unit: Unit  #: what is resampled
    replicates: int
    target: Target
    images: Predictions
    groups: tuple[str, ...]  #: of `GROUPS`, those that were scored
    rated: Sequence[Rated]
    scores: Mapping[str, Mapping[str, Score]]  #: of each row, by their columns
    differences: Sequence[Difference]  #: in each `PRIMARY`: each explainer less `centre`, and less its untrained twin
    removed: Sequence[Removed]  #: what the network says of images without their lesion; empty: nobody asked
    galleries: Mapping[str, Sequence[Path]]  #: of each explainer; empty: nobody asked
    stamps: tuple[str, ...]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """scores.csv: one row an image and way to make maps."""
        known = {"image_id": self.images.image_ids, "lesion_id": self.images.lesion_ids}
        frames = [pd.DataFrame({"explainer": one.name, **known, **one.scores}) for one in self.rated]
        return pd.concat(frames) if frames else pd.DataFrame(columns=["explainer", *known])


def explain_cell(
    model: Path,
    keys: Mapping[str, object],
    catalog: Catalog,
    questions: Questions,
    *,
    out: Path | None,
    progress: Progress,
) -> Explained:
    """Score the maps of a trained cell on the test part of its bench, and draw galleries of some of them into `out`.

    `keys` are the recipe keys `explainers`, `device` and `replicates`. Where there are no masks, what needs them is
    left out, and a note says so. Raises ModelFileError for what is no trained cell of a bench, DataError where its data
    have changed or have no masks and nothing else is asked for, UsageError for scores, explainers, targets and images
    that are not there. What was scored when the user asks to stop is kept in the cache, and gone on from.
    """
    wanted = _wanted(questions.scores)
    asked = make_recipe({**keys, "models": "*", "data": "synthetic"})  # no recipe is without these
    trained = open_trained(model, catalog, asked.device)
    around = trained.surroundings()
    if around is None:
        raise ModelFileError(f"{model} is no cell of a bench.", "Its test part is looked for in the bench around it.")
    classifier, bench, own = trained.classifier, around.bench, around.own
    aim = Target.of(questions.target, classifier.classes)
    explaining = [Explaining(one, catalog.explainers[one.name]) for one in catalog.explainers.select(asked.explainers)]
    table = read_data(bench.recipe, catalog).table
    if table.fingerprint != around.spec.data:
        raise DataError(f"The data of {bench.folder} are no longer those of the bench.", "Restore them.")
    test = _chosen(own.predictions.select("test"), questions.images)
    test = test.take(places_of_few(test, questions.limit, around.spec.split))
    use_cpu()
    about = Asked(_seen(classifier, table, test, progress), aim)
    notes = list(table.notes)
    if about.masks is None and (lacking := [group for group in wanted if group in (OUTLINES, CONTROLS)]):
        wanted = [group for group in wanted if group not in lacking]
        if not wanted:
            raise DataError(NO_MASKS, f"They are needed for {' and '.join(lacking)}. Other --scores need none.")
        notes.append(f"{NO_MASKS} Left out, since they need one: {' and '.join(lacking)}.")
    maps = tuple(group for group in GROUPS if group in wanted)
    ledger = Ledger(_kept(classifier, catalog, table, about, explaining, maps), fresh=questions.fresh)
    rated = list(rate(about, explaining, _untrained(around.spec, about.seen), maps, progress, ledger)) if maps else []
    drawn = resample([test], asked.replicates, 0)
    title = f"{own.system}, fold {own.fold}, seed {own.seed}"
    most = len(test) if questions.images else _SHOWN
    explained = Explained(
        run_id=own.run_id,
        system=own.system,
        unit=bench.unit,
        replicates=asked.replicates,
        target=aim,
        images=test,
        groups=maps,
        rated=rated,
        scores={
            one.name: {
                column: mean_score(column, values, test, drawn, is_share=column in SHARES)
                for column, values in one.scores.items()
            }
            for one in rated
        },
        differences=[
            found
            for group, column in PRIMARY.items()
            if group in maps
            for found in _differences(column, rated, test, drawn)
        ],
        removed=without_lesions(classifier, about, asked.replicates, progress) if CONTROLS in wanted else [],
        galleries={} if out is None else _draw(out, title, about, explaining, classifier.stamps, most),
        stamps=classifier.stamps,
        notes=tuple(notes),
    )
    ledger.close()
    return explained


def _kept(
    classifier: Classifier,
    catalog: Catalog,
    table: LesionTable,
    asked: Asked,
    explaining: Sequence[Explaining],
    groups: Sequence[str],
) -> Path:
    """Where scores of these maps are kept until all are there: in another place if anything is another one."""
    entries, test = catalog.explainers.entries, asked.seen.test
    about = (
        *(version("skineval"), torch.__version__, str(classifier.device)),
        *(classifier.about.run_id, classifier.about.sha256, table.fingerprint),
        *(asked.target, groups, [(str(one.selection), entries[one.selection.name].provider) for one in explaining]),
        *(test.image_ids.tolist(), asked.target.of_images(test).tolist()),
    )
    return cache_folder() / "explaining" / hashlib.sha256(repr(about).encode()).hexdigest()[:16]


def _wanted(groups: str) -> list[str]:
    wanted = [group.strip() for group in groups.split(",")]
    for group in wanted:
        if group not in SCORED:
            raise UsageError(f"--scores names {group!r}, which is none.", f"There are {', '.join(SCORED)}.")
    return wanted


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


def _differences(column: str, rated: Sequence[Rated], test: Predictions, drawn: UnitCounts) -> list[Difference]:
    """In one score, with Holm's correction for all of these."""
    values = {one.name: one.scores[column] for one in rated if column in one.scores}
    pairs = [(one.name, CENTRE) for one in rated if not one.is_control and not one.silence] + [
        (one.of, one.name) for one in rated if one.of
    ]
    found = [replace(mean_difference(column, values[a], values[b], test, drawn), a=a, b=b) for a, b in pairs]
    corrected = holm([one.p for one in found])
    return [replace(one, p_holm=float(p)) for one, p in zip(found, corrected, strict=True)]


def _draw(
    out: Path, title: str, asked: Asked, explainers: Sequence[Explaining], stamps: Sequence[str], most: int
) -> dict[str, list[Path]]:
    """Galleries of each explainer in a folder of its own; of one that has no map there is none."""
    found = {}
    for one in explainers:
        name = str(one.selection)
        with suppress(NoMapError):
            place = out / name.replace(":", "-")
            found[name] = explain(place, f"{name} of {title}", one, asked.seen, stamps, target=asked.target, most=most)
    return found


def _chosen(test: Predictions, image_ids: Sequence[str]) -> Predictions:
    """Some of the test images; all where none are named."""
    lacking = sorted({*image_ids} - {*test.image_ids.tolist()})
    if lacking:
        raise UsageError(
            f"--images names what is not in the test part: {first_few(lacking)}.",
            "predictions.csv in the folder of the cell tells which images are. Others: skineval predict --explain.",
        )
    return test.take(np.isin(test.image_ids, image_ids)) if image_ids else test
