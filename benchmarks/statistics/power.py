"""How often the randomisation test calls two systems different: where they are not (its size), and where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import ttest_1samp

from benchmarks.statistics.world import Size, System, World, answers
from skineval.catalog.specs import Metric
from skineval.measure.comparisons import differences
from skineval.measure.names import METRICS
from skineval.measure.replicates import figures
from skineval.measure.resampling import resample
from skineval.report.document.tables import Column, Row, Table
from skineval.values.predictions import Predictions

ALPHA = 0.05
PLENTY = 5  #: times as many samples as of intervals: 4 is to be told from 5 in a hundred
#: 60 malignant lesions of 300, one image each, the same with up to four images of a lesion, and few, some very large.
WORLDS = (
    World("one image a lesion", ("benign", "malignant"), (240, 60), (1.0,)),
    World("lesions of several images", ("benign", "malignant"), (240, 60), (0.25, 0.25, 0.25, 0.25)),
    World(
        "one lesion in 15 of 40 images, others of one", ("benign", "malignant"), (60, 15), (14 / 15, *[0] * 38, 1 / 15)
    ),
)
GOOD, WORSE = System((1.2, 1.2), (0.0, 0.0)), System((0.85, 0.85), (0.0, 0.0))
#: What a strategy for imbalance does to scores: squeezed and moved, in the same order.
RESCALED = {"equal scales": (1.0, 0.0), "scale × 0.3, shifted": (0.3, 1.0)}
ACROSS = "balanced_accuracy, t-test across replicates"  #: as in published tables with p of 1e-106
FAMILIES = {
    "ranks": ("malignancy_auc", "macro_auc"),
    "thresholds": ("balanced_accuracy", "macro_f1", "accuracy", "mcc"),
    "probabilities": ("nll", "brier"),
}


def of_tests(world: World, size: Size) -> Table:
    """Figures that a change of scale changes itself are compared on equal scales only."""
    by_name = {metric.name: metric for metric in METRICS}
    raw = replace(by_name["malignancy_auc"], name="malignancy_auc, raw scores exchanged", exchange="answers")
    families = {name: family for family, names in FAMILIES.items() for name in names}
    families |= {raw.name: "ranks", ACROSS: "thresholds"}
    metrics = [*(by_name[name] for names in FAMILIES.values() for name in names), raw]
    called: dict[tuple[str, str, str], list[bool]] = {}
    samples = PLENTY * size.samples
    for scale, (factor, shift) in RESCALED.items():
        used = [one for one in metrics if scale == "equal scales" or families[one.name] == "ranks"]
        for question, other in {"size": GOOD, "power": WORSE}.items():
            moved = replace(other, scale=factor, shift=shift)
            for sample in range(samples):
                rng = np.random.default_rng([9, sample])
                a, b = answers(world, world.sample(rng), [GOOD, moved], rng, common=0.5)
                for row in differences([a], [b], used, replicates=size.replicates):
                    called.setdefault((row.metric, scale, question), []).append(row.p <= ALPHA)
                if scale == "equal scales":
                    p = _across_replicates(a, b, by_name["balanced_accuracy"], size.replicates)
                    called.setdefault((ACROSS, scale, question), []).append(p <= ALPHA)
    return _table(world, called, families, samples)


def _across_replicates(a: Predictions, b: Predictions, metric: Metric, replicates: int) -> float:
    """p of a t-test of the paired figures of bootstrap replicates, of which there can be as many as one likes."""
    drawn = resample([a], replicates, 0)
    gaps = np.vstack([figures(a, [metric], w) - figures(b, [metric], w) for w in drawn.weights(a.groups)])
    return float(ttest_1samp(gaps[:, 0], 0).pvalue)


def _table(
    world: World, called: dict[tuple[str, str, str], list[bool]], families: dict[str, str], samples: int
) -> Table:
    heads = [(scale, question) for scale in RESCALED for question in ("size", "power")]
    columns = (
        Column("family", "Family"),
        Column("metric", "Metric"),
        *(Column(f"{scale} {question}", f"{question}, {scale}") for scale, question in heads),
    )
    rows = []
    for metric, family in families.items():
        found = [called.get((metric, *head)) for head in heads]
        rows.append(Row((family, metric, *(f"{np.mean(one):.3f}" if one else None for one in found))))
    errors = [np.sqrt(share * (1 - share) / samples) for share in (ALPHA, 0.5)]
    note = f"{samples} samples each: Monte Carlo error {errors[0]:.3f} at {ALPHA}, at most {errors[1]:.3f} elsewhere."
    of_lesions = f"{world.lesions[1]} malignant of {sum(world.lesions)}"
    return Table(f"Size and power at {ALPHA}: {world.name}, {of_lesions}", columns, tuple(rows), (note,))
