"""The training loop: learns, resumes bit for bit, stops early, never changes with what does not concern it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skineval.errors import CellError, Interrupted
from skineval.train import checkpoint
from skineval.train.fit import (
    batch_bounds,
    draw_order,
    images_per_second,
    learning_rate,
    make_optimizer,
    train,
)
from skineval.train.network import build_network
from skineval.train.predict import predict_logits
from skineval.train.weights import Weights
from tests.train.toys import TOY, images, spec, stage, task


def fitted(folder, specification=None, should_stop=lambda: False, on_epoch=lambda record: None, **changes):
    specification = specification or spec()
    store, labels = images()
    model, _ = build_network(TOY, specification.model, 3, Weights("none"), 16, seed=7)
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
    assert images_per_second(progress) > 0


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
    resumed, progress = fitted(tmp_path / "cut")
    assert same(state(expected), state(resumed))
    assert [r.train_loss for r in progress.history] == [r.train_loss for r in whole.history]


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

    with pytest.raises(CellError, match="training loss of epoch 1 is nan"):
        fitted(tmp_path, loss=broken)


def test_every_epoch_is_reported(tmp_path):
    seen = []
    fitted(tmp_path, on_epoch=seen.append)
    assert [record.epoch for record in seen] == [1, 2, 3]


def test_weighted_draws_balance_the_epoch():
    labels = np.repeat([0, 1], [990, 10])
    weights = np.where(labels == 0, 1 / 990, 1 / 10)
    drawn = draw_order(task(labels, train=np.arange(1000), draw_weights=weights), seed=1)
    assert len(drawn) == 1000
    assert 0.4 < labels[drawn].mean() < 0.6


def test_plain_draws_are_a_permutation_of_the_train_part():
    train_rows = np.array([5, 3, 8, 1])
    labels = np.zeros(10, dtype=np.int64)
    order = draw_order(task(labels, train=train_rows), seed=3)
    assert sorted(order) == sorted(train_rows)


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


def test_the_learning_rate_warms_up_then_falls_to_zero():
    specification = spec(epochs=10, warmup=2.0, learning_rate=1.0)
    assert learning_rate(specification, 0) == pytest.approx(0.1)
    assert learning_rate(specification, 1) == pytest.approx(0.55)
    assert learning_rate(specification, 2) == pytest.approx(1.0)
    assert learning_rate(specification, 6) == pytest.approx(0.5)
    assert learning_rate(specification, 10) == pytest.approx(0.0)
    assert learning_rate(spec(schedule="constant", learning_rate=1.0), 2.5) == 1.0


def test_the_cosine_is_that_of_torch():
    specification = spec(epochs=10, warmup=0.0, learning_rate=0.3)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for epoch in range(10):
        assert learning_rate(specification, epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_vectors_are_not_decayed():
    model = TOY.build(3, weights=None)
    optimizer = make_optimizer(model, spec())
    decayed, exempt = (group["params"] for group in optimizer.param_groups)
    assert {p.ndim for p in decayed} == {4, 2}
    assert {p.ndim for p in exempt} == {1}


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
