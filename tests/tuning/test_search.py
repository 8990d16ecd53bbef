"""Whole searches on tiny synthetic images: what they write, what they never read, and how they go on."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from skineval.base.errors import CellError, DataError, Interrupted, SkinevalError, UsageError
from skineval.base.files import DiskError
from skineval.base.interrupts import stoppable
from skineval.base.places import cache_folder
from skineval.catalog.catalog import load_catalog
from skineval.data.pixels.store import PixelStore, open_store
from skineval.grid.cell.training import Trained
from skineval.grid.events import Noted, ignore_event
from skineval.grid.opening import open_pixels
from skineval.report.document import console
from skineval.report.tuning import table
from skineval.train import device
from skineval.train.checkpoint import EpochRecord, Progress
from skineval.train.device import Device, cpu_threads
from skineval.train.rows import FileRows
from skineval.tuning import advice, attempt, running
from skineval.tuning.folder import SearchFolder, read_trial
from skineval.tuning.plan import Plan, make_plan, seen_elsewhere, without_test
from skineval.tuning.search import Search, search
from skineval.tuning.trials import (
    DONE,
    FAILED,
    PRUNED,
    RUNNING,
    SearchEvent,
    SearchReport,
    Trial,
    TrialEnded,
)
from skineval.values.recipe import make_recipe, read_recipe
from tests.conftest import run_here

KEYS = {
    "models": "cnn:width=4",
    "data": "synthetic:images=140",
    "image_size": 16,
    "weights": "none",
    "precision": "fp32",
    "epochs": 4,
    "batch_size": 16,
    "learning_rate": 5e-3,
    "explainers": "",
    "replicates": 1000,
}
TRIALS = 9  # of which some may be pruned, and the last is proposed from what was learnt
SPACE = ["learning_rate=1e-4..1", "augment=none,basic", "schedule=cosine,constant"]
FLAGS = [f"--{key.replace('_', '-')}={value}" for key, value in KEYS.items() if key not in ("explainers", "replicates")]
FLAGS += [f"--search={one}" for one in SPACE]


def plan(texts=SPACE, **keys: object) -> Plan:
    return make_plan(make_recipe({**KEYS, **keys}), texts, load_catalog())


def run(made: Plan, out: Path, trials: int, report: SearchReport = ignore_event) -> Search:
    return search(made, report, trials=trials, out=out)


def trained_to(scores: Iterator[list[float]]):
    """A `train` that trains nothing: the epochs of each network have the scores that come next."""

    def train(cell, folder, observe):
        history = []
        for epoch, score in enumerate(next(scores), start=1):
            history.append(EpochRecord(epoch, 0.1, 1.0, 1.0, score, 0.5, 0.4, 90))
            observe(history[-1])
        best = int(np.argmax([record.val_balanced_accuracy for record in history])) + 1
        return Trained(nn.Identity(), Progress(tuple(history), best), (), 0.0)

    return train


def essence(trials) -> list[Trial]:
    """All of the trials but the time they took."""
    return [dataclasses.replace(trial, seconds=0.0) for trial in trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Search:
    """A search that nobody interrupted."""
    return run(plan(), tmp_path_factory.mktemp("whole") / "out", TRIALS)


def test_the_first_trial_is_the_recipe_itself_and_the_best_is_no_worse(whole):
    assert whole.own.parameters == {"learning_rate": 5e-3, "augment": "basic", "schedule": "cosine"}
    assert whole.best.score == max(trial.score for trial in whole.trials if trial.state == DONE)
    assert whole.best.score >= whole.own.score
    assert all(trial.epochs < KEYS["epochs"] for trial in whole.trials if trial.state == PRUNED)
    assert all(trial.epochs == KEYS["epochs"] for trial in whole.trials if trial.state == DONE)


def test_what_a_search_leaves_behind(whole):
    table = pd.read_csv(whole.folder / "trials.csv")
    assert list(table["number"]) == list(range(TRIALS))
    assert list(table["state"]) == [trial.state for trial in whole.trials]
    assert np.allclose(table["value"], [trial.score for trial in whole.trials])
    assert list(table["learning_rate"]) == [trial.parameters["learning_rate"] for trial in whole.trials]
    assert list(table["epochs_trained"]) == [trial.epochs for trial in whole.trials]
    assert (table["seconds"] > 0).all()
    written = make_recipe(read_recipe(str(whole.folder / "recipe.toml")))
    assert written == whole.recipe
    assert {key: getattr(written, key) for key in whole.best.parameters} == whole.best.parameters
    assert written.models == ("cnn:width=4",)
    assert not list(whole.folder.glob("**/*.safetensors"))
    about = json.loads((whole.folder / "search.json").read_text())
    assert set(about["environment"]["versions"]) >= {"torch", "optuna", "skineval"}


def test_the_same_search_again_trains_nothing_and_more_trials_extend_it(whole, tmp_path, monkeypatch):
    short = run(plan(), tmp_path, 3)
    longer = run(plan(), tmp_path, 5)
    assert essence(longer.trials[:3]) == essence(short.trials)
    assert essence(longer.trials) == essence(whole.trials[:5])
    monkeypatch.setattr(attempt, "train", lambda *_: pytest.fail("trained again"))
    assert run(plan(), tmp_path, 5).trials == longer.trials
    assert run(plan(), tmp_path, 2).trials == longer.trials


def test_a_bench_with_the_winning_recipe_repeats_the_winner(whole, tmp_path, skineval_program):
    done = skineval_program("bench", str(whole.folder / "recipe.toml"), "--out=bench", "--format=csv")
    assert done.returncode == 0, done.stderr
    (history,) = (pd.read_csv(file) for file in tmp_path.glob("bench/cells/*/history.csv"))
    assert history["val_balanced_accuracy"].max() == whole.best.score


# ---- the test part


def test_of_a_fold_everything_but_the_test_part_is_visible():
    made = plan()
    parts = made.prepared.parts[0]
    seen = without_test(made.prepared.targets, parts)
    assert not set(seen.rows) & set(parts.test)
    assert (seen.rows[seen.parts.train] == parts.train).all()
    assert (seen.rows[seen.parts.validation] == parts.validation).all()
    assert (seen.targets == made.prepared.targets[seen.rows]).all()
    assert len(seen.parts.test) == 0


def test_sentinel_a_poisoned_test_part_changes_nothing(whole, tmp_path, monkeypatch):
    """Test images are noise and their labels are none: whoever looked at them would find something else, or fail."""
    made = plan()
    test = made.prepared.parts[0].test
    targets = made.prepared.targets.copy()
    targets[test] = -1
    poisoned = dataclasses.replace(made, prepared=dataclasses.replace(made.prepared, targets=targets))
    read: set[int] = set()

    def spoilt_store(table, recipe, report) -> PixelStore:
        store = open_pixels(table, recipe, report)
        images = np.array(store.array)
        images[test] = np.random.default_rng(0).integers(0, 256, images[test].shape)
        path = tmp_path / "spoilt"
        path.write_bytes(images.tobytes())
        return PixelStore(np.memmap(path, dtype=np.uint8, mode="r", shape=images.shape), path, built=True)

    def recorded(self, into, offset, original=FileRows._read):
        read.add(offset // len(into))
        original(self, into, offset)

    monkeypatch.setattr(running, "open_pixels", spoilt_store)
    monkeypatch.setattr(FileRows, "_read", recorded)
    found = run(poisoned, tmp_path / "out", TRIALS)
    assert essence(found.trials) == essence(whole.trials)
    parts = made.prepared.parts[0]
    assert read == {*parts.train.tolist(), *parts.validation.tolist()}


def test_the_sentinel_would_be_noticed_in_the_other_parts(whole, tmp_path, monkeypatch):
    made = plan()
    targets = made.prepared.targets.copy()
    validation = made.prepared.parts[0].validation
    targets[validation] = np.roll(targets[validation], 1)
    spoilt = dataclasses.replace(made, prepared=dataclasses.replace(made.prepared, targets=targets))
    assert essence(run(spoilt, tmp_path, 2).trials) != essence(whole.trials[:2])


def test_external_tests_are_handed_on_unopened(tmp_path):
    missing = tmp_path / "external"
    missing.mkdir()  # nothing in it: opening it would fail
    made = plan(external=(str(missing), "synthetic:images=90,seed=5"))
    assert made.recipe.external == (str(missing.resolve()), "synthetic:images=90,seed=5")
    assert made.prepared.externals == ()


# ---- several cells


def test_the_value_of_a_trial_is_the_mean_over_folds_and_seeds(tmp_path):
    told: list[SearchEvent] = []
    both = run(plan(seeds=(0, 1), folds=2, epochs=1), tmp_path / "both", 1, told.append)
    notes = [event.text for event in told if isinstance(event, Noted)]
    assert any("2 folds every image is in the test part of one" in note for note in notes)
    assert (both.cells, both.own.epochs, len(both.own.curve)) == (4, 4, 40)
    one = [run(plan(seeds=(seed,), folds=2, epochs=1), tmp_path / str(seed), 1).own.score for seed in (0, 1)]
    assert both.own.score == pytest.approx(sum(one) / 2)
    assert both.own.curve[-1] == pytest.approx(both.own.score)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, ""),
        ({"folds": 2}, "With 2 folds every image is in the test part of one and in the train or validation part of"),
        ({"repeats": 2}, "With 2 hold-outs a test image of one may be in the train or validation part of another"),
        ({"folds": 2, "repeats": 3}, "With 2 folds, dealt out 3 times, every image is in the test part of one"),
    ],
)
def test_what_the_choice_sees_of_test_images_is_said_wherever_the_winner_is(keys, words, tmp_path, monkeypatch):
    """Against the parts themselves; and again where nothing is left to train, and nothing is shown."""
    made = plan(epochs=1, protocol="image", **keys)
    parts = made.prepared.parts.values()
    tested = set(np.concatenate([part.test for part in parts]))
    assert bool(made.caveat) == bool(tested & set(np.concatenate([[*part.train, *part.validation] for part in parts])))
    monkeypatch.setattr(attempt, "train", trained_to(itertools.repeat([0.5])))
    for _ in range(2):
        found = run(made, tmp_path, 1)
        comment = " ".join(line[2:] for line in found.folder.joinpath("recipe.toml").read_text().splitlines()[:9])
        shown = " ".join(console.render(table(found), width=200).split())
        for text in (comment, shown, found.caveat or "The test part was not read"):
            assert (words or "The test part was not read") in text
            assert ("The test part was not read" in text) == (not words)
            assert all((f"--{key} 1" in text) == (words != "" and key in keys) for key in ("folds", "repeats"))
        assert "[SYNTHETIC; LEAKY]" in comment


def test_of_a_split_that_was_made_elsewhere_another_is_asked_for():
    recipe = make_recipe({**KEYS, "folds": 5, "split": "split.csv"})
    assert "or a search with a split of one fold, judges the winner." in seen_elsewhere(recipe)


def test_strategies_on_embeddings_are_judged_with_the_head_they_fit(tmp_path):
    plain = run(plan(epochs=1), tmp_path / "plain", 1)
    refitted = run(plan(epochs=1, imbalance="smote"), tmp_path / "refitted", 1)
    assert refitted.own.score != plain.own.score
    assert refitted.own.curve == (refitted.own.score,) * 10  # nothing of the network before it has that head
    assert refitted.system == "cnn:width=4/smote"
    assert "judged with the new head" in refitted.notes[0]
    assert plain.notes == ()


class Merciless:
    """Finds every trial hopeless but the recipe's own setting."""

    def __init__(self, ended) -> None:
        self._ended = ended

    def is_hopeless(self, curve) -> bool:
        return bool(self._ended)


