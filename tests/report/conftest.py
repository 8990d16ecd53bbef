"""A made-up bench with plausible numbers, complete enough that every table and figure has something to show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from skineval.measure.ensembles import mean_of
from skineval.measure.names import METRICS
from skineval.measure.replicates import by_metric, figures
from skineval.values.environment import DataFacts, DeviceFacts, Environment, SplitFacts
from skineval.values.measures import Difference, Score
from skineval.values.predictions import Predictions
from skineval.values.recipe import Recipe
from skineval.values.result import BenchResult, CellResult, EnsembleResult
from skineval.values.task import DIAGNOSES, DX7, malignant_of

ENVIRONMENT = Environment(
    command=("skineval", "bench", "--data", "my data", "--models", "resnet34,densenet121"),
    versions={"skineval": "0.1.0", "torch": "2.9.0"},
    platform="Linux",
    machine="x86_64",
    executable="python",
    device=DeviceFacts("cpu", "CPU", "no GPU was found"),
    threads=2,
    precision={},
    initial_weights={},
    remarks=(),
    learning_rate={},
    data=DataFacts(
        name="made up",
        layout="",
        licence="",
        fingerprint="9f2c" * 16,
        images=1460,
        lesions=1000,
        lesions_known=True,
        notes=("A note on the data.",),
    ),
    split=SplitFacts("41ab" * 16, "lesion", "dealt out"),
    external=(),
    classes=DIAGNOSES,
    stamps=(),
    plugins={},
    set_aside=(),
)

SHARES = np.array([0.05, 0.08, 0.13, 0.03, 0.14, 0.53, 0.04])
SYSTEMS = (("resnet34", "focal:gamma=1.5", 1.9), ("densenet121", "class_weights", 1.75), ("resnet34", "none", 1.3))
FAILED = ("efficientnet_b0", "smote:k=3", "CellError: smote:k=3 needs 4 images of df in the train part, found 2.")
N = {"validation": 160, "test": 400}
REPLICATES = 200


def make_predictions(skill: float, seed: int, classes: Sequence[str] = DIAGNOSES) -> Predictions:
    """Validation and test images whose softmax is as right as `skill`; the images are the same for every caller."""
    images = np.random.default_rng(0)
    shares = SHARES[: len(classes)] / SHARES[: len(classes)].sum()
    n = sum(N.values())
    targets = images.choice(len(classes), n, p=shares)
    lesions = np.array(
        [f"HAM_{lesion:07d}_{target}" for lesion, target in zip(np.arange(n) * 3 // 4, targets, strict=True)]
    )
    noise = np.random.default_rng(seed)
    logits = noise.normal(size=(n, len(classes))) + skill * np.eye(len(classes))[targets] + np.log(shares) * 0.4
    exponentials = np.exp(1.5 * logits)
    return Predictions(
        tuple(classes),
        np.array([f"ISIC_{24306 + image:07d}" for image in range(n)]),
        lesions,
        lesions,
        np.repeat(list(N), list(N.values())),
        targets.astype(np.int64),
        exponentials / exponentials.sum(axis=1, keepdims=True),
        0,
        seed,
        malignant=malignant_of(classes),
    )


def make_history(seed: int, epochs: int = 12) -> pd.DataFrame:
    """Curves that fall, level out and overfit."""
    noise = np.random.default_rng(seed)
    epoch = np.arange(epochs)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "learning_rate": 1e-3 * (1 + np.cos(np.pi * epoch / epochs)) / 2,
            "train_loss": 1.8 * np.exp(-epoch / 4) + 0.25 + noise.normal(0, 0.02, epochs),
            "val_loss": 1.6 * np.exp(-epoch / 3) + 0.7 + 0.012 * epoch + noise.normal(0, 0.04, epochs),
            "val_balanced_accuracy": 0.62 - 0.45 * np.exp(-epoch / 3) + noise.normal(0, 0.015, epochs),
            "seconds": 20.0,
        }
    )


def make_photographs(image_ids: Sequence[str]) -> NDArray[np.uint8]:
    """Skin with a dark blob on it, one for each id and always the same."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    found = []
    for image_id in image_ids:
        noise = np.random.default_rng(int(str(image_id).rpartition("_")[2]))
        angle = np.arctan2(y, x)
        edge = 0.5 + 0.1 * np.sin(noise.integers(2, 6) * angle + noise.uniform(0, 6))
        inside = 1 / (1 + np.exp(14 * (np.hypot(x, y) - edge)))[..., None]
        skin, spot = np.array([226, 178, 160]) + noise.normal(0, 8, 3), np.array([112, 62, 48]) + noise.normal(0, 22, 3)
        found.append((1 - inside) * skin + inside * spot + noise.normal(0, 3, (64, 64, 3)))
    return np.clip(np.array(found), 0, 255).astype(np.uint8)


