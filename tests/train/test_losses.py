"""Losses: smoothing is torch's, mixing is a mean of two."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import CellError
from skineval.train.losses import Labels, cross_entropy, of_labels, per_image, smoothed

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 1, 2, 3, 0, 1])
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])


def weighted(logits, targets):
    return F.cross_entropy(logits, targets, weight=WEIGHTS, reduction="none")


@settings(deadline=None)
@given(share=st.floats(0, 0.99))
def test_smoothing_is_that_of_torch(share):
    for loss, weight in ((cross_entropy, None), (weighted, WEIGHTS)):
        expected = F.cross_entropy(LOGITS, TARGETS, weight=weight, label_smoothing=share, reduction="none")
        torch.testing.assert_close(smoothed(loss, share)(LOGITS, TARGETS), expected)


def test_without_smoothing_the_loss_is_itself():
    assert smoothed(weighted, 0.0) is weighted


def test_a_mixed_image_has_the_losses_of_both_labels():
    partner, share = torch.tensor([1, 2, 3, 4, 5, 0]), torch.tensor([1.0, 0.0, 0.5, 0.25, 0.75, 1.0])
    found = of_labels(weighted, LOGITS, Labels(TARGETS, TARGETS[partner], share))
    for place in range(6):
        own = weighted(LOGITS[[place]], TARGETS[[place]])
        other = weighted(LOGITS[[place]], TARGETS[partner[place]].view(1))
        assert float(found[place]) == pytest.approx(float(share[place] * own + (1 - share[place]) * other))


def test_mixing_plain_cross_entropy_is_that_of_soft_targets():
    partner, share = torch.arange(6).roll(1), torch.linspace(0, 1, 6)
    soft = share[:, None] * F.one_hot(TARGETS, 4) + (1 - share)[:, None] * F.one_hot(TARGETS[partner], 4)
    found = of_labels(cross_entropy, LOGITS, Labels(TARGETS, TARGETS[partner], share))
    torch.testing.assert_close(found, F.cross_entropy(LOGITS, soft, reduction="none"))


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "None"),
        (torch.tensor(1.0), r"float32 \(\) from 1 to 1"),
        (torch.ones(1), r"float32 \(1,\) from 1 to 1"),
        (torch.ones(4, 3), r"float32 \(4, 3\) .*"),
        (torch.ones(4, 1), r"float32 \(4, 1\) .*"),
        (torch.arange(4), r"int64 \(4,\) from 0 to 3"),
    ],
)
def test_a_loss_that_is_not_one_number_an_image_is_refused(returned, said):
    """torch would spread, or sum up, whatever it is."""
    loss = per_image(lambda logits, targets: returned, "theirs: loss")
    expected = r"a loss for each image, float32 \(4,\), is expected"
    with pytest.raises(CellError, match=f"^theirs: loss returned {said}; {expected}"):
        loss(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))


def test_a_loss_that_does_not_depend_on_the_logits_is_refused():
    loss = per_image(lambda logits, targets: logits.detach().sum(dim=1), "theirs: loss")
    with pytest.raises(CellError, match=r"theirs: loss returned .* so that it has a gradient"):
        loss(torch.zeros(4, 3, requires_grad=True), torch.zeros(4, dtype=torch.int64))
