"""The training loop: learns, resumes bit for bit, stops early, never changes with what does not concern it."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import CellError, Interrupted
from skineval.train import checkpoint
from skineval.train.checkpoint import EpochRecord, Progress
from skineval.train.fit import batch_bounds, images_per_second, parts_of, run_epoch, train
from skineval.train.learner import make_learner
from skineval.train.losses import cross_entropy
from skineval.train.network import Blueprint, build_network
from skineval.train.optimizers import Optimizer
from skineval.train.predict import predict_logits
from skineval.train.remedy import Remedy
from skineval.train.weights import Weights
from tests.train.toys import TOY, images, spec, stage, task


def fitted(folder, specification=None, should_stop=lambda: False, on_epoch=lambda record: None, **changes):
    specification = specification or spec()
    store, labels = images()
    model, _ = build_network(Blueprint(TOY, specification.model.parameters, 3, 16), Weights("none"), seed=7)
    progress = train(
        model, specification, task(labels, **changes), stage(store, should_stop=should_stop), folder, on_epoch
    )
    return model, progress


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_and_ends_with_the_best_epoch(tmp_path):
    _model, progress = fitted(tmp_path, spec(epochs=20))
    assert progress.best_score > 0.8
    assert progress.best_score == max(record.val_balanced_accuracy for record in progress.history)
    assert progress.history[-1].train_loss < progress.history[0].train_loss
    best = checkpoint.best_file(tmp_path, progress.best_epoch)
    assert [path.name for path in tmp_path.glob("best-*")] == [best.name]
    assert [record.epoch for record in progress.history if record.warms_up] == [1]


def test_the_rate_is_what_a_long_run_would_see():
    def rate(*epochs: tuple[float, bool]) -> float:
        records = (EpochRecord(n, 0.1, 1.0, 1.0, 0.5, 99.0, took, 600, warm) for n, (took, warm) in enumerate(epochs))
        return images_per_second(Progress(tuple(records)))

    assert math.isnan(rate())
    assert rate((60.0, True)) == 10  # nothing else is known
    assert rate((60.0, True), (2.0, False)) == 300
    # Cut off and resumed in a second process; another epoch was disturbed.
    assert rate((60.0, True), (2.0, False), (60.0, True), (6.0, False), (2.0, False)) == 300


def test_the_same_cell_twice_is_the_same_bit_for_bit(tmp_path):
    one, _ = fitted(tmp_path / "a")
    two, _ = fitted(tmp_path / "b")
    assert same(state(one), state(two))


@pytest.mark.parametrize("stop_after_steps", [0, 1, 5, 7, 9, 11])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, stop_after_steps):
    expected, whole = fitted(tmp_path / "whole")
    calls = iter(range(10**6))
    with pytest.raises(Interrupted):
        fitted(tmp_path / "cut", should_stop=lambda: next(calls) >= stop_after_steps)
    found = checkpoint.read_progress(tmp_path / "cut")
    before = len(found.history) if found else 0
    resumed, progress = fitted(tmp_path / "cut")
    assert same(state(expected), state(resumed))
    assert [r.train_loss for r in progress.history] == [r.train_loss for r in whole.history]
    first = {1, 1 + before}  # of either process
    assert {r.epoch for r in progress.history if r.warms_up} == first & {r.epoch for r in whole.history}


@pytest.mark.parametrize("kill_at", range(4))
def test_a_kill_inside_the_save_leaves_the_old_or_the_new_checkpoint(tmp_path, monkeypatch, kill_at):
    """Whatever rename the process dies at, training again ends with the same network."""
    from pathlib import Path

    expected, _ = fitted(tmp_path / "whole")
    replace, count = Path.replace, iter(range(10**6))

    class Killed(BaseException):
        pass

    def dying(self, target):
        if next(count) == kill_at:
            raise Killed
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(Killed):
        fitted(tmp_path / "cut")
    monkeypatch.undo()
    resumed, _ = fitted(tmp_path / "cut")
    assert same(state(expected), state(resumed))


def test_a_damaged_checkpoint_is_not_used(tmp_path):
    expected, _ = fitted(tmp_path / "whole")
    fitted(tmp_path / "cut", spec(epochs=2))
    last = tmp_path / "cut" / checkpoint.LAST
    last.write_bytes(last.read_bytes()[:100])
    resumed, _ = fitted(tmp_path / "cut")
    assert same(state(expected), state(resumed))


def test_early_stopping_waits_for_patience(tmp_path):
    _, progress = fitted(tmp_path, spec(epochs=50, patience=2, learning_rate=1e-7))
    assert len(progress.history) == progress.best_epoch + 2 < 50


def test_a_loss_that_is_not_finite_fails_the_cell(tmp_path):
    def broken(logits, targets):
        return logits.sum(dim=1) * float("nan")

    with pytest.raises(CellError, match=r"loss was nan in step 1 of epoch 1\..*halving the learning rate had not"):
        fitted(tmp_path, remedy=Remedy(loss=broken))


@pytest.mark.parametrize("share", [1.5, -0.5, math.nan])
def test_a_share_that_is_none_fails_the_cell_before_a_loss_is_blamed(tmp_path, share):
    remedy = Remedy("theirs", mix=lambda images, targets, *others: (images, torch.full((len(images),), share)))
    with pytest.raises(CellError, match=f"^theirs: mix returned shares from {share} to {share}; "):
        fitted(tmp_path, remedy=remedy)


class Once:
    """A loss that is NaN at one call, or from one call on."""

    def __init__(self, at, always=False):
        self.at, self.always, self.calls = at, always, 0

    def __call__(self, logits, targets):
        self.calls += 1
        wrong = self.calls == self.at or (self.always and self.calls > self.at)
        return cross_entropy(logits, targets) * (math.nan if wrong else 1.0)


@pytest.mark.parametrize("at", [1, 3, 4, 6, 12])
def test_a_loss_that_is_not_finite_once_is_gone_back_from_at_half_the_rate(tmp_path, at):
    _, progress = fitted(tmp_path, remedy=Remedy(loss=Once(at)))
    epoch, step = (at - 1) // 4 + 1, (at - 1) % 4 + 1
    assert len(progress.history) == 3
    (note,) = progress.notes
    assert note.startswith(f"The training loss was nan in step {step} of epoch {epoch}. Training went back to epoch")
    assert note.endswith(f"epoch {epoch - 1} and on at half the learning rate.")
    _, whole = fitted(tmp_path / "whole")
    for record, usual in zip(progress.history, whole.history, strict=True):
        half = record.epoch >= epoch
        assert record.learning_rate == pytest.approx(usual.learning_rate * (0.5 if half else 1.0))
        assert math.isfinite(record.train_loss)
        assert (record.train_loss == usual.train_loss) == (not half)


def test_a_loss_that_stays_infinite_fails_the_cell_and_names_the_step(tmp_path):
    with pytest.raises(CellError, match="loss was nan in step 1 of epoch 2"):
        fitted(tmp_path, remedy=Remedy(loss=Once(6, always=True)))


def test_a_network_that_becomes_infinite_in_its_last_step_is_noticed_too(tmp_path, monkeypatch):
    step, calls = Optimizer.step, iter(range(10**6))

    def exploding(self, rate):
        step(self, rate)
        if next(calls) == 3:
            with torch.no_grad():
                self.weights[0].value.fill_(math.inf)

    monkeypatch.setattr(Optimizer, "step", exploding)
    _, progress = fitted(tmp_path)
    assert progress.notes[0].startswith("After epoch 1 the network returns NaN or infinite logits")
    assert len(progress.history) == 3


class Hungry(torch.nn.Module):
    """A network that cannot hold more than `most` train images."""

    def __init__(self, network, most, error):
        super().__init__()
        self.network, self.most, self.error = network, most, error

    def forward(self, images):
        if self.training and len(images) > self.most:
            raise self.error
        return self.network(images)


def hungry(folder, most, error, specification=None, splits=1):
    specification = specification or spec()
    store, labels = images()
    network, _ = build_network(Blueprint(TOY, specification.model.parameters, 3, 16), Weights("none"), seed=7)
    model = Hungry(network, most, error)
    if splits > 1:  # as a training that has found out before
        learner = make_learner(model, specification.training, torch.device("cpu"))
        progress = dataclasses.replace(Progress(), splits=splits)
        record = run_epoch(learner, specification, task(labels), stage(store), progress)
        checkpoint.save(folder, learner, dataclasses.replace(progress, history=(record,), best_epoch=1))
    progress = train(model, specification, task(labels), stage(store), folder, lambda record: None)
    return network, progress


ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:125] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("most", "splits"), [(15, 1), (8, 2), (7, 4), (4, 4)])
def test_where_memory_runs_out_batches_are_computed_in_parts(tmp_path, error, most, splits):
    """And the result is that of a training which had begun with these parts."""
    network, progress = hungry(tmp_path / "found", most, error)
    assert progress.splits == splits
    assert len(progress.notes) == int(math.log2(splits))
    assert all("parts" in note for note in progress.notes)
    direct, known = hungry(tmp_path / "known", most, error, splits=splits)
    assert known.splits == splits
    assert same(state(network), state(direct))


def test_parts_make_the_same_gradient_without_batch_normalisation(tmp_path):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 3))
    store, labels = images()
    ends = []
    for splits in (1, 4):
        learner = make_learner(copy.deepcopy(model), spec().training, torch.device("cpu"))
        run_epoch(learner, spec(), task(labels), stage(store), Progress(splits=splits))
        ends.append(state(learner.network))
    for name in ends[0]:
        torch.testing.assert_close(ends[0][name], ends[1][name], rtol=1e-3, atol=1e-5)


def test_memory_that_holds_not_even_two_images_fails_the_cell(tmp_path):
    with pytest.raises(CellError, match="Memory ran out with 2 images at a time"):
        hungry(tmp_path, 1, MemoryError())


def test_another_error_is_not_taken_for_want_of_memory(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"):
        hungry(tmp_path, 1, RuntimeError("shapes do not match"))


@given(n=st.integers(2, 400), splits=st.sampled_from([1, 2, 4, 8, 16]))
def test_parts_cover_a_batch_and_none_holds_a_single_image(n, splits):
    parts = parts_of(10, 10 + n, splits)
    assert parts[0][0] == 10
    assert parts[-1][1] == 10 + n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert min(end - begin for begin, end in parts) >= 2
    assert len(parts) <= splits or n < 2 * splits


def test_a_frozen_backbone_stays_as_it_is_while_the_head_learns(tmp_path):
    before, _ = build_network(Blueprint(TOY, spec().model.parameters, 3, 16), Weights("none"), seed=7)
    frozen, _ = fitted(tmp_path / "a", spec(epochs=2, freeze_epochs=2), head=("8",))
    for name, tensor in state(frozen).items():
        assert torch.equal(tensor, before.state_dict()[name]) == (not name.startswith("8.")), name
    thawed, _ = fitted(tmp_path / "b", spec(epochs=2, freeze_epochs=1, patience=9, learning_rate=0.05), head=("8",))
    assert not torch.equal(state(thawed)["0.weight"], before.state_dict()["0.weight"])
    assert all(parameter.requires_grad for parameter in thawed.parameters())


def test_gradients_are_clipped_to_their_norm(tmp_path):
    """With plain gradient descent's first step the length of the step is the rate times the norm (and momentum)."""
    store, labels = images()
    model, _ = build_network(Blueprint(TOY, spec().model.parameters, 3, 16), Weights("none"), seed=7)
    specification = spec(
        optimizer="sgd", weight_decay=0.0, gradient_clip=1e-3, schedule="constant", warmup=0.0, batch_size=60
    )
    learner = make_learner(model, specification.training, torch.device("cpu"))
    before = [parameter.detach().clone() for parameter in learner.network.parameters()]
    run_epoch(learner, specification, task(labels), stage(store), Progress())
    moved = [a.detach() - b for a, b in zip(learner.network.parameters(), before, strict=True)]
    length = torch.cat([one.flatten() for one in moved]).norm()
    assert float(length) == pytest.approx(1e-3 * 1e-2 * 1.9, rel=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "gradient_clip": 1.0},
        {"schedule": "one-cycle", "label_smoothing": 0.1},
        {"schedule": "plateau", "plateau_patience": 0},
        {"ema": 0.9},
        {"freeze_epochs": 1, "backbone_rate": 0.1},
    ],
    ids=str,
)
def test_every_way_of_training_resumes_bit_for_bit(tmp_path, changes):
    specification = spec(epochs=4, **changes)
    expected, whole = fitted(tmp_path / "whole", specification, head=("8",))
    for stop_after in (3, 6, 13):
        countdown = iter([False] * stop_after)
        stop = functools.partial(next, countdown, True)
        with pytest.raises(Interrupted):
            fitted(tmp_path / "cut", specification, should_stop=stop, head=("8",))
    resumed, progress = fitted(tmp_path / "cut", specification, head=("8",))
    assert same(state(expected), state(resumed))
    assert [r.train_loss for r in progress.history] == [r.train_loss for r in whole.history]
    plain, _ = fitted(tmp_path / "plain", spec(epochs=4))
    assert not same(state(plain), state(resumed))