def test_strategies_on_embeddings_are_never_given_up_within_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "Judge", Merciless)
    found = run(plan(epochs=2, imbalance="smote"), tmp_path, 3)
    assert [trial.state for trial in found.trials] == [DONE] * 3
    assert all(trial.curve[-1] == trial.value for trial in found.trials)


def test_strategies_on_embeddings_are_given_up_between_networks_by_their_new_heads(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "Judge", Merciless)
    pruned = run(plan(epochs=2, imbalance="smote", seeds=(0, 1)), tmp_path / "two", 2).trials[1]
    assert (pruned.state, pruned.epochs, len(pruned.curve)) == (PRUNED, 2, 10)
    made = plan(epochs=2, imbalance="smote")  # the first of the two networks alone
    store = open_store(made.prepared.table, 16, cache=cache_folder())
    grounds = attempt.Grounds(made.prepared, store.array, lambda: False)
    cells = made.cells(pruned.parameters)
    with running._as_in_a_bench(made):
        alone = attempt.attempt(Trial(0, {}), cells, grounds, tmp_path / "one", lambda curve: False, ignore_event)
    assert pruned.value == alone.value
    assert pruned.curve == (alone.score / 2,) * 10


# ---- interruptions


class Died(BaseException):
    """The process ends here, as far as the disk can tell."""


