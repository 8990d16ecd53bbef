"""How often the interval of a share holds the true one, by how many lesions it has and how alike their images are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmarks.statistics.world import IMAGES, OF_IMAGE, OF_LESION, Size
from skineval.measure.shares import DOUBT, Behind, effective_size, quantiles, wilson
from skineval.report.document.tables import Column, Row, Table

Floats = NDArray[np.float64]

TRUE = (0.15, 0.3, 0.5, 0.7, 0.8, 0.9, 0.96)  #: shares
LESIONS = (3, 5, 8, 11, 15, 20, 23, 30, 40, 80)
#: Shares of lesions, or of patients, with 1, 2, ... images.
OF_IMAGES = {
    "2 images each": np.eye(2)[1],
    "4 images each": np.eye(4)[3],
    "as in HAM10000": IMAGES / IMAGES.sum(),
    "1 to 40, 6 on average": 0.85 ** np.arange(40) / (0.85 ** np.arange(40)).sum(),
}
PLENTY = 10  #: times as many, for there is no replicate to be made
WAYS = ("what replicates say", "each lesion counts as one", "skineval")


def of_shares(size: Size) -> Table:
    """Over all true shares and numbers of lesions the mean coverage, and the least; each has samples in plenty."""
    samples = PLENTY * size.samples
    columns = (Column("images", "Images of a lesion"), *(Column(way, way) for way in WAYS))
    rows = []
    for name, parts in OF_IMAGES.items():
        rng = np.random.default_rng(5)
        held = np.array([_held(parts, true, lesions, samples, rng) for true in TRUE for lesions in LESIONS])
        cells = (f"{mean:.1f} % (least {least:.1f} %)" for mean, least in zip(held.mean(0), held.min(0), strict=True))
        rows.append(Row((name, *cells)))
    worlds = f"true shares {', '.join(map(str, TRUE))} and {', '.join(map(str, LESIONS))} lesions"
    error = 100 * np.sqrt(0.95 * 0.05 / samples)
    notes = (
        f"Over {worlds}; {samples:,} samples of each pair: Monte Carlo error {error:.1f} points at 95 %.",
        f"skineval mixes the variance of the replicates, once a lesion, with that of alike images, {DOUBT} times.",
    )
    return Table("Coverage of 95 % intervals of a share", columns, tuple(rows), notes)


def _held(parts: Floats, true: float, lesions: int, samples: int, rng: np.random.Generator) -> list[float]:
    """In how many percent of the samples the interval of each way holds the true share."""
    n_images = rng.choice(len(parts), size=(samples, lesions), p=parts) + 1
    leaning = ndtri(true) * np.hypot(OF_LESION, OF_IMAGE)
    of_lesion = leaning + OF_LESION * rng.normal(size=(samples, lesions, 1))
    right = of_lesion + OF_IMAGE * rng.normal(size=(samples, lesions, len(parts))) > 0
    hits = (right & (np.arange(len(parts)) < n_images[..., None])).sum(axis=2)
    images = n_images.sum(axis=1).astype(np.float64)
    shares = hits.sum(axis=1) / images
    # That of a replicate of whole lesions, to which thousands of them come (Kish, "Survey Sampling", 1965, 6.5).
    variances = ((hits - shares[:, None] * n_images) ** 2).sum(axis=1) / images**2 * lesions / (lesions - 1)
    alike = images**2 / (n_images**2).sum(axis=1)
    behind = Behind(images, alike, np.ones(samples), np.full(samples, lesions - 1.0))
    sizes = (
        effective_size(shares, variances, behind, of_ranks=True),
        alike,
        effective_size(shares, variances, behind, of_ranks=False),
    )
    reach = quantiles(behind.freedom, of_ranks=False)
    ends = [wilson(shares, of_way, reach) for of_way in sizes]
    return [100 * float(np.mean((low <= true) & (true <= high))) for low, high in ends]
