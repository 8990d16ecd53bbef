"""The next setting of a search: one that no trial has had.

Training is deterministic, so that a second trial of a setting would only count it twice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from skineval.base.terms import Value
from skineval.tuning.advice import propose
from skineval.tuning.plan import Plan
from skineval.tuning.space import settings
from skineval.tuning.trials import Trial
from skineval.values.runspec import derive_seed

ASKED = 10  #: times that the sampler is asked for a setting it has not proposed yet


def new_setting(plan: Plan, ended: Sequence[Trial]) -> dict[str, Value] | None:
    """The setting to try after the trials that have `ended`, None where no new one was found.

    Settings are the same where their recipes are: without a plateau its patience does nothing. Where the sampler only
    repeats itself and the space has so few settings that they can be listed, one of those left is drawn at random.
    """
    number = len(ended)
    tried = [plan.with_values(trial.parameters) for trial in ended]
    for again in range(ASKED):
        seed = derive_seed("proposal", *plan.recipe.seeds, number, *([again] if again else []))
        proposed = propose(plan.space, ended, seed)
        if plan.with_values(proposed) not in tried:
            return proposed
    left = [one for one in settings(plan.space) or () if plan.with_values(one) not in tried]
    return random.Random(derive_seed("setting", *plan.recipe.seeds, number)).choice(left) if left else None


def exhaustion(plan: Plan, ended: Sequence[Trial]) -> str:
    """Why a search ends where there is no new setting, as a sentence."""
    if settings(plan.space) is None:
        return f"The search ended after {len(ended)} trials: {ASKED} proposals in a row had been tried before."
    return f"The search ended after {len(ended)} trials: all settings have been tried."