@pytest.mark.parametrize("moment", [1, 3, 4, 6, 9, 12, 17, 23])
def test_died_at_any_write_it_ends_like_an_uninterrupted_one(moment, whole, tmp_path, monkeypatch):
    """At every other write the file is not there yet, or just so."""
    writes = 0
    original = Path.replace

    def replace(self, target):
        nonlocal writes
        writes += 1
        if writes == moment:
            if moment % 2:
                original(self, target)
            raise Died
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(Died):
        run(plan(), tmp_path, 4)
    monkeypatch.undo()
    assert essence(run(plan(), tmp_path, 4).trials) == essence(whole.trials[:4])


def test_an_epoch_saved_but_not_judged_is_judged_before_the_next(tmp_path, monkeypatch):
    """Killed between checkpoint and judgement, a hopeless trial must not get the epoch that it would not have got."""
    made = plan()
    store = open_store(made.prepared.table, 16, cache=cache_folder())
    grounds = attempt.Grounds(made.prepared, store.array, lambda: False)
    cells = made.cells(made.own)

    def die(curve):
        if len(curve) == 5:  # two of four epochs
            raise Died
        return False

    def judged(is_hopeless):
        return attempt.attempt(Trial(0, made.own), cells, grounds, tmp_path, is_hopeless, ignore_event)

    with pytest.raises(Died):
        judged(die)
    monkeypatch.setattr(attempt, "train", lambda *_: pytest.fail("trained on"))
    ended = judged(lambda curve: len(curve) == 5)
    assert (ended.state, ended.epochs, len(ended.curve)) == (PRUNED, 2, 5)


