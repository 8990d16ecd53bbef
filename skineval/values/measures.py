"""What is measured: figures with their intervals, and differences of two; rows of the CSV files of a bench."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from math import nan
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from skineval.base.terms import BASELINES

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

RESULT_COLUMNS = (
    "model",
    "imbalance",
    "task",
    "protocol",
    "metric",
    "class",
    "value",
    "low",
    "high",
    "n_images",
    "n_lesions",
    "n_cells",
)
CHOICE_COLUMNS = ("model", "imbalance", "chosen", *RESULT_COLUMNS[4:])
COMPARISON_COLUMNS = ("a", "b", "metric", "difference", "low", "high", "p", "p_holm", "n_images", "n_lesions")
LEAKAGE_COLUMNS = ("system", *COMPARISON_COLUMNS, "images")

_ATTRIBUTES = {"class": "class_", "difference": "value"}  # of rows, where their columns are called otherwise

SIGNIFICANT = 0.05  #: below which a p, corrected by Holm, is one


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; NaN where undefined, or where there is no interval."""

    value: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True, kw_only=True)
class Score(Estimate):
    """One figure of a system, a row of results.csv. `class_` is "" for overall figures.

    `n_images` and `n_lesions` count the distinct images and resampling units behind it: of a share those that it is a
    share of, so that precision has those that were taken for the class; else in a row of a class those of the class,
    otherwise all. `n_cells` counts the cells it is the mean of, or those whose mean was measured. Whose figure it is,
    its task and its protocol are "" until somebody says so who knows it.
    """

    model: str = ""
    imbalance: str = ""
    task: str = ""
    protocol: str = ""
    metric: str
    class_: str = ""
    n_images: int
    n_lesions: int
    n_cells: int

    @property
    def system(self) -> str:
        """Whose figure it is."""
        return system_name(self.model, self.imbalance)

    @property
    def baseline(self) -> bool:
        """Whether a trivial rule made it and not a model."""
        return self.system in BASELINES


@dataclass(frozen=True, kw_only=True)
class Difference(Estimate):
    """By how much system `a` exceeds system `b` on their common images, a row of comparisons.csv or ladders.csv.

    NaN where undefined. `p_holm` is corrected over the comparisons of the same metric, in ladders.csv those of the same
    model. It is NaN, and `a` and `b` are "", of a difference by itself. `check_p` is that of a test of another kind
    (`skineval.measure.checks`); it is in no file.
    """

    a: str = ""
    b: str = ""
    metric: str
    p: float
    p_holm: float = nan
    check_p: float = nan
    n_images: int
    n_lesions: int

    @property
    def is_certain(self) -> bool:
        """Whether chance would rarely make it, and the interval leaves no doubt on which is ahead."""
        return self.p_holm < SIGNIFICANT and not self.low <= 0 <= self.high

    @property
    def turned(self) -> Difference:
        """By how much `b` exceeds `a`."""
        # 0 - x has no negative zeros, which a CSV file would show.
        return replace(self, value=0 - self.value, low=0 - self.high, high=0 - self.low, a=self.b, b=self.a)


@dataclass(frozen=True, kw_only=True)
class Inflation(Difference):
    """By how much a system is better under the protocol `a`, which leaks, than under `b`, a row of leakage.csv.

    `p_holm` is corrected over all systems and protocols, and over recalls of all classes together. `images` says which
    of the test images are meant.
    """

    system: str
    images: str


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """How good a system is on the images of one value of an attribute, a row of subgroups.csv.

    Balanced accuracy is the mean over those classes of which the subgroup has lesions enough; gaps are to the same of
    all images. NaN where there are too few lesions to speak.
    """

    system: str
    attribute: str
    value: str
    n_images: int
    n_lesions: int
    n_classes: int
    balanced_accuracy: float = nan
    low: float = nan
    high: float = nan
    gap: float = nan
    gap_low: float = nan
    gap_high: float = nan
    malignancy_auc: float = nan
    malignancy_low: float = nan
    malignancy_high: float = nan
    malignancy_gap: float = nan
    malignancy_gap_low: float = nan
    malignancy_gap_high: float = nan


@dataclass(frozen=True, kw_only=True)
class Choice(Score):
    """A figure of a system on test images once something was chosen for it on validation images, a row of choices.csv.

    `chosen` says what: `temperature`, `sensitivity=0.9`. What it came to, the mean over the cells, stands among the
    figures by a name of its own, without an interval.
    """

    chosen: str


SUBGROUP_COLUMNS = tuple(column.name for column in fields(Subgroup))


def system_name(model: str, imbalance: str) -> str:
    """What is compared, as `model/imbalance`; a model without a strategy stands alone."""
    return f"{model}/{imbalance}" if imbalance else model


def as_frame(measures: Iterable[Estimate | Subgroup], columns: Sequence[str]) -> pd.DataFrame:
    """Scores or differences as the frame that their file holds."""
    import pandas as pd

    fields = attrgetter(*(_ATTRIBUTES.get(column, column) for column in columns))
    return pd.DataFrame(map(fields, measures), columns=list(columns))


def rows(kind: type[T], frame: pd.DataFrame) -> tuple[T, ...]:
    """The rows of a frame, each a `kind` with a field for each column. Raises TypeError where columns are others."""
    fields = [_ATTRIBUTES.get(str(column), str(column)) for column in frame.columns]
    lines = frame.itertuples(index=False, name=None)
    return tuple(kind(**dict(zip(fields, line, strict=True))) for line in lines)
