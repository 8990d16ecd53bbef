"""What a worker tells comes through a pipe as what it was."""

from __future__ import annotations

import json
import math

import pytest

from skineval.catalog.specs import EpochEnded
from skineval.grid.events import CellFinished, PhaseBegan, StepDone, Warned, from_message, to_message


@pytest.mark.parametrize(
    "event",
    [
        PhaseBegan("predicting", "cnn-none-f0-s0"),
        StepDone("cnn-none-f0-s0", 1.25, math.nan, 123.4),
        EpochEnded("cnn-none-f0-s0", 2, 6, 1.5, 1.25, 0.1 + 0.2, 1e-9),
        CellFinished("cnn-none-f0-s0", "done", "", "gradcam: no room\n\N{SNOWMAN}"),
        Warned("plugin one muted"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_a_cell_tells_crosses_as_json(event):
    line = json.dumps(to_message(event))
    assert "\n" not in line
    assert repr(from_message(json.loads(line))) == repr(event)  # in which NaN is equal to itself


@pytest.mark.parametrize("failed", [CellFinished("a", "failed", "why"), CellFinished("a", "done", "", "gradcam: why")])
def test_a_cell_that_lacks_an_addition_failed_too(failed):
    assert failed.is_failure
    assert not CellFinished("a", "done", "a note").is_failure
