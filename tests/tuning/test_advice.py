from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import UsageError
from skineval.tuning.advice import AT_RANDOM, NEVER_PRUNED, WARM_UP, Judge, propose, require_optuna
from skineval.tuning.space import Choices, Range, Space
from skineval.tuning.trials import DONE, FAILED, PRUNED, Trial

SPACE: Space = (
    Range("epochs", 2, 9, whole=True),
    Range("learning_rate", 1e-4, 1e-1, logarithmic=True),
    Choices("augment", ("none", "basic", "strong")),
)


def height(parameters) -> float:
    """A landscape with its top at a rate of 0.01 and basic augmentation."""
    return 0.9 - 0.2 * abs(math.log10(parameters["learning_rate"]) + 2) - 0.1 * (parameters["augment"] != "basic")


def history(n: int, space: Space = SPACE) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(n):
        parameters = propose(space, trials, seed=number)
        value = height(parameters)
        trials.append(Trial(number, parameters, DONE, value, tuple(value * tenth / 10 for tenth in range(1, 11))))
    return trials


def test_proposals_lie_in_the_space_and_are_the_same_again():
    first, second = history(AT_RANDOM + 4), history(AT_RANDOM + 4)
    assert first == second
    for trial in first:
        assert all(one.holds(trial.parameters[one.key]) for one in SPACE)
        assert isinstance(trial.parameters["epochs"], int)
    assert len({trial.parameters["learning_rate"] for trial in first}) == len(first)


def test_another_seed_proposes_something_else():
    trials = history(3)
    assert propose(SPACE, trials, seed=3) != propose(SPACE, trials, seed=4)


def test_proposals_get_better_with_what_was_learnt():
    """Against the mean of the landscape, which is what drawing at random gives."""
    learnt = [height(propose(SPACE, history(25), seed=seed)) for seed in range(12)]
    at_random = [height(propose(SPACE, [], seed=seed)) for seed in range(100, 160)]
    assert sum(learnt) / len(learnt) > sum(at_random) / len(at_random) + 0.1


def test_trials_that_failed_or_lie_outside_do_not_stop_the_search():
    trials = history(AT_RANDOM)
    outside = {"epochs": 1, "learning_rate": 0.5, "augment": "flip,rotate"}
    trials[0] = Trial(0, outside, DONE, 0.5, (0.5,) * 10)
    trials[3] = Trial(3, trials[3].parameters, FAILED, reason="the loss was nan")
    trials[4] = Trial(4, trials[4].parameters, PRUNED, 0.1, (0.1,) * 4)
    proposed = propose(SPACE, trials, seed=9)
    assert all(one.holds(proposed[one.key]) for one in SPACE)


def ended(curves: Sequence[Sequence[float]]) -> list[Trial]:
    """Trials that came as far as their curves; those of ten points reached their end."""
    states = [DONE if len(heights) == 10 else PRUNED for heights in curves]
    return [
        Trial(number, {}, state, heights[-1], tuple(heights))
        for number, (state, heights) in enumerate(zip(states, curves, strict=True))
    ]


RISING = st.lists(st.floats(0, 1), min_size=1, max_size=10).map(sorted)


@settings(max_examples=100, deadline=None)
@given(others=st.lists(RISING, max_size=12), own=RISING)
def test_a_trial_is_given_up_below_the_median_of_those_that_came_as_far(others, own):
    """Against the rule in plain words."""
    seen = len(own)
    there = [heights[seen - 1] for heights in others if len(heights) >= seen]
    expected = len(others) >= NEVER_PRUNED and seen >= WARM_UP and bool(there) and own[-1] < statistics.median(there)
    if there and math.isclose(own[-1], statistics.median(there)):
        return  # rounding may decide
    assert Judge(ended(others)).is_hopeless(own) == expected


def test_nothing_is_given_up_before_it_was_seen_nor_for_what_failed():
    assert not Judge(ended([[1.0] * 10] * 9)).is_hopeless([])
    failed = [Trial(number, {}, FAILED, reason="the loss was nan") for number in range(9)]
    assert not Judge([*failed, *ended([[1.0] * 10] * 4)]).is_hopeless([0.1] * 9)


def test_optuna_keeps_silent_and_its_settings_are_left_alone(capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        propose(SPACE, history(2), seed=0)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert capfd.readouterr() == ("", "")


def test_without_optuna_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError) as error:
        require_optuna()
    assert error.value.message == "skineval tune needs optuna, which is not installed."
    assert "pip install optuna" in error.value.hint
