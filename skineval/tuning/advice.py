"""What to try next, and when to give up: optuna's judgement of the trials that have ended.

The advice on a trial depends on the space, the trials before it, and a seed that is its own; nothing of optuna's is
kept from trial to trial. An interrupted search therefore tries what an uninterrupted one would have tried.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skineval.base.errors import UsageError, plural
from skineval.base.terms import Value
from skineval.tuning.plan import Plan
from skineval.tuning.space import Choices, Space, settings
from skineval.tuning.trials import DONE, FAILED, Trial
from skineval.values.runspec import derive_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

AT_RANDOM = 8  #: trials that fill the space before the sampler starts to learn from them
NEVER_PRUNED = 5  #: trials that are seen through before another is given up
WARM_UP = 5  #: tenths of its first cell that every trial is given: schedules differ most in the beginning


def require_optuna() -> None:
    """Raises UsageError where optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UsageError(
            "skineval tune needs optuna, which is not installed.",
            "Install it: uv sync --inexact --extra tune, or pip install optuna.",
        ) from None


def propose(space: Space, ended: Sequence[Trial], seed: int) -> dict[str, Value]:
    """The setting to try after the trials that have `ended`, one value a dimension.

    Drawn at random at first, then by the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) in its
    multivariate form (Falkner et al., ICML 2018).
    """
    import optuna

    distributions = _distributions(space)
    sampler = optuna.samplers.TPESampler(n_startup_trials=AT_RANDOM, multivariate=True, seed=seed % 2**32)
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in ended:
            # The recipe's own setting may lie outside of the space: it then says nothing of what is inside.
            if all(one.holds(trial.parameters[one.key]) for one in space):
                study.add_trial(_told(trial, distributions))
        drawn = study.ask(distributions).params
    return {one.key: drawn[one.key] if isinstance(one, Choices) else one.tidy(drawn[one.key]) for one in space}


class Judge:
    """Gives trials up by the median rule (Golovin et al., KDD 2017).

    All that came as far are counted, those that were given up later too: among survivors alone the bar would rise with
    every one.
    """

    def __init__(self, ended: Sequence[Trial]) -> None:
        import optuna
        from optuna.trial import create_trial

        with _quiet():
            self._study = optuna.create_study(direction="maximize")
            self._pruner = optuna.pruners.MedianPruner(n_startup_trials=NEVER_PRUNED, n_warmup_steps=WARM_UP)
            for trial in ended:
                if trial.state != FAILED:
                    # To optuna only what is complete is worth comparing with.
                    self._study.add_trial(create_trial(value=trial.value, intermediate_values=_steps(trial.curve)))

    def is_hopeless(self, curve: Sequence[float]) -> bool:
        """Whether a trial that has come so far is below the median of the others, when they had come as far."""
        from optuna.trial import TrialState, create_trial

        running = create_trial(state=TrialState.RUNNING, intermediate_values=_steps(curve))
        return self._pruner.prune(self._study, running)


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for one in space:
        if isinstance(one, Choices):
            found[one.key] = CategoricalDistribution(one.values)
        elif one.whole:
            found[one.key] = IntDistribution(int(one.low), int(one.high))
        else:
            found[one.key] = FloatDistribution(one.low, one.high, log=one.logarithmic)
    return found


def _told(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """What the sampler is told of a trial; one that failed is the worst of those that were given up."""
    from optuna.trial import TrialState, create_trial

    return create_trial(
        state=TrialState.COMPLETE if trial.state == DONE else TrialState.PRUNED,
        value=trial.value if trial.state == DONE else None,
        params=dict(trial.parameters),
        distributions=dict(distributions),
        intermediate_values=_steps(trial.curve) if trial.state != FAILED else {0: 0.0},
    )


def _steps(curve: Sequence[float]) -> dict[int, float]:
    return dict(enumerate(curve, start=1))


@contextmanager
def _quiet() -> Iterator[None]:
    """optuna tells the user of every study; it is not the user's."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


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
        return (
            f"The search ended after {plural(len(ended), 'trial')}: {ASKED} proposals in a row had been tried before."
        )
    return f"The search ended after {plural(len(ended), 'trial')}: all settings have been tried."