def test_every_epoch_is_reported(tmp_path):
    seen = []
    fitted(tmp_path, on_epoch=seen.append)
    assert [record.epoch for record in seen] == [1, 2, 3]


@given(n=st.integers(2, 5000), batch_size=st.integers(2, 300))
def test_batches_cover_all_draws_and_none_holds_a_single_image(n, batch_size):
    bounds = batch_bounds(n, batch_size)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    sizes = [end - begin for begin, end in bounds]
    assert min(sizes) >= 2
    assert max(sizes) <= max(batch_size, 3)
    assert max(sizes) - min(sizes) <= 1


def test_predictions_do_not_depend_on_the_batch_size(tmp_path):
    model, _ = fitted(tmp_path)
    store, _ = images()
    rows = np.arange(20)
    one = predict_logits(model, stage(store), rows, batch_size=20)
    two = predict_logits(model, stage(store), rows, batch_size=3)
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_training_loss_is_the_mean_over_images(tmp_path):
    """With a rate of practically nothing and no dropout the loss is that of the initial network."""
    specification = spec(epochs=1, learning_rate=1e-12, augment="none", weight_decay=0.0)
    _, progress = fitted(tmp_path, specification, transform=_plain())
    assert math.isfinite(progress.history[0].train_loss)
    assert progress.history[0].train_loss == pytest.approx(math.log(3), abs=0.3)


def _plain():
    from skineval.train.augment import make_transform
    from tests.train.toys import MEAN, STD

    return make_transform("none", MEAN, STD, torch.device("cpu"))
