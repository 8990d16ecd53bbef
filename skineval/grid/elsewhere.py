"""Embeddings and weights that were made elsewhere, held against the data of a bench before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from skineval.base.errors import DataError, UsageError, first_few, plural
from skineval.data.same_picture import is_one_picture
from skineval.data.splits.split import Split
from skineval.grid.external import External
from skineval.grid.learnt import counted, learnt_from, refuse_learnt, tested
from skineval.grid.variants import Variant
from skineval.train.weights import Weights
from skineval.values.embeddings import Embeddings
from skineval.values.learnt import Learnt
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe


def check_elsewhere(
    compared: Sequence[Variant], recipe: Recipe, table: LesionTable, split: Split, externals: Sequence[External]
) -> tuple[str, ...]:
    """Sentences on what one should know of the embeddings and the files of weights that a bench is given.

    Raises DataError for images without an embedding, also those of external tests, for an image id that is two pictures
    of which one has it, and where test images, or others of their lesions, are among those from which a network has
    learnt; UsageError where images would have to be turned.
    """
    made = {str(one.selection): one for one in compared if one.architecture.embeddings}
    if made and recipe.tta != "none":
        raise UsageError(
            f"--tta is {recipe.tta}, and embeddings of a file are of images as they are.", "Leave --tta out."
        )
    of_weights = {one.weights: one for one in compared if not one.architecture.embeddings and one.weights.path}
    remarks = [_on_embeddings(one.embeddings, table, split, externals) for one in made.values()]
    remarks += [_on_weights(weights, table, split, externals) for weights in of_weights]
    return tuple(remark for several in remarks for remark in several)


def _on_weights(weights: Weights, table: LesionTable, split: Split, externals: Sequence[External]) -> Iterator[str]:
    learnt = learnt_from(weights)
    _refuse(learnt, f"The network of {weights.path}", "weights", table, split, externals)
    for one in (table, *(external.table for external in externals)):
        unknown = learnt.unknown(one)
        if unknown.any():
            yield (
                f"Of {counted(unknown)} of {one.name} it is not known whether {weights.called} was trained on them: "
                "where it was, figures of what begins with it are too good."
            )


def _refuse(
    learnt: Learnt,
    who: str,
    made: str,
    table: LesionTable,
    split: Split,
    externals: Sequence[External],
) -> None:
    """As `refuse_learnt`, of all that is tested."""
    refuse_learnt(learnt, who, made, table, tested(table, split))
    for external in externals:
        refuse_learnt(learnt, who, made, external.table, np.ones(len(external.table), dtype=np.bool_))


def _on_embeddings(
    embeddings: Embeddings, table: LesionTable, split: Split, externals: Sequence[External]
) -> Iterator[str]:
    known = set(table.frame["image_id"])
    embeddings.of(table.frame["image_id"].tolist(), table.name)
    for external in externals:
        known |= set(external.table.frame["image_id"])
        embeddings.of(external.table.frame["image_id"].tolist(), external.name)
        _refuse_namesakes(embeddings, table, external)
    who = f"The network that made {embeddings.name}"
    _refuse(embeddings.learnt, who, "embeddings", table, split, externals)
    for one in (table, *(external.table for external in externals)):
        unknown = embeddings.learnt.unknown(one)
        if unknown.any():
            yield (
                f"{embeddings.name} does not say of {counted(unknown)} of {one.name} whether the network that made it "
                "was trained on them: where it was, its figures are too good."
            )
    if embeddings.made_by:
        yield f"{embeddings.name} was made by {embeddings.made_by}."
    if unused := embeddings.besides(known):
        yield f"{embeddings.name} holds {plural(len(unused), 'image')} that the bench does not: {first_few(unused)}."
    if constant := embeddings.constant:
        where = first_few([str(place) for place in constant])
        yield (
            f"Dimensions of {embeddings.name} that are constant, or as good as, do not count: {len(constant)} of "
            f"{embeddings.width} ({where})."
        )


def _refuse_namesakes(embeddings: Embeddings, table: LesionTable, external: External) -> None:
    """Raise DataError for ids that are one picture in the bench and another one in an external test."""
    row_of = dict(zip(table.frame["image_id"], range(len(table)), strict=True))
    shared = [(id_, row) for row, id_ in enumerate(external.table.frame["image_id"]) if id_ in row_of]
    others = [
        id_ for id_, row in shared if not is_one_picture(id_, (table.images, row_of[id_]), (external.table.images, row))
    ]
    if others:
        raise DataError(
            f"{embeddings.name} knows pictures by their ids, and {plural(len(others), 'id')} of {external.name} "
            f"{'is' if len(others) == 1 else 'are'} of other pictures in {table.name}: {first_few(others)}.",
            "Rename the images of one of the two, or leave the external test out.",
        )
