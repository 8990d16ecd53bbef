"""Predictions of any origin, scored, and set beside each other where there are several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from skineval.base.errors import UsageError, hint_for, plural
from skineval.base.terms import LEAKY, LESION, PROTOCOLS, Unit
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import Metric
from skineval.data.attributes import attributes
from skineval.data.groups import grouped
from skineval.data.quality.mates import mates
from skineval.data.spellings import part_name
from skineval.grid.common_ground import named_apart, on_common_images
from skineval.grid.entrants import Entrant, Terms, entrants, of_frame, table_of
from skineval.grid.measuring import COMPARED, of_ranks
from skineval.measure.class_columns import Reading
from skineval.measure.comparisons import against_best
from skineval.measure.intervals import estimate, is_rule
from skineval.measure.isic2018 import preset
from skineval.measure.metrics import confusion, ratio
from skineval.measure.names import OF_ANSWERS
from skineval.measure.references import Reference, read_reference, reference_of
from skineval.measure.replicates import Kept
from skineval.measure.subgroups import subgroups
from skineval.values.lesion_table import LesionTable
from skineval.values.measures import COMPARISON_COLUMNS, RESULT_COLUMNS, Difference, Score, Subgroup, as_frame
from skineval.values.predictions import concatenated

PRESETS = {"isic2018": preset}  #: the figures of an official scorer
LEAST_REPLICATES = 1000
WITHOUT_INTERVALS = "Without intervals, which 0 replicates leave out: nothing says how sure these figures are."
_FAR = 0.15  # by how much balanced accuracy must rise with columns in another order for that to be told
_ERRORS = 3.5  # and by how many standard errors: of few lesions some order fits whatever was answered
_LEAST = 0.5  # and what it must reach


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores, the best system against each other one, and what has to be said of them."""

    entrants: tuple[Entrant, ...]
    scores: tuple[Score, ...] = field(repr=False)
    differences: tuple[Difference, ...] = field(repr=False)
    unit: Unit  #: what was resampled
    stamps: tuple[str, ...]  #: LEAKY, and those of the benches in whose folders the predictions lie
    remarks: tuple[str, ...] = ()  #: what was read otherwise than a reader might think
    subgroups: tuple[Subgroup, ...] = field(default=(), repr=False)  #: of each system, where they were asked for

    @cached_property
    def results(self) -> pd.DataFrame:
        """One row a figure, in the columns of results.csv."""
        return as_frame(self.scores, RESULT_COLUMNS)

    def of_several(self) -> Evaluation:
        """Itself; raises UsageError where there is one system alone, which has nothing to be compared with."""
        if not self.differences and len(self.entrants) > 1:
            raise UsageError("--replicates is 0, and differences say nothing without a test.", "Leave it out.")
        if len(self.entrants) < 2:
            raise UsageError(
                f"There is one system alone: {self.entrants[0].name}.", "Name several, or a bench that has several."
            )
        return self

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row a difference, in the columns of comparisons.csv."""
        return as_frame(self.differences, COMPARISON_COLUMNS)


@dataclass(frozen=True)
class Question:
    """What is scored, and against what: as the keywords of `skineval.evaluate`."""

    truth: str | Path | pd.DataFrame | None = None
    data: str | Path | None = None
    keys: Mapping[str, object] = field(default_factory=dict)  #: of a recipe, that say how the data set is read
    part: str = "test"
    reading: Reading = field(default_factory=Reading)
    allow_missing: bool = False
    protocol: str = ""
    replicates: int = 2000
    preset: str = ""  #: one of `PRESETS`, whose figures are measured in place of all others
    subgroups: bool = False  #: whether parts of the images are scored, by what the data set knows of them


def evaluate(sources: Sequence[str | Path | pd.DataFrame], question: Question, catalog: Catalog) -> Evaluation:
    """Every figure of each system among `sources`, with its interval, on the images that all of them have.

    See `skineval.evaluate`; a file that lies in the folder of a bench has the stamps of that. All protocols but
    `lesion` leak, and are stamped. Raises DataError naming file and row of what is wrong, or where there are no rows of
    that part, and UsageError for an unknown protocol, or for two reference standards.
    """
    protocol = question.protocol
    if protocol not in ("", *PROTOCOLS):
        raise UsageError(f"There is no protocol {protocol!r}.", hint_for(protocol, PROTOCOLS))
    if question.preset not in ("", *PRESETS):
        raise UsageError(f"There is no preset {question.preset!r}.", hint_for(question.preset, tuple(PRESETS)))
    if 0 != question.replicates < LEAST_REPLICATES:
        raise UsageError(
            f"--replicates is {question.replicates}, which is too few for an interval.",
            f"Ask for {LEAST_REPLICATES} or more, or for 0, which leaves intervals and tests out.",
        )
    if question.subgroups and not question.replicates:
        raise UsageError("--replicates is 0, and subgroups say nothing without intervals.", "Leave one of them out.")
    if question.keys and question.data is None:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in question.keys)
        raise UsageError(f"{named} says how a data set is read, and none is named.", "Name it: --data DIR.")
    if question.truth is not None and question.data is not None:
        raise UsageError("--truth and --data both say what images are.", "Leave one of them out.")
    if question.subgroups and question.data is None:
        raise UsageError("Nothing says which subgroups images are of.", "Name their data set: --data DIR.")
    data = None if question.data is None else _data(question.data, question.keys, catalog)
    reference = _reference(question, data)
    terms = Terms(part_name(question.part), question.reading, protocol, reference, question.allow_missing)
    found: list[Entrant] = []
    places: list[Path] = []
    for source in sources:
        mine = [of_frame(source, terms)] if isinstance(source, pd.DataFrame) else [*entrants(Path(source), terms)]
        found += mine
        places += [Path(f"frame-{len(places)}" if isinstance(source, pd.DataFrame) else source)] * len(mine)
    left_out: tuple[str, ...] = ()
    if len(found) > 1:
        found, left_out = on_common_images(named_apart(found, places))
    scored = measured(found, question, catalog, (*left_out, *_of_dealing(found, data)))
    if data is None or not question.subgroups:
        return scored
    return replace(scored, subgroups=tuple(_subgroups(found, question, data)))


def measured(found: Sequence[Entrant], question: Question, catalog: Catalog, further: Sequence[str] = ()) -> Evaluation:
    """Systems on the same images, scored and compared; with `further` remarks."""
    kept = Kept()
    replicates, protocol = question.replicates, question.protocol
    known = PRESETS[question.preset](found[0].cells[0].classes) if question.preset else catalog.metrics
    metrics = [one for one in known if all(_suits(one, system) for system in found)]
    named = {one.name: one.cells for one in found}
    compared = [metric for metric in metrics if metric.name in COMPARED]
    scores = [
        replace(score, model=one.model, imbalance=one.imbalance, task=one.task.name, protocol=protocol)
        for one in found
        for score in estimate(one.cells, metrics, replicates=replicates, kept=kept)
    ]
    differences: list[Difference] = []
    if len(found) > 1 and replicates:
        differences = against_best(named, compared, replicates=replicates, kept=kept)
        scores += of_ranks(named, scores, kept, replicates=replicates)
    stamps = [*(stamp for one in found for stamp in one.stamps), *([] if protocol in ("", LESION) else [LEAKY])]
    return Evaluation(
        tuple(found),
        tuple(scores),
        tuple(differences),
        found[0].unit,
        tuple(dict.fromkeys(stamps)),
        (*_remarks(found), *_of_units(found), *further, *([] if replicates else [WITHOUT_INTERVALS])),
    )


def _suits(metric: Metric, one: Entrant) -> bool:
    return metric.suits(one.task) and (not one.answers_only or metric.name in OF_ANSWERS)


def _subgroups(found: Sequence[Entrant], question: Question, data: LesionTable) -> Iterator[Subgroup]:
    """Parts of the images that each system has, all of its folds and seeds together."""
    for one in found:
        test = concatenated(one.cells)
        values = attributes(data, test.image_ids.tolist())
        yield from subgroups(one.name, test, values, replicates=question.replicates)


def _data(place: str | Path, keys: Mapping[str, object], catalog: Catalog) -> LesionTable:
    from skineval.grid.sources import as_labelled, load_data  # and all of the layouts that it knows

    recipe = as_labelled(place, keys)
    return grouped(load_data(recipe, catalog).table, recipe.group_by)


def _reference(question: Question, data: LesionTable | None) -> Reference | None:
    if data is not None:
        return reference_of(data, question.reading)
    truth = question.truth
    return None if truth is None else read_reference(table_of(truth), question.reading)


def _remarks(found: Sequence[Entrant]) -> Iterator[str]:
    """What is said of each system; of what is said of all of them, once."""
    if len(found) == 1:
        yield from found[0].remarks
        yield from _of_one(found[0])
        return
    common = [remark for remark in found[0].remarks if all(remark in one.remarks for one in found)]
    yield from common
    for one in found:
        yield from (f"{one.name}: {remark}" for remark in one.remarks if remark not in common)
        yield from (f"{one.name}: {remark}" for remark in _of_one(one))


def _of_one(one: Entrant) -> Iterator[str]:
    """What is said of a system by itself, whatever others there are."""
    if all(is_rule(cell) for cell in one.cells):
        answers = np.unique([cell.probabilities[0] for cell in one.cells], axis=0)
        of_each = "" if len(answers) == 1 else " of a fold and seed"
        yield (
            f"{one.name} gives every image{of_each} the same answer: what such a rule scores whatever the frequencies "
            "of classes is known, and its interval has no width."
        )
    yield from _of_seeds(one)
    yield from _of_order(one)


def _of_seeds(one: Entrant) -> Iterator[str]:
    """Whether seeds of a fold have other images than each other, so that their mean is of no single test."""
    folds = sorted({cell.fold for cell in one.cells})
    for fold in folds:
        of_fold = f" of fold {fold}" if len(folds) > 1 else ""
        images = [set(cell.image_ids.tolist()) for cell in one.cells if cell.fold == fold]
        everything = len(set.union(*images))
        fewest = min(map(len, images))
        if fewest < everything:
            yield (
                f"The seeds{of_fold} have different images: one has {fewest:,} of the {everything:,} that any has, and "
                "a figure is the mean of what each seed has on its own."
            )


def _of_order(one: Entrant) -> Iterator[str]:
    """Whether balanced accuracy would be far higher if columns were called otherwise, as where their order is wrong."""
    classes = one.cells[0].classes
    matrix = sum(confusion(cell.targets, cell.probabilities, np.ones((1, len(cell))))[0] for cell in one.cells)
    there = matrix.sum(axis=1) > 0
    shares = np.nan_to_num(ratio(matrix[:, :-1], matrix.sum(axis=1)[:, None]))
    at_best = float(shares.max(axis=1)[there].mean())  # were two classes allowed the same column
    if at_best <= float(np.diagonal(shares)[there].mean()) + _FAR:
        return
    from scipy.optimize import linear_sum_assignment  # which takes long to import

    rows, columns = linear_sum_assignment(shares, maximize=True)
    now, then = (float(found[there].mean()) for found in (np.diagonal(shares), shares[rows, columns]))
    answers = concatenated(one.cells)
    of_lesions = pd.DataFrame({"lesion": answers.groups, "target": answers.targets}).drop_duplicates()["target"]
    lesions = np.bincount(of_lesions, minlength=len(classes))[there & (rows != columns)]
    # That of the difference of two mean shares, each of which is one half at worst.
    error = float(np.sqrt((0.5 / lesions).sum())) / int(there.sum())
    if then > now + max(_FAR, _ERRORS * error) and then >= _LEAST:
        pairs = zip(rows[there], columns[there], strict=True)
        moved = ", ".join(f"{classes[c]} be {classes[r]}" for r, c in pairs if r != c)
        yield (
            f"In another order of classes balanced accuracy would be {then:.2f} in place of {now:.2f}: scores of "
            f"{moved}. Make sure that the classes are in the order in which these scores were written."
        )


def _of_units(found: Sequence[Entrant]) -> Iterator[str]:
    """How many lesions have images of several classes, by whoever knows lesions; that is a mistake of somebody's."""
    for one in found:
        answers = concatenated(one.cells)
        classes_of = pd.Series(answers.targets).groupby(answers.lesion_ids).nunique()
        mixed = classes_of.index[classes_of > 1]
        if one.unit == "lesion" and len(mixed):
            yield (
                f"{plural(len(mixed), 'lesion has', 'lesions have')} images of several classes, such as {mixed[0]}: "
                "each is resampled among those of the rarest of them."
            )
            return


def _of_dealing(found: Sequence[Entrant], data: LesionTable | None) -> Iterator[str]:
    """How many of the images have another one of their lesion among the others of the data set."""
    if data is None or not data.siblings_known:
        return
    ids = np.unique(np.concatenate([cell.image_ids for cell in found[0].cells]))
    frame = data.frame
    inside = frame["image_id"].isin(ids).to_numpy(dtype=np.bool_)
    if inside.all():
        return
    known = mates(frame["lesion_id"].to_numpy(dtype=str), frame["dx"].to_numpy(dtype=str), inside)
    yield (
        f"{known.found:,} of the {known.images:,} images have another photograph of their lesion among the "
        f"{(~inside).sum():,} other images of {data.name}. Where whole lesions are dealt out none has; where single "
        f"images are, by chance within classes, {known.expected:.0f} have (standard deviation {known.deviation:.0f}). "
        "That says how these images were chosen, not what a system was trained on."
    )
