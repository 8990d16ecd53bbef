"""Embeddings that were made elsewhere, held against the data of a bench before anything is fitted on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError, first_few, plural
from skineval.data.splits.split import Split
from skineval.grid.external import External
from skineval.grid.variants import Variant
from skineval.values.embeddings import Embeddings
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe


def check_embeddings(
    compared: Sequence[Variant], recipe: Recipe, table: LesionTable, split: Split, externals: Sequence[External]
) -> tuple[str, ...]:
    """Sentences on what one should know of the embeddings that a bench is given.

    Raises DataError for images without an embedding, also those of external tests, and where test images, or others of
    their lesions, are among those by which the network was made that embedded them; UsageError where images would have
    to be turned.
    """
    made = {str(one.selection): one for one in compared if one.architecture.embeddings}
    if made and recipe.tta != "none":
        raise UsageError(
            f"--tta is {recipe.tta}, and embeddings of a file are of images as they are.", "Leave --tta out."
        )
    remarks = [_remarks(one.embeddings, table, split, externals) for one in made.values()]
    return tuple(remark for several in remarks for remark in several)


def _remarks(embeddings: Embeddings, table: LesionTable, split: Split, externals: Sequence[External]) -> Iterator[str]:
    known = set(table.frame["image_id"])
    embeddings.of(table.frame["image_id"].tolist(), table.name)
    _refuse_learnt(embeddings, table, _tested(table, split))
    for external in externals:
        known |= set(external.table.frame["image_id"])
        embeddings.of(external.table.frame["image_id"].tolist(), external.name)
        _refuse_learnt(embeddings, external.table, np.ones(len(external.table), dtype=np.bool_))
    if embeddings.learnt is None:
        yield (
            f"{embeddings.name} does not say on which images the network that made it was trained: if test images are "
            "among those, its figures are too good."
        )
    if embeddings.made_by:
        yield f"{embeddings.name} was made by {embeddings.made_by}."
    if unused := embeddings.besides(known):
        yield f"{embeddings.name} holds {plural(len(unused), 'image')} that the bench does not: {first_few(unused)}."
    if constant := embeddings.constant:
        where = first_few([str(place) for place in constant])
        yield f"Constant dimensions of {embeddings.name}: {len(constant)} of {embeddings.width} ({where})."


def _tested(table: LesionTable, split: Split) -> NDArray[np.bool_]:
    """(N,) which images are in a test part of any fold."""
    tested = np.zeros(len(table), dtype=np.bool_)
    for fold in range(split.folds):
        tested[split.parts(fold).test] = True
    return tested


def _refuse_learnt(embeddings: Embeddings, table: LesionTable, tested: NDArray[np.bool_]) -> None:
    groups = table.frame["group"]
    learnt = set(groups[table.frame["image_id"].isin(list(embeddings.learnt or ()))])
    seen = tested & groups.isin(list(learnt)).to_numpy()
    if seen.any():
        ids = table.frame["image_id"][seen].tolist()
        raise DataError(
            f"The network that made {embeddings.name} was trained on, or chosen by, {len(ids)} of the images that are "
            f"tested, or others of their lesions: {first_few(ids)}.",
            "Use the split by which it was trained (--split, with its fold alone), or embeddings of a network that was "
            "not trained on these images.",
        )