def make_scores(model: str, imbalance: str, many: Sequence[Predictions], replicates: int = REPLICATES) -> list[Score]:
    """The figures of one system: means over its cells, intervals by a bootstrap over lesions."""
    tests = [one.select("test") for one in many]
    lesions, position = np.unique(tests[0].groups, return_inverse=True)
    draws = np.random.default_rng(0).multinomial(len(lesions), np.full(len(lesions), 1 / len(lesions)), replicates)
    weights = np.vstack([np.ones(len(position)), draws[:, position]])
    metrics = [metric for metric in METRICS if metric.name not in ("mcc", "kappa", "specificity")]
    values = np.mean([figures(one, metrics, weights) for one in tests], axis=0)
    of_metrics = by_metric(metrics, many[0].classes, values)
    scores = []
    for metric in metrics:
        labels = many[0].classes if metric.per_class else ("",)
        for label, column in zip(labels, of_metrics[metric.name].T, strict=True):
            of_class = tests[0].targets == many[0].classes.index(label) if label else np.full(len(tests[0]), True)
            defined = column[1:][~np.isnan(column[1:])]
            low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
            scores.append(
                Score(
                    float(column[0]),
                    float(low),
                    float(high),
                    model=model,
                    imbalance=imbalance,
                    task="dx7",
                    protocol="lesion",
                    metric=metric.name,
                    class_=label,
                    n_images=int(of_class.sum()),
                    n_lesions=len(set(tests[0].groups[of_class])),
                    n_cells=sum(one.n_cells for one in many),
                )
            )
    return scores


def baseline_scores() -> list[Score]:
    """The figures of the trivial baselines."""
    sample = make_predictions(1, 1)
    shares = np.bincount(sample.targets, minlength=7) / len(sample)
    prior = dataclasses.replace(sample, probabilities=np.tile(shares, (len(sample), 1)))
    majority = dataclasses.replace(sample, probabilities=np.tile(np.eye(7)[shares.argmax()], (len(sample), 1)))
    return make_scores("majority", "", [majority]) + make_scores("prior", "", [prior])


