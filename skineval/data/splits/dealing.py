"""Images dealt out to parts, a lesion never to two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError, hint_for, plural
from skineval.base.terms import IMAGE, LESION, OVERSAMPLE_FIRST, PARTS, PROTOCOLS
from skineval.data.samples import KEPT_GROUPS, Units, draw, make_units
from skineval.data.splits.oversampling import occurrences, oversample
from skineval.data.splits.split import TEST, TRAIN, Split, with_sources
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DX7, MALIGNANT, OUTSIDE, Task

VALIDATION = 0.15  #: the share of what is not tested


def split(
    table: LesionTable,
    *,
    protocol: str = LESION,
    folds: int = 1,
    repeats: int = 1,
    seed: int = 0,
    test: float = 0.2,
    validation: float = VALIDATION,
    task: Task = DX7,
    apart: bool = False,
) -> Split:
    """Deal the images out to train, validation and test, with every diagnosis in its proportion in each part.

    One fold is a hold-out of `test` of all images; with several, each image is in the test part of exactly one and
    `test` has no effect. With `repeats` that is done so many times anew; the first time is what it is without.
    `validation` is the share of what is not tested. Every lesion group goes to one part as a whole (protocol "image":
    every image by itself, LEAKY; "oversample-first": every diagnosis is first brought to the size of the largest by
    copies, and then every image and copy goes by itself, LEAKY). The parts depend on the seed and on image ids, groups
    and diagnoses, not on the order of rows, and on `task` only where a class is made of labels of few groups: it says
    what classes each part must hold. With `apart` no image validates that has one of its group in the test part.

    Raises UsageError for arguments out of range, DataError where a class has too few groups for that.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"There is no protocol {protocol!r}.", hint_for(protocol, PROTOCOLS))
    if folds < 1:
        raise UsageError(f"A split into {folds} folds is none.", "Give 1 for one hold-out, 5 for cross-validation.")
    if repeats < 1:
        raise UsageError(f"A split repeated {repeats} times is none.", "Give 1 or more.")
    if not (0 < test < 1 and 0 < validation < 1):
        raise UsageError(f"Shares of {test} (test) and {validation} (validation).", "Give shares between 0 and 1.")
    rows, names = _dealt(table, protocol, seed)
    units = make_units(names, _strata(table, rows, names, task), table.source_codes[rows])
    kin = np.unique(table.frame["group"].to_numpy(dtype=str), return_inverse=True)[1][rows] if apart else units.of
    parts = np.concatenate([_deal_parts(units, kin, folds, again, seed, test, validation) for again in range(repeats)])
    _check_classes(table, rows, parts[:, units.of], names, protocol, task)
    return Split(_make_frame(table, rows, parts[:, units.of]), protocol, folds * repeats, repeats)


def with_validation(table: LesionTable, *, protocol: str, seed: int, task: Task) -> LesionTable:
    """The table with three parts of its own where these are train and test alone; a note says so.

    A share of the train part, which is dealt out like the test part of a `split` of it, is the validation part then.
    Raises what `split` raises.
    """
    if table.official is None or set(table.official) != {"train", "test"}:
        return table
    train = np.flatnonzero(np.array(table.official) == "train")
    made = split(table.take(train), protocol=protocol, seed=seed, test=VALIDATION, task=task)
    parts = np.array(table.official, dtype=object)
    parts[train[made.parts(0).test]] = "validation"
    count = (parts == "validation").sum()
    dealt = plural(int(count), "image is", "images are")
    note = f"no validation part of its own: {dealt} dealt out from its train part for that"
    return replace(table, official=tuple(parts.tolist()), notes=(*table.notes, note))


