"""Several systems on the images that all of them have, with what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError, plural
from skineval.base.terms import Unit
from skineval.grid.entrants import Entrant
from skineval.measure.counting import count_distinct
from skineval.values.predictions import EVERY_FOLD, Predictions


def named_apart(found: Sequence[Entrant], sources: Sequence[Path]) -> list[Entrant]:
    """The systems with names of their own: of those called alike, each with the end of its path that no other has.

    Raises DataError where a source is given twice.
    """
    names = [one.name for one in found]
    paths = [_without_suffix(source.expanduser().resolve()).parts for source in sources]

    def end(place: int) -> str:
        own = paths[place]
        others = [paths[k] for k, name in enumerate(names) if name == names[place] and k != place]
        lengths = (n for n in range(1, len(own) + 1) if all(other[-n:] != own[-n:] for other in others))
        length = next(lengths, None)
        if length is None:
            raise DataError(f"{sources[place]} is given twice.", "Give each file and each bench once.")
        return "/".join(own[-length:])

    def called(place: int, one: Entrant) -> Entrant:
        if names.count(one.name) == 1:
            return one
        return replace(one, model=f"{one.model} ({end(place)})" if one.imbalance else end(place))

    return [called(place, one) for place, one in enumerate(found)]


def _without_suffix(path: Path) -> Path:
    return path if path.is_dir() else path.with_suffix("")


def on_common_images(found: Sequence[Entrant]) -> tuple[list[Entrant], tuple[str, ...]]:
    """The systems on the images that all of them have, in the same fold and of each seed, their classes in one order.

    Beside them, what was left out. Whoever knows most of which images show one lesion says so for all. Raises DataError
    where classes or reference standards differ, or no image is common.
    """
    classes = found[0].cells[0].classes
    for other in found[1:]:
        if set(other.cells[0].classes) != set(classes):
            raise DataError(
                f"{found[0].name} tells {', '.join(classes)} apart, and {other.name} "
                f"{', '.join(other.cells[0].classes)}.",
                "Compare systems of the same classes: --map other=A+B makes one of several.",
            )
    found = _of_every_fold(found)
    _refuse_other_targets(found)
    tested = [_tested(one) for one in found]
    common = _common(tested)
    if not len(common):
        raise DataError(
            f"No image is in all of {', '.join(one.name for one in found)}, in the same fold.",
            "Compare predictions of the same images.",
        )
    groups, unit = _units(found, common)
    kept = [_on(one, common, groups, unit, classes) for one in found]
    _refuse_other_copies(kept)
    left = [count_distinct(one.cells)[0] - count_distinct(few.cells)[0] for one, few in zip(found, kept, strict=True)]
    remarks = [
        f"{one.name}: {plural(n, 'image is', 'images are')} not in all others, in another fold there, or not of each "
        "seed, and in no figure."
        for one, n in zip(found, left, strict=True)
        if n
    ]
    n_folds = common.get_level_values(1).nunique()
    remarks += [
        f"{one.name}: nothing says of which fold an image is; each is scored in the one that others have it in."
        for one in found
        if one.foldless and n_folds > 1
    ]
    return kept, tuple(remarks)


def _of_every_fold(found: Sequence[Entrant]) -> list[Entrant]:
    """The systems, of which those without folds are of each fold of the others."""
    if all(one.foldless for one in found):
        return list(found)
    return [
        replace(one, cells=[replace(cell, fold=EVERY_FOLD) for cell in one.cells]) if one.foldless else one
        for one in found
    ]


def _tested(one: Entrant) -> pd.MultiIndex:
    """Which images are tested in which folds, by every seed: figures and differences are then of the same images."""
    ids = [np.unique(cell.image_ids) for cell in one.cells]  # an image may have been copied
    folds = np.repeat([cell.fold for cell in one.cells], [len(of_cell) for of_cell in ids])
    seeds = pd.Series(folds, index=pd.MultiIndex.from_arrays([np.concatenate(ids), folds])).groupby(level=[0, 1]).size()
    of_fold = pd.Series([cell.fold for cell in one.cells]).value_counts()
    of_all: pd.MultiIndex = seeds.index[seeds.to_numpy() == of_fold[seeds.index.get_level_values(1)].to_numpy()]
    return of_all


def _common(tested: Sequence[pd.MultiIndex]) -> pd.MultiIndex:
    """The images and folds that all systems have; what is of every fold is of each that others have."""
    folded = [one for one in tested if EVERY_FOLD not in one.get_level_values(1)] or tested
    common = folded[0]
    for one in folded[1:]:
        common = common.intersection(one)
    for one in tested:
        common = common[common.get_level_values(0).isin(one.get_level_values(0))]
    return common


def _on(
    one: Entrant, common: pd.MultiIndex, groups: Mapping[str, str], unit: Unit, classes: tuple[str, ...]
) -> Entrant:
    """A system on these images alone, whose lesions are `groups`, those of an image each."""
    folds = common.get_level_values(1)

    def taken(cell: Predictions, fold: int) -> Predictions:
        wanted = common[folds == fold].get_level_values(0)
        few = cell.take(np.isin(cell.image_ids, wanted)).with_classes(classes)
        return replace(few, fold=fold, groups=np.array([groups[image] for image in few.image_ids.tolist()], dtype=str))

    # What is of every fold is scored in those of the others: figures are means over the same parts as differences.
    parts = [
        taken(cell, int(fold))
        for cell in one.cells
        for fold in (folds.unique() if cell.fold == EVERY_FOLD else [cell.fold])
    ]
    cells = [few for few in parts if len(few)]
    return replace(one, cells=cells, unit=unit)


def _units(found: Sequence[Entrant], common: pd.MultiIndex) -> tuple[dict[str, str], Unit]:
    """The group of each image by that system of which images share most, and what a group is."""
    of_systems = [(_groups(one, common), one.unit) for one in found]
    return min(of_systems, key=lambda known: (known[1] == "image", len(set(known[0].values()))))


def _groups(one: Entrant, common: pd.MultiIndex) -> dict[str, str]:
    wanted = set(common.get_level_values(0))
    pairs = (pair for cell in one.cells for pair in zip(cell.image_ids.tolist(), cell.groups.tolist(), strict=True))
    return {image: group for image, group in pairs if image in wanted}


def _refuse_other_copies(found: Sequence[Entrant]) -> None:
    """Raise DataError naming an image that has more rows in a system than in another: their figures count rows."""
    times = [
        {(cell.fold, image): n for cell in one.cells for image, n in Counter(cell.image_ids.tolist()).items()}
        for one in found
    ]
    for other, theirs in zip(found[1:], times[1:], strict=True):
        for key, n in theirs.items():
            if n != times[0][key]:
                raise DataError(
                    f"{found[0].name} has {plural(times[0][key], 'row')} of {key[1]}, and {other.name} {n}.",
                    "Compare predictions that have the same rows: leave the copies out.",
                )


def _refuse_other_targets(found: Sequence[Entrant]) -> None:
    """Raise DataError naming an image that is of one class in a system and of another in a further one."""
    first = _targets(found[0])
    for other in found[1:]:
        theirs = _targets(other)
        both = first.index.intersection(theirs.index)
        differing = both[(first[both] != theirs[both]).to_numpy()]
        if len(differing):
            image = differing[0]
            raise DataError(
                f"{image} is {first[image]} in {found[0].name}, and {theirs[image]} in {other.name} "
                f"({plural(len(differing), 'image differs', 'images differ')}).",
                "Compare predictions with the same reference standard: --truth or --data names one for all.",
            )


def _targets(one: Entrant) -> pd.Series[str]:
    """The class of each image."""
    ids = np.concatenate([cell.image_ids for cell in one.cells])
    names: NDArray[np.str_] = np.concatenate([np.array(cell.classes)[cell.targets] for cell in one.cells])
    targets = pd.Series(names, index=ids)
    return targets[~targets.index.duplicated()]