def make_bench(
    folder: Path,
    systems: Sequence[tuple[str, str, float]] = SYSTEMS,
    failed: tuple[str, str, str] | None = FAILED,
    seeds: Sequence[int] = (0, 1),
    warnings: Sequence[str] = (),
    pixels: Callable[[Sequence[str]], NDArray[np.uint8]] | None = make_photographs,
    replicates: int = REPLICATES,
) -> BenchResult:
    """A finished bench of these systems (model, imbalance, skill) in `folder`, with explanation panels on disk."""
    finished, cells, scores = [], [], []
    for place, (model, imbalance, skill) in enumerate(systems):
        for seed in seeds:
            run_id = f"cell-{place}-f0-s{seed}"
            panels = folder / "cells" / run_id / "explanations" / "gradcam"
            panels.mkdir(parents=True, exist_ok=True)
            for label in DIAGNOSES[:3]:
                (panels / f"{label}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
            predictions = make_predictions(skill, 100 * place + seed)
            counts = tuple(int(9 * share * 100) for share in SHARES)
            history = make_history(100 * place + seed)
            finished.append(
                CellResult(run_id, model, imbalance, 0, seed, predictions, history, counts, {"gradcam": panels})
            )
            cells.append((run_id, model, imbalance, 0, seed, "done", "", 240.5 + 10 * place, 512.0 + place, "cpu"))
        scores += make_scores(model, imbalance, [one.predictions for one in finished[-len(seeds) :]], replicates)
    if failed:
        nothing = float("nan")
        cells += [
            (f"cell-x-s{seed}", *failed[:2], 0, seed, "failed", failed[2], nothing, nothing, "") for seed in seeds
        ]
    primary = [(one.value, one.system) for one in scores if one.metric == "balanced_accuracy"]
    (most, best), *others = sorted(primary, reverse=True) or [(0.0, "")]
    scores += baseline_scores()
    split = (
        pd.DataFrame(
            [
                (image, lesion, lesion, 0, part)
                for image, lesion, part in zip(
                    finished[0].predictions.image_ids,
                    finished[0].predictions.lesion_ids,
                    finished[0].predictions.parts,
                    strict=True,
                )
            ]
            + [(f"ISIC_{i:07d}", f"HAM_T{i * 3 // 4:06d}", f"HAM_T{i * 3 // 4:06d}", 0, "train") for i in range(900)],
            columns=["image_id", "lesion_id", "group", "fold", "part"],
        )
        if finished
        else pd.DataFrame(columns=["image_id", "lesion_id", "group", "fold", "part"])
    )
    return BenchResult(
        folder=folder,
        recipe=Recipe(
            models=("resnet34", "densenet121"),
            imbalance=("none", "focal:gamma=1.5"),
            data="synthetic",
            seeds=tuple(seeds),
        ),
        environment=ENVIRONMENT,
        task=DX7,
        warnings=tuple(warnings),
        split=split,
        cells=pd.DataFrame(
            cells,
            columns=[
                "run_id",
                "model",
                "imbalance",
                "fold",
                "seed",
                "status",
                "reason",
                "seconds",
                "images_per_second",
                "device",
            ],
        ),
        scores=scores,
        differences=[
            Difference(
                most - value,
                most - value - 0.03,
                most - value + 0.03,
                a=best,
                b=name,
                metric="balanced_accuracy",
                p=0.004 * place,
                p_holm=0.008 * place,
                n_images=400,
                n_lesions=301,
            )
            for place, (value, name) in enumerate(others, 1)
        ],
        finished=finished,
        pixels=pixels,
    )


def with_ensembles(bench: BenchResult) -> BenchResult:
    """The same bench with three ensembles more: of seeds, of models of which a cell is missing, and of none left."""
    of_model = [cell for cell in bench.finished if cell.system == bench.finished[0].system]
    some = bench.finished[: len(bench.finished) - 1]
    mean, all_of_them = (mean_of([cell.predictions for cell in cells]) for cells in (of_model, some))
    strategy, others = of_model[0].imbalance, "none"
    made = (
        EnsembleResult("ensemble(resnet34)", strategy, ("seeds",), _ids(of_model), len(of_model), (mean,)),
        EnsembleResult("ensemble(resnet34,densenet121)", others, ("models", "seeds"), _ids(some), 6, (all_of_them,)),
        EnsembleResult("ensemble(efficientnet_b0)", others, ("seeds",), (), 2, ()),
    )
    further = [
        score for one in made if one.predictions for score in make_scores(one.model, one.imbalance, one.predictions)
    ]
    return dataclasses.replace(bench, scores=[*bench.scores, *further], ensembles=made)


def _ids(cells: Sequence[CellResult]) -> tuple[str, ...]:
    return tuple(cell.run_id for cell in cells)


@pytest.fixture(scope="module", autouse=True)
def without_figures() -> None:
    """Figures are what is tested here."""


@pytest.fixture(scope="session")
def averaged(bench: BenchResult) -> BenchResult:
    """The bench with ensembles."""
    return with_ensembles(bench)


@pytest.fixture(scope="session", name="make_bench")
def make_bench_fixture() -> Callable[..., BenchResult]:
    """Makes a bench: see `make_bench`."""
    return make_bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    """Three systems of two seeds each, and one that failed."""
    return make_bench(tmp_path_factory.mktemp("bench"))
