"""Remedies that act on train embeddings, by imbalanced-learn: the head is refitted on what comes of them."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from skineval.base.errors import CellError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from skineval.base.terms import Value
    from skineval.catalog.strategy import Resample

    Resampled = tuple[NDArray[np.float32], NDArray[np.int64]]

#: What of ours are neighbours of one's class, and therefore lowered where the smallest class has fewer.
_NEIGHBOURS, _OF_ALL = "k", "m"


def by_imblearn(
    sampler: str,
    *,
    seeded: bool = True,
    of_others: bool = False,
    more: Callable[[], dict[str, Any]] = dict,
    **called: str,
) -> Resample:
    """What a sampler of imbalanced-learn does, such as "over_sampling.SMOTE".

    `called` are our parameters, and what they are called there; `seeded`, whether there is chance in it; `of_others`,
    whether the k neighbours in a class are of images of other classes; `more` is what it is given besides. `k` is
    lowered where a class has too few images for it, `m` where all have, and a warning says so. What is returned raises
    CellError where a class has a single image and neighbours in it are asked for, and where the sampler has its own
    reasons.
    """

    def resample(
        embeddings: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int, **parameters: Value
    ) -> Resampled:
        there = reachable(parameters, labels, of_others=of_others)
        keywords = {called[name]: value for name, value in there.items()} | more()
        try:
            return _resampled(_made(sampler, **keywords, **_seed(seed) if seeded else {}), embeddings, labels)
        except CellError as error:
            message = error.message
            for ours, theirs in called.items():
                message = message.replace(theirs, ours)
            raise CellError(message, error.hint) from error.__cause__

    return resample


def with_smote(sampler: str) -> Resample:
    """The same of a sampler that begins with SMOTE of k neighbours, and takes away some of what there is then."""

    def resample(embeddings: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int, k: int) -> Resampled:
        over = _made("over_sampling.SMOTE", k_neighbors=reachable({_NEIGHBOURS: k}, labels)[_NEIGHBOURS], **_seed(seed))
        return _resampled(_made(sampler, smote=over, **_seed(seed)), embeddings, labels)

    return resample


def support_vectors() -> dict[str, Any]:
    """What SVMSMOTE finds them by: its own machine, fitted once where it would be anew for each of the classes."""
    from sklearn.svm import SVC

    class Once(SVC):  # type: ignore[misc]
        def fit(self, *rows: Any) -> Once:
            return self if hasattr(self, "support_") else super().fit(*rows)

    return {"svm_estimator": Once(gamma="scale")}


def neighbours_there(counts: NDArray[np.int64], classes: Sequence[str], *, k: int, **others: Value) -> str:
    """What will be of k neighbours of an image in its own class, where the smallest class has too few for them."""
    import numpy as np

    smallest = int(np.where(counts > 0, counts, counts.max() + 1).argmin())
    images = int(counts[smallest])
    if images == 1:
        return f"it will fail, for {classes[smallest]} has a single train image, which has no neighbours in its class"
    if images > k:
        return ""
    return f"k will be {images - 1} in place of {k}, for {classes[smallest]} has {images} train images"


def reachable(parameters: dict[str, Value], labels: NDArray[np.int64], *, of_others: bool = False) -> dict[str, Value]:
    """The parameters with no more neighbours than there are: k in the smallest class, m among all images."""
    import numpy as np

    if _OF_ALL in parameters and int(parameters[_OF_ALL]) > len(labels) - 1:
        parameters = {**parameters, _OF_ALL: len(labels) - 1}
        warnings.warn(f"m is {len(labels) - 1}: there are {len(labels)} train images", stacklevel=2)
    if _NEIGHBOURS not in parameters:
        return parameters
    counts = np.bincount(labels)
    smallest, k = int(counts[counts > 0].min()), int(parameters[_NEIGHBOURS])
    others = smallest - (not of_others)
    if others < 1:
        raise CellError(
            "It looks for neighbours of an image in its own class, so that every class needs two train images or more.",
            "Bench without it, or with a --task that leaves such a class out or joins it to another.",
        )
    if others < k:
        images = "1 train image" if smallest == 1 else f"{smallest} train images"
        warnings.warn(f"k is {others} in place of {k}: the smallest class has {images}", stacklevel=2)
    return {**parameters, _NEIGHBOURS: min(k, others)}


def _seed(seed: int) -> dict[str, int]:
    return {"random_state": seed % 2**32}


def _made(sampler: str, **keywords: Any) -> Any:
    room, _, name = sampler.rpartition(".")
    return getattr(importlib.import_module(f"imblearn.{room}"), name)(**keywords)


def _resampled(sampler: Any, embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> Resampled:
    try:
        resampled: Resampled = sampler.fit_resample(embeddings, labels)
    except (ValueError, RuntimeError) as error:
        raise CellError(f"{type(sampler).__name__} of imbalanced-learn cannot resample: {_sentence(error)}") from error
    return resampled


def _sentence(error: Exception) -> str:
    return f"{' '.join(str(error).split()).rstrip('.')}."
