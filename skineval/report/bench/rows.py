"""The frames of a bench as typed rows, and the questions every report asks of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from skineval.measure.names import is_ensemble
from skineval.measure.ranking import best_first
from skineval.report.document import formatting
from skineval.report.document.formatting import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from skineval.values.result import EnsembleResult

PRIMARY = "balanced_accuracy"
UNDECIDED = "undecided"  #: not in a table but in a note, and only where it is not 0
BASELINES = ("majority", "prior")
DONE = "done"

Unranked: TypeAlias = Mapping[str, Sequence[int]]  #: system -> the folds that it lacks and another one has
ALL_RANKED: Unranked = MappingProxyType({})


@dataclass(frozen=True)
class Score:
    """One row of results.csv; `label` is the class, empty for overall figures."""

    system: str
    metric: str
    label: str
    estimate: Estimate
    n_images: int
    n_lesions: int
    n_cells: int

    @property
    def baseline(self) -> bool:
        """Whether a trivial rule made it and not a model."""
        return self.system in BASELINES

    @property
    def ensemble(self) -> bool:
        """Whether it is of the mean of several cells, and not the mean of the figures of each."""
        return is_ensemble(self.system)


@dataclass(frozen=True)
class Gap:
    """One row of comparisons.csv: A minus B on the same images."""

    a: str
    b: str
    metric: str
    estimate: Estimate
    p: float
    p_holm: float
    n_images: int
    n_lesions: int


@dataclass(frozen=True)
class GridCell:
    """One row of cells.csv."""

    run_id: str
    model: str
    imbalance: str
    fold: int
    seed: int
    status: str
    reason: str
    seconds: float
    images_per_second: float
    device: str

    @property
    def system(self) -> str:
        """The system it belongs to."""
        return system_name(self.model, self.imbalance)

    @property
    def done(self) -> bool:
        """Whether it finished."""
        return self.status == DONE


def system_name(model: str, imbalance: str) -> str:
    """What is compared, as `model/imbalance`; a model without a strategy stands alone."""
    return f"{model}/{imbalance}" if imbalance else model


def each_of(ensemble: EnsembleResult) -> str:
    """Of what it has a mean each, such as ` in each of 5 folds`; empty where it has a single one."""
    n_seeds = 1 if "seeds" in ensemble.over else len({one.seed for one in ensemble.predictions})
    n_folds = 1 if "folds" in ensemble.over else len({one.fold for one in ensemble.predictions})
    of_seeds = f" of each of {formatting.plural(n_seeds, 'seed')}" if n_seeds > 1 else ""
    return of_seeds + (f" in each of {formatting.plural(n_folds, 'fold')}" if n_folds > 1 else "")


def scores(results: pd.DataFrame) -> tuple[Score, ...]:
    """The rows of results.csv."""
    return tuple(
        Score(
            system_name(_word(row["model"]), _word(row["imbalance"])),
            _word(row["metric"]),
            _word(row["class"]),
            Estimate(float(row["value"]), float(row["low"]), float(row["high"])),
            int(row["n_images"]),
            int(row["n_lesions"]),
            int(row["n_cells"]),
        )
        for row in _records(results)
    )


def gaps(comparisons: pd.DataFrame) -> tuple[Gap, ...]:
    """The rows of comparisons.csv."""
    return tuple(
        Gap(
            _word(row["a"]),
            _word(row["b"]),
            _word(row["metric"]),
            Estimate(float(row["difference"]), float(row["low"]), float(row["high"])),
            float(row["p"]),
            float(row["p_holm"]),
            int(row["n_images"]),
            int(row["n_lesions"]),
        )
        for row in _records(comparisons)
    )


def grid(cells: pd.DataFrame) -> tuple[GridCell, ...]:
    """The rows of cells.csv."""
    return tuple(
        GridCell(
            _word(row["run_id"]),
            _word(row["model"]),
            _word(row["imbalance"]),
            int(row["fold"]),
            int(row["seed"]),
            _word(row["status"]),
            _word(row["reason"]),
            float(row["seconds"]),
            float(row["images_per_second"]),
            _word(row["device"]),
        )
        for row in _records(cells)
    )


def of(found: Iterable[Score], metric: str, label: str = "", *, baseline: bool = False) -> dict[str, Estimate]:
    """One figure of every system, or of every trivial baseline."""
    return {
        one.system: one.estimate for one in found if (one.metric, one.label, one.baseline) == (metric, label, baseline)
    }


def ranking(found: Sequence[Score], unranked: Collection[str] = ()) -> list[str]:
    """The systems, the best balanced accuracy first; ties in alphabetical order, undefined ones after all others.

    Those in `unranked`, whose figures cannot be set beside the others', stand below them in the same order.
    """
    order = best_first({name: estimate.value for name, estimate in of(found, PRIMARY).items()})
    return sorted(order, key=lambda name: name in unranked)


def behind(found: Iterable[Gap], best: str) -> Mapping[str, Gap]:
    """How each system compares with the best one in balanced accuracy."""
    return {gap.b: gap for gap in found if gap.a == best and gap.metric == PRIMARY}


def _records(frame: pd.DataFrame) -> Iterable[Mapping[str, Any]]:
    columns = [str(column) for column in frame.columns]
    return (dict(zip(columns, values, strict=True)) for values in frame.itertuples(index=False, name=None))


def _word(value: object) -> str:
    # An empty cell comes back from a CSV file as NaN.
    return "" if value is None or value != value else str(value)
