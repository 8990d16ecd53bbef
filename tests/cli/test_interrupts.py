"""Ctrl-C in commands that do nothing about it themselves."""

from __future__ import annotations

import pytest

GO_ON = "Everything finished is saved; run the same command again to go on."
BEGIN_AGAIN = "Run the same command to begin again."


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "name", "told"),
    [
        (("bench", "demo"), "skineval.asking.request", GO_ON),
        (("tune", "--models=cnn"), "skineval.asking.request", GO_ON),
        (("explain", "runs/demo"), "skineval.api.explanations", GO_ON),
        (("data", "fetch", "ham10000"), "skineval.data.fetch.repositories.resolve", GO_ON),
        (("bench", "demo", "--dry-run"), "skineval.asking.request", BEGIN_AGAIN),
        (("doctor",), "skineval.grid.diagnosis.diagnosis", BEGIN_AGAIN),
        (("list", "models"), "skineval.catalog.catalog.load_catalog", BEGIN_AGAIN),
        (("evaluate", "no-file.csv"), "skineval.grid.evaluation.evaluate", BEGIN_AGAIN),
        (("predict", "model", "image.jpg"), "skineval.data.given_images.given_images", BEGIN_AGAIN),
        (("data", "info", "synthetic"), "skineval.api.inventory", BEGIN_AGAIN),
        (("data", "audit", "synthetic"), "skineval.api.audit", BEGIN_AGAIN),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_every_command_says_that_it_was_interrupted_and_whether_it_goes_on(
    arguments, name, told, monkeypatch, skineval_program
):
    monkeypatch.setattr(name, interrupted)
    done = skineval_program(*arguments)
    assert done.returncode == 130
    assert done.stderr.endswith(f"Error: Interrupted.\n{told}\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["bench", "tune"])
def test_after_a_fresh_start_what_was_saved_is_not_to_be_discarded(command, monkeypatch, skineval_program):
    monkeypatch.setattr("skineval.asking.request", interrupted)
    done = skineval_program(command, "demo", "--fresh")
    assert "run the same command without --fresh to go on" in done.stderr
