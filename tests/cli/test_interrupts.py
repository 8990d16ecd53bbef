"""Ctrl-C in commands that do nothing about it themselves."""

from __future__ import annotations

import pytest


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("doctor",), "skineval.api.diagnosis"),
        (("bench", "demo"), "skineval.api.request"),
        (("list", "models"), "skineval.catalog.catalog.load_catalog"),
        (("evaluate", "no-file.csv"), "skineval.grid.evaluation.evaluate"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_every_command_says_that_it_was_interrupted(arguments, name, monkeypatch, skineval_program):
    monkeypatch.setattr(name, interrupted)
    done = skineval_program(*arguments)
    assert done.returncode == 130
    assert done.stderr.startswith("Error: Interrupted.")
    assert "Traceback" not in done.stderr
    assert "run the same command again to go on" in done.stderr


@pytest.mark.parametrize("command", ["bench", "tune"])
def test_after_a_fresh_start_what_was_saved_is_not_to_be_discarded(command, monkeypatch, skineval_program):
    monkeypatch.setattr("skineval.api.request", interrupted)
    done = skineval_program(command, "demo", "--fresh")
    assert "run the same command without --fresh to go on" in done.stderr