def _dealt(table: LesionTable, protocol: str, seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """What is dealt out: rows of the table, (m,), and the name of the unit that each belongs to."""
    everything = np.arange(len(table), dtype=np.int64)
    if protocol == LESION:
        return everything, table.frame["group"].tolist()
    ids = table.frame["image_id"].tolist()
    if protocol == IMAGE:
        return everything, ids
    rows = oversample(ids, table.codes, seed)
    # No id holds a control character: a copy is never named like another image.
    names = [f"{ids[row]}\x1f{copy}" if copy else ids[row] for row, copy in zip(rows, occurrences(rows), strict=True)]
    return rows, names


def _strata(table: LesionTable, rows: NDArray[np.int64], names: Sequence[str], task: Task) -> NDArray[np.int64]:
    """What each row is dealt out among, (m,): those of its label; labels of few units together, class by class.

    A label of one unit alone would always go to the largest part, and with it a class that is made of many such labels.
    """
    codes, n_labels = table.codes[rows], len(table.labels)
    held = {(int(code), name) for code, name in zip(codes, names, strict=True)}
    n_units = np.bincount([code for code, _ in held], minlength=n_labels)
    targets = task.targets(table.labels)
    few = np.flatnonzero((n_units > 0) & (n_units < KEPT_GROUPS))
    strata = np.arange(n_labels)
    for target in set(targets[few].tolist()) - {OUTSIDE}:
        alike = few[targets[few] == target]
        strata[alike] = n_labels + target if len(alike) > 1 else alike
    return strata[codes]


def _deal_parts(
    units: Units, kin: NDArray[np.int64], folds: int, again: int, seed: int, test: float, validation: float
) -> NDArray[np.int64]:
    """The part of each unit in each fold of one repetition, (folds, u).

    What validates is not of the `kin`, (n,) codes of what is dealt out, of what is tested.
    """
    repetition = f", repetition {again}" if again else ""
    shares = (1 - test, test) if folds == 1 else (1.0,) * folds
    tested = _deal(units, np.arange(len(units.names)), shares, seed, f"test{repetition}")
    parts = np.full((folds, len(units.names)), TEST)
    for fold in range(folds):
        rest = tested != (1 if folds == 1 else fold)
        known = np.isin(kin, kin[~rest[units.of]])
        parts[fold, rest] = TRAIN
        free = np.setdiff1d(np.flatnonzero(rest), units.of[known])
        parts[fold, free] = _deal(units, free, (1 - validation, validation), seed, f"validation {fold}{repetition}")
    return parts


def _deal(
    units: Units, which: NDArray[np.int64], shares: Sequence[float], seed: int, purpose: str
) -> NDArray[np.int64]:
    """Deal the units `which`, class by class, to as many parts as there are shares: the part of each, (len(which),).

    Those with most images of the class go first, by chance among equals, each to the part that is least full of that
    class for its share once half of the unit is in it (Webster's method of apportionment): every part then gets big and
    small units in proportion, and the many units of one image make the counts come out even. Where no more units are
    left than parts that have none, those parts get them. Rare classes go first, and what their units hold of others
    counts when it is the turn of these, as in the iterative stratification of Sechidis, Tsoumakas and Vlahavas (ECML
    PKDD 2011): a patient has lesions of several classes. Data sets that are one are dealt out one after the other, so
    that each part has its share of each.
    """
    names, sizes, counts = units.names, units.sizes, units.counts
    part_of = np.empty(len(units.names), dtype=np.int64)
    drawn = {int(unit): draw(seed, purpose, names[unit]) for unit in which}
    filled = np.zeros((counts.shape[1], len(shares)), dtype=np.int64)
    for code in units.rarest_first.tolist():
        members = [int(unit) for unit in which if units.classes[unit] == code]
        members.sort(key=lambda unit: (units.sources[unit], -counts[unit, code], -sizes[unit], drawn[unit]))
        for position, unit in enumerate(members):
            size, left, full = int(counts[unit, code]), len(members) - position, filled[code].tolist()
            empty = [part for part, images in enumerate(full) if not images]
            open_to = empty if left <= len(empty) else range(len(shares))
            part = min(open_to, key=lambda part: (full[part] + size / 2) / shares[part])
            part_of[unit] = part
            filled[:, part] += counts[unit]
    return part_of[which]


def _make_frame(table: LesionTable, rows: NDArray[np.int64], parts: NDArray[np.int64]) -> pd.DataFrame:
    """split.csv from rows of the table, (m,), and the part of each in each fold, (folds, m)."""
    folds = len(parts)
    known = table.frame[["image_id", "lesion_id", "group"]].iloc[rows]
    made = pd.concat([known] * folds, ignore_index=True).assign(
        fold=np.repeat(np.arange(folds), len(rows)), part=np.array(PARTS, dtype=object)[parts.ravel()]
    )
    return with_sources(made, table)


def _check_classes(
    table: LesionTable,
    dealt: NDArray[np.int64],
    parts: NDArray[np.int64],
    names: Sequence[str],
    protocol: str,
    task: Task,
) -> None:
    """Every class of the task is in every part of every fold: otherwise its figures mean nothing."""
    targets = task.targets(table.frame["dx"])
    for target, name in enumerate(task.classes):
        rows = np.flatnonzero(targets[dealt] == target)
        n_units = len({names[int(row)] for row in rows})
        absent = np.argwhere([[not (fold[rows] == part).any() for part in range(len(PARTS))] for fold in parts])
        if len(absent):
            fold, part = absent[0]
            fewer = ["use fewer folds"] if len(parts) > 1 else []
            joins = task != MALIGNANT and MALIGNANT.takes(table.labels)
            other = f"{'--task malignant, or ' if joins else ''}a file for --task"
            remedies = [*fewer, f"join it to another class, or leave it out, by {other}", "add images of it"]
            text = "; or ".join(remedies)
            unit = "lesion" if table.unit == "image" else table.unit
            counted = {
                LESION: plural(n_units, unit),
                IMAGE: plural(n_units, "image"),
                OVERSAMPLE_FIRST: f"{plural(n_units, 'image')} with copies",
            }[protocol]
            raise DataError(
                f"Class {name!r} has {counted} in {table.name}, too few for {plural(len(parts), 'fold')}: "
                f"fold {fold} has none to put into {PARTS[part]}.",
                f"{text[:1].upper()}{text[1:]}.",
            )