def test_killed_in_its_second_trial_it_ends_like_an_uninterrupted_one(whole, tmp_path):
    command = ["tune", *FLAGS, f"--trials={TRIALS}", "--out=out", "--quiet"]
    folder = tmp_path / "out"
    child = subprocess.Popen(
        [sys.executable, "-m", "skineval", *command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while not (list(folder.glob("trials/*.json")) and list(folder.glob("trials/*/*/last.safetensors"))):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = run_here(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = [read_trial(SearchFolder(folder), number) for number in range(TRIALS)]
    assert essence(trials) == essence(whole.trials)
    assert len(list(folder.glob("trials/*"))) == TRIALS
    assert make_recipe(read_recipe(str(folder / "recipe.toml"))).learning_rate == whole.recipe.learning_rate


def test_ctrl_c_stops_at_the_next_step_and_says_how_to_go_on(whole, tmp_path):
    command = ["tune", *FLAGS, f"--trials={TRIALS}", "--out=out"]
    child = subprocess.Popen(
        [sys.executable, "-m", "skineval", *command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a runner in the background ignores it
    )
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob("out/trials/*/*/last.safetensors")) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    assert essence(run(plan(), tmp_path / "out", 3).trials) == essence(whole.trials[:3])


@pytest.fixture
def interruptible():
    """Ctrl-C as a program in the foreground has it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_stop_that_is_asked_for_twice_is_at_once(interruptible):
    with stoppable() as should_stop:
        assert not should_stop()
        signal.raise_signal(signal.SIGINT)
        assert should_stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_ctrl_c_is_ignored_it_stays_so(interruptible):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stoppable() as should_stop:
        signal.raise_signal(signal.SIGINT)
        assert not should_stop()


def test_a_search_may_run_in_any_thread(tmp_path):
    found: list[Search] = []
    thread = threading.Thread(target=lambda: found.append(run(plan(epochs=1), tmp_path, 1)))
    thread.start()
    thread.join()
    assert found[0].own.state == DONE


def test_two_processes_do_not_search_in_one_folder(tmp_path):
    def report(event: SearchEvent) -> None:
        if isinstance(event, TrialEnded):
            with pytest.raises(UsageError, match="Another process is searching in"):
                run(plan(epochs=1), tmp_path, 1)

    run(plan(epochs=1), tmp_path, 1, report)


# ---- trials that are given up


def test_hopeless_trials_are_given_up_and_never_win(tmp_path, monkeypatch):
    """Against scores that are made up: the sixth trial is worse than the others, the seventh better until it ends."""
    scores = [[0.1, 0.2, 0.3, 0.4]] * 5 + [[0.1, 0.15, 0.9, 0.9], [0.3, 0.3, 0.3, 0.35]]
    monkeypatch.setattr(attempt, "train", trained_to(iter(scores)))
    found = run(plan(), tmp_path, 7)
    assert [trial.state for trial in found.trials] == [DONE] * 5 + [PRUNED, DONE]
    pruned = found.trials[5]
    assert (pruned.epochs, pruned.score, pruned.seconds) == (2, 0.15, 1.0)
    assert len(pruned.curve) == 5
    assert found.best is found.own  # of equal ones the first


# ---- settings that were tried before


def trained_settings(monkeypatch) -> list[tuple]:
    """The training of every cell that is trained from now on; every score is 0.5."""
    seen: list[tuple] = []
    train = trained_to(itertools.repeat([0.5]))

    def noted(cell, *others):
        seen.append((cell.spec.fold, cell.spec.seed, cell.spec.training))
        return train(cell, *others)

    monkeypatch.setattr(attempt, "train", noted)
    return seen


@pytest.mark.parametrize(
    ("texts", "n"),
    [
        (["schedule=cosine,constant"], 2),
        (["schedule=constant,plateau"], 3),  # the recipe's own lies outside
        (["augment=none,basic,strong", "ema=0,0.9", "batch_size=8,16"], 12),  # more than are drawn at random
        (["schedule=cosine,plateau", "plateau_patience=2..6"], 6),  # without a plateau its patience does nothing
    ],
)
def test_a_small_space_is_tried_once_from_end_to_end(texts, n, tmp_path, monkeypatch):
    trained = trained_settings(monkeypatch)
    found = run(plan(texts, epochs=1), tmp_path / "out", n + 4)
    assert len(found.trials) == len(trained) == len(set(trained)) == n
    assert found.notes == (f"The search ended after {n} trials: all settings have been tried.",)
    assert f"the best of {n} that" in (found.folder / "recipe.toml").read_text()
    again = run(plan(texts, epochs=1), tmp_path / "out", n + 4)
    assert (again.trials, again.notes, len(trained)) == (found.trials, found.notes, n)
    for trials in range(1, n + 1):  # as if it had been interrupted after each
        resumed = run(plan(texts, epochs=1), tmp_path / "resumed", trials)
    assert [trial.parameters for trial in resumed.trials] == [trial.parameters for trial in found.trials]
    assert resumed.notes == ()


def test_where_settings_cannot_be_listed_it_says_only_that_none_was_found(tmp_path, monkeypatch):
    """Of three digits there is one number between these."""
    trained = trained_settings(monkeypatch)
    found = run(plan(["learning_rate=0.0010001..0.0010002"], epochs=1), tmp_path, 6)
    assert len(trained) == len(set(trained)) == len(found.trials) < 6
    assert found.notes[0].endswith(f"{advice.ASKED} proposals in a row had been tried before.")


# ---- trials that fail


def failing(monkeypatch, number_of_epoch_calls, error):
    """Let `train` raise `error` in the given calls, counted from 0."""
    calls = iter(range(1000))
    original = attempt.train

    def train(*arguments):
        if next(calls) in number_of_epoch_calls:
            raise error
        return original(*arguments)

    monkeypatch.setattr(attempt, "train", train)


@pytest.mark.parametrize(
    "error", [CellError("The loss was nan in step 3."), RuntimeError("out of luck"), SystemExit(3)]
)
def test_a_trial_that_fails_is_a_row_with_its_reason(error, tmp_path, monkeypatch):
    failing(monkeypatch, {1, 3}, error)
    found = run(plan(epochs=1), tmp_path, 5)
    assert [trial.state for trial in found.trials] == [DONE, FAILED, DONE, FAILED, DONE]
    table = pd.read_csv(tmp_path / "trials.csv")
    reason = table["reason"][1]
    assert reason == "The loss was nan in step 3." if isinstance(error, CellError) else type(error).__name__ in reason
    assert table["value"].isna().tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("number", [0, 1])
def test_a_broken_device_fails_no_trial(number, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, {number}, RuntimeError("CUDA error: device-side assert triggered"))
        with pytest.raises(SkinevalError, match=f"The GPU failed in trial {number}, .*device-side assert") as error:
            run(plan(epochs=1), tmp_path, 3)
    assert error.value.hint == "Run the same command again: it goes on from the last epoch."
    assert read_trial(SearchFolder(tmp_path), number).state == RUNNING
    assert [trial.state for trial in run(plan(epochs=1), tmp_path, 3).trials] == [DONE] * 3


def test_a_recipe_that_fails_itself_ends_the_search(tmp_path, monkeypatch):
    failing(monkeypatch, {0}, CellError("The loss was nan in step 3."))
    with pytest.raises(CellError, match="own setting cannot be trained: The loss was nan in step 3"):
        run(plan(epochs=1), tmp_path, 3)
    assert run(plan(epochs=1), tmp_path, 1).own.state == DONE  # tried again


@pytest.mark.parametrize("error", [DiskError("Cannot write.", ""), DataError("Shorter.", ""), Interrupted()])
def test_what_says_nothing_of_the_setting_fails_no_trial(error, tmp_path, monkeypatch):
    failing(monkeypatch, {1}, error)
    with pytest.raises(type(error)):
        run(plan(epochs=1), tmp_path, 3)
    assert read_trial(SearchFolder(tmp_path), 1).state == RUNNING
    assert [trial.state for trial in run(plan(epochs=1), tmp_path, 3).trials] == [DONE] * 3


# ---- folders


def test_a_folder_holds_one_search(tmp_path):
    run(plan(epochs=1), tmp_path / "out", 1)
    for other, message in [
        (plan(epochs=2), "epochs is 1 there, 2 here"),
        (plan(epochs=1, models="cnn:width=8"), r"models is \('cnn:width=4',\) there"),
        (plan(["augment=none,basic", "learning_rate=1e-4..1"], epochs=1), "schedule is searched otherwise there"),
        (
            plan([*SPACE[:2], "schedule=cosine,plateau"], epochs=1),
            "schedule is searched otherwise there, and here: cos",
        ),
        (plan([*SPACE, "ema=0,0.9"], epochs=1), "ema is not searched there"),
        (plan(epochs=1, split_seed=1), "split_seed is 0 there, 1 here"),
    ]:
        with pytest.raises(UsageError, match=message):
            run(other, tmp_path / "out", 2)
    # What changes no trial is taken into the winning recipe.
    assert run(plan(epochs=1, replicates=1500), tmp_path / "out", 1).recipe.replicates == 1500
    fresh = search(plan(epochs=2), ignore_event, trials=1, out=tmp_path / "out", fresh=True)
    assert fresh.own.epochs == 2


def test_data_that_changed_makes_another_search(tmp_path):
    made = plan(epochs=1)
    run(made, tmp_path, 1)
    cells = tuple(dataclasses.replace(cell, data="other") for cell in made.prepared.cells)
    other = dataclasses.replace(made, prepared=dataclasses.replace(made.prepared, cells=cells))
    with pytest.raises(UsageError, match="the data, the split, a package or the precision has changed"):
        run(other, tmp_path, 2)


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        search(plan(), ignore_event, trials=1, out=tmp_path, fresh=True)
    with pytest.raises(UsageError, match="which is a file"):
        run(plan(), tmp_path / "thesis.tex", 1)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def fresh(made: Plan, out: Path) -> Search:
    return search(made, ignore_event, trials=1, out=out, fresh=True)


def contents(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def test_a_search_that_is_running_is_not_discarded(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "train", trained_to(itertools.repeat([0.5])))
    before: list[set[Path]] = []

    def report(event: SearchEvent) -> None:
        if isinstance(event, TrialEnded):
            before.append(contents(tmp_path))
            with pytest.raises(UsageError, match="Another process is searching in"):
                fresh(plan(), tmp_path)
            assert contents(tmp_path) == before[-1]

    run(plan(), tmp_path, 2, report)
    assert len(before) == 2


def test_a_fresh_search_leaves_nothing_of_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "train", trained_to(itertools.repeat([0.5])))
    run(plan(), tmp_path, 3)
    (tmp_path / "trials" / "0003").mkdir()
    (tmp_path / "search.svg").write_text("")
    assert len(fresh(plan(epochs=1), tmp_path).trials) == 1
    names = {".lock", "recipe.toml", "search.json", "trials", "trials/0000.json", "trials.csv"}
    assert {str(path) for path in contents(tmp_path)} == names


@pytest.mark.parametrize("name", ["environment.json", "cells"])
def test_a_bench_beside_a_search_is_not_discarded(name, tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "train", trained_to(itertools.repeat([0.5])))
    run(plan(), tmp_path, 1)
    (tmp_path / name).mkdir()
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="holds a bench as well as a search"):
        fresh(plan(epochs=1), tmp_path)
    (tmp_path / "search.json").unlink()
    with pytest.raises(UsageError, match="holds something else"):
        fresh(plan(epochs=1), tmp_path)
    assert contents(tmp_path) == before - {Path("search.json")}


def test_a_damaged_trial_is_named_and_one_that_was_removed_is_run_again(whole, tmp_path):
    run(plan(), tmp_path, 3)
    folder = SearchFolder(tmp_path)
    folder.trial(1).write_text("{")
    with pytest.raises(DataError, match=r"0001\.json cannot be read") as error:
        run(plan(), tmp_path, 3)
    assert error.value.hint == "Remove it: the trial is then run again."
    folder.trial(1).write_text(folder.trial(2).read_text())
    with pytest.raises(DataError, match=r"0001\.json is not trial 1"):
        run(plan(), tmp_path, 3)
    folder.trial(1).unlink()
    assert essence(run(plan(), tmp_path, 3).trials) == essence(whole.trials[:3])


@pytest.mark.parametrize("jobs", [1, 2])
def test_trials_are_trained_as_one_of_so_many_jobs(jobs, monkeypatch):
    """A bench with the winner would otherwise have other threads, and so other results."""
    monkeypatch.setattr(device, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    made = plan(jobs=jobs)
    assert made.recipe.jobs == jobs
    assert made.prepared.threads == cpu_threads(made.recipe.jobs) == 8 // jobs


def test_threads_are_those_of_a_bench_and_are_given_back(tmp_path, monkeypatch):
    seen: list[int] = []
    failing(monkeypatch, set(), None)
    original = attempt.train
    monkeypatch.setattr(attempt, "train", lambda *args: (seen.append(torch.get_num_threads()), original(*args))[1])
    made = plan(epochs=1)
    threads = dataclasses.replace(made.prepared, threads=1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(dataclasses.replace(made, prepared=threads), tmp_path, 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


@pytest.mark.parametrize("workspace", [None, ":16:8"])
def test_deterministic_algorithms_are_those_of_a_bench_and_are_given_back(workspace, monkeypatch):
    """Only the settings: there need not be a GPU."""
    made = plan(deterministic=True)
    on_gpu = dataclasses.replace(made.prepared, device=Device("cuda:0", "a GPU", "asked for"))
    if workspace is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    else:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    assert not torch.are_deterministic_algorithms_enabled()
    with running._as_in_a_bench(dataclasses.replace(made, prepared=on_gpu)):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == workspace
