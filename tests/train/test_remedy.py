"""What a strategy does to an epoch, and what it must not return."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import normalize

from skineval.base.errors import CellError
from skineval.train.cosine import CosineHead
from skineval.train.course import ROUNDING, Course
from skineval.train.deciding import cool, make_cosine, make_linear, shift
from skineval.train.neighbours import NearestNeighbours
from skineval.train.remedy import Remedy, shares
from tests.train.toys import stage, task

LABELS = np.repeat([0, 1, 2], [60, 20, 10])
STORE = np.broadcast_to(np.arange(90, dtype=np.uint8)[:, None, None, None], (90, 4, 4, 3)).copy()  # each knows its row


def course(remedy, seed=1, epoch=1):
    return Course.drawn(task(LABELS, train=np.arange(30, 90)), remedy, seed, epoch, stage(STORE))


def test_weighted_draws_balance_the_epoch():
    weights = np.where(LABELS[30:] == 0, 1 / 30, 1 / 15)
    drawn = course(Remedy(draw_weights=weights)).images
    assert len(drawn) == 60
    assert 0.15 < float((drawn.targets == 0).float().mean()) < 0.5
    assert set(drawn.rows.tolist()) <= set(range(30, 90))


def test_plain_draws_are_a_permutation_of_the_train_part():
    assert sorted(course(Remedy()).images.rows.tolist()) == list(range(30, 90))


def test_an_epoch_goes_over_what_is_drawn_in_any_order():
    drawn = course(Remedy(draw=lambda seed: np.array([0, 0, 5, 59]))).images
    assert sorted(drawn.rows.tolist()) == [30, 30, 35, 89]
    assert drawn.targets.tolist() == LABELS[drawn.rows].tolist()


@pytest.mark.parametrize(
    ("remedy", "message"),
    [
        (Remedy(draw=lambda seed: None), r"draw returned None; an array \(m,\) of two or more positions from 0 to 59"),
        (Remedy(draw=lambda seed: np.array([0, 60])), r"draw returned int64 \(2,\) from 0 to 60; an array"),
        (Remedy(draw=lambda seed: np.array([0.5, 1.0])), "draw returned float64"),
        (Remedy(draw=lambda seed: np.array([3])), r"draw returned int64 \(1,\) from 3 to 3; an array"),
        (Remedy(draw_weights=np.ones(90)), r"draw_weights returned float64 \(90,\) .*; an array \(60,\), for each"),
        (Remedy(draw_weights=np.zeros(60)), "for some one above 0"),
        (Remedy(draw_weights=np.ones(60, dtype=complex)), r"returned complex128 \(60,\) from .* finite number >= 0"),
        (Remedy(draw_weights=np.full(60, np.nan)), "from nan to nan; .* finite"),
        (Remedy(draw_weights=np.ones(60).astype(object)), r"draw_weights returned object \(60,\)"),
        (Remedy(mix=lambda *given: given[:2], partner_weights=-np.ones(60)), "partner_weights returned"),
    ],
)
def test_what_cannot_be_gone_over_is_refused(remedy, message):
    with pytest.raises(CellError, match=f"^none: .*{message}"):
        course(remedy)


BATCH = r"float32 \(8, 3, 4, 4\)"


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "None"),
        (torch.zeros(8, 7), r"float32 \(8, 7\) from 0 to 0"),
        (torch.zeros(8, 3, 4, 4, dtype=torch.int64), r"int64 \(8, 3, 4, 4\) from 0 to 0"),
        (np.zeros((8, 3, 4, 4), np.float32), BATCH + " from 0 to 0"),  # of numpy, which no network takes
        (torch.zeros(8, 3, 4, 4, device="meta"), BATCH + " on meta"),
        ((torch.zeros(8, 3, 4, 4), None), rf"\({BATCH} from 0 to 0, None\)"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(returned, message):
    with pytest.raises(CellError, match=f"^theirs: augment returned {message}; {BATCH} is expected"):
        course(Remedy("theirs", augment=lambda images, targets, draws: returned)).batch(slice(0, 8))
    with pytest.raises(
        CellError, match=rf"^theirs: mix returned {message}; a pair of {BATCH} and, from 0 to 1, float32 "
    ):
        course(Remedy("theirs", mix=lambda *given: returned)).batch(slice(0, 8))


@pytest.mark.parametrize("share", [torch.ones(1), np.ones(8), 0.5, torch.ones(8, 7), torch.ones(8, dtype=torch.int64)])
def test_what_is_no_share_for_each_image_is_refused(share):
    with pytest.raises(CellError, match=r"mix returned .*; a pair of .* float32 \(8,\) is expected"):
        course(Remedy(mix=lambda images, *others: (images, share))).batch(slice(0, 8))


def test_images_come_back_in_the_dtype_that_the_network_has():
    images, _ = course(Remedy(augment=lambda images, *others: images.double())).batch(slice(0, 8))
    assert images.dtype == torch.float32


def test_partners_come_with_their_own_targets_and_are_drawn_as_they_weigh():
    seen = []

    def mix(images, targets, others, other_targets, draws):
        seen.append((targets, other_targets, draws))
        return torch.lerp(images, others, 0.25), torch.full((len(images),), 0.75)

    rare = np.where(LABELS[30:] == 2, 1.0, 0.0)
    images, labels = course(Remedy(mix=mix, partner_weights=rare)).batch(slice(10, 20))
    ((targets, other_targets, draws),) = seen
    assert set(other_targets.tolist()) == {2}
    assert draws.shape == (10, 8)
    assert labels.own.tolist() == targets.tolist()
    assert labels.other.tolist() == other_targets.tolist()
    assert images.shape == (10, 3, 4, 4)


@given(st.lists(st.one_of(st.floats(-0.5, 1.5, width=32), st.just(float("nan"))), min_size=2, max_size=12))
def test_shares_of_mixed_images_are_from_0_to_1(shares):
    """Others would train on labels that nobody gave, and only NaN would be seen in the loss."""
    left = list(shares)
    mix = lambda images, *others: (images, torch.tensor([left.pop(0) for _ in images]))  # noqa: E731
    drawn = course(Remedy("theirs", mix=mix))
    drawn.check()  # nothing has been mixed
    drawn.batch(slice(0, len(shares) // 2))
    drawn.batch(slice(0, len(left)))
    if all(-ROUNDING <= share <= 1 + ROUNDING for share in shares):
        drawn.check()
    else:
        with pytest.raises(
            CellError, match=r"^theirs: mix returned shares from \S+ to \S+; .* from 0 to 1, is expected"
        ):
            drawn.check()


def test_parts_of_a_batch_are_what_they_are_in_the_whole():
    """Where memory runs out a batch is cut, and nothing else changes."""
    remedy = Remedy(
        augment=lambda images, targets, draws: images + draws[:, :1, None, None],
        mix=lambda images, targets, others, theirs, draws: (images + others * draws[:, :1, None, None], draws[:, 1]),
    )
    whole, labels = course(remedy).batch(slice(0, 12))
    parts = [course(remedy).batch(part) for part in (slice(0, 5), slice(5, 12))]
    torch.testing.assert_close(torch.cat([images for images, _ in parts]), whole)
    torch.testing.assert_close(torch.cat([part.share for _, part in parts]), labels.share)
    again, _ = course(remedy, epoch=2).batch(slice(0, 12))
    assert not torch.equal(again, whole)


def test_logits_of_a_head_of_cosines_are_scaled_cosines():
    head = CosineHead(5, 3, 30.0)
    embeddings = torch.randn(7, 5)
    expected = 30 * normalize(embeddings) @ normalize(head.weight).T
    torch.testing.assert_close(head(embeddings), expected)
    torch.testing.assert_close(head(embeddings * 4), expected)
    assert [name for name, _ in head.named_parameters()] == ["weight"]


HEADS = {
    "linear": lambda: nn.Linear(5, 3),
    "cosine": lambda: CosineHead(5, 3, 30.0),
    "neighbours": lambda: NearestNeighbours(torch.randn(20, 5), torch.arange(20) % 3, torch.ones(20), 3, k=4),
}


@pytest.mark.parametrize("kind", HEADS)
def test_logits_are_shifted_and_cooled(kind):
    head, embeddings = HEADS[kind](), torch.randn(7, 5)
    before = head(embeddings).detach()
    shift(head, torch.tensor([1.0, 0.0, -1.0]))
    cool(head, 2.0)
    torch.testing.assert_close(head(embeddings).detach(), (before + torch.tensor([1.0, 0.0, -1.0])) / 2)


def test_one_head_takes_the_place_of_another():
    network = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    vectors = network[1].weight.detach().clone()
    make_cosine(network, network[1], 30.0)
    assert isinstance(network[1], CosineHead)
    torch.testing.assert_close(network[1].weight.detach(), vectors)
    plain = make_linear(network, network[1])
    assert network[1] is plain
    assert type(plain) is nn.Linear
    assert make_linear(network, plain) is plain


def test_shares_are_of_numbers_however_large_and_of_nothing_else():
    np.testing.assert_allclose(shares([1e308, 1e308, 0], 3, "head_weights"), [0.5, 0.5, 0])
    for wrong in (None, "many", [[1, 2, 3]], [1, 2], [1, -1, 1], [True, True, False]):
        with pytest.raises(
            CellError, match=r"head_weights returned .*; an array \(3,\), for each train image a finite number >= 0"
        ):
            shares(wrong, 3, "head_weights")


def test_what_changes_targets_in_place_changes_no_label():
    def in_place(images, targets, *others):
        targets.zero_()
        return images if len(others) == 1 else (images, torch.ones(len(images)))

    images, targets, draws = torch.rand(4, 3, 2, 2), torch.arange(4), torch.rand(4, 8)
    Remedy(augment=in_place).augmented(images, targets, draws)
    Remedy(mix=in_place).mixed(images, targets, images, targets, draws)
    assert targets.tolist() == [0, 1, 2, 3]
