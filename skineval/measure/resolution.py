"""What a test set can resolve: how large a difference of two systems has to be for it to be found there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist, median

from skineval.measure.shares import REACH
from skineval.values.measures import Difference

POWER = 0.8
#: How much larger than by its standard error a difference has to be: the randomisation test of few lesions is less
#: sharp, since what it exchanges holds the difference itself, and an interval is longer on the side of 0. With 140 to
#: 1,503 simulated lesions of seven classes 2.80 standard errors were found in .63 to .80 of samples, 1.2 times as many
#: in .77 to .93, by a p below 0.05 and an interval without 0.
_BLUNT = 1.2
#: How many standard errors a true difference has to have, to be found in `POWER` of all test sets.
STANDARD_ERRORS = _BLUNT * (REACH + NormalDist().inv_cdf(POWER))  # 1.2 x (1.96 + 0.84) = 3.36


@dataclass(frozen=True)
class Resolution:
    """The smallest difference that a test set can be expected to tell apart."""

    value: float
    n_pairs: int  #: of systems that were compared, over which it is the median


def resolution(differences: Iterable[Difference]) -> Resolution | None:
    """The difference of two systems that a test of 5 % finds on this test set with a power of 80 %.

    It is `STANDARD_ERRORS` standard errors of a paired difference (Cohen, "Statistical Power Analysis for the
    Behavioral Sciences", 1988, chapter 2; for paired systems Card et al., "With Little Power Comes Great
    Responsibility", EMNLP 2020), of one comparison by itself. `differences` are comparisons of one metric, whose
    standard errors their intervals hold: a 95 % interval is 2 x 1.96 of them wide, and more where lesions are few.
    Nothing is drawn again. The more alike two systems answer, the less their difference varies: it is for systems that
    agree as much as the median pair does. None where no difference has an interval with a width; a single system has no
    difference, and how much another would agree with it nobody knows.
    """
    widths = [one.high - one.low for one in differences if one.high > one.low]
    if not widths:
        return None
    standard_error = median(widths) / (2 * REACH)
    return Resolution(STANDARD_ERRORS * standard_error, len(widths))
