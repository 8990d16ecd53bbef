"""What a network is asked about maps: batch by batch, and what maps that turn or do not care make of the scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from skineval.base.errors import Interrupted
from skineval.catalog.specs import Explainer
from skineval.explain.asked import Asked
from skineval.explain.ledger import Ledger
from skineval.explain.panels import Explaining, Seen
from skineval.explain.rating import GROUPS, rate
from skineval.explain.target import Target
from skineval.train.augment import normaliser
from skineval.train.predict import Stage
from skineval.values.runspec import Selection
from tests.measure.samples import classifier, softmax
from tests.train.toys import MEAN, STD, TOY

SIDE = 8
TEST = classifier(3, images_per_lesion=2)


def asked(target="predicted", against=""):
    """A linear network, and images of noise; nobody has drawn their masks."""
    torch.manual_seed(0)
    device = torch.device("cpu")
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, len(TEST.classes)))
    images = torch.randint(256, (len(TEST) + 2, SIDE, SIDE, 3), dtype=torch.uint8)
    stage = Stage(images, device, "fp32", normaliser(MEAN, STD, device))
    seen = Seen(TOY, network, stage, TEST, np.arange(len(TEST))[::-1].copy() + 2, lambda image_ids, side: None)
    return Asked(seen, Target(target, against))


def explainer(attribute, *, several=False):
    return Explaining(Selection("own"), Explainer("own", attribute, "Its own.", several=several))


def test_batches_are_of_the_images_and_classes_in_order(monkeypatch):
    monkeypatch.setattr("skineval.train.predict.PIXELS", 2 * SIDE**2)
    about = asked()
    batches = list(about.batches())
    assert [len(one.places) for one in batches] == [2] * (len(TEST) // 2) + [1] * (len(TEST) % 2)
    assert np.concatenate([one.places for one in batches]).tolist() == list(range(len(TEST)))
    pixels = torch.cat([one.pixels for one in batches]).permute(0, 2, 3, 1)
    assert torch.equal(pixels, about.seen.stage.images.float()[about.seen.rows.tolist()])
    targets = torch.cat([one.targets for one in batches]).numpy()
    assert np.array_equal(targets, TEST.probabilities.argmax(axis=1))


@pytest.mark.parametrize("against", ["", "mel"])
def test_probability_is_that_of_the_network(against):
    about = asked("nv", against)
    (batch,) = about.batches()
    network = about.seen.model
    logits = network((batch.pixels / 255 - MEAN[0]) / STD[0]).detach().numpy()
    columns = [TEST.classes.index(name) for name in (("nv", against) if against else TEST.classes)]
    expected = softmax(logits[:, columns])[:, columns.index(TEST.classes.index("nv"))]
    assert about.probability(batch.pixels, batch.targets) == pytest.approx(expected, abs=1e-6)


def test_who_asks_to_stop_is_heard_between_two_passes_of_one_batch():
    about, passes = asked(), []
    network = about.seen.model
    stopping = replace(about, seen=replace(about.seen, stage=replace(about.seen.stage, should_stop=lambda: passes[2:])))

    def asks_often(model, images, targets, *, architecture):
        passes.extend(model(images) for _ in range(9))
        return images.mean(dim=1).abs()

    (batch,) = about.batches()
    with pytest.raises(Interrupted):
        stopping.maps(explainer(asks_often), network, batch.pixels, batch.targets)
    assert len(passes) == 3
    assert not network._forward_pre_hooks


def rated(attribute, *groups, several=False):
    """What these groups of scores make of an explainer, and of its controls, by name."""
    found = rate(
        asked(), [explainer(attribute, several=several)], nn.Identity(), groups, lambda done, total: None, Ledger()
    )
    return {one.name: one for one in found}


def test_maps_that_turn_with_the_image_are_stable_and_those_that_stay_are_not():
    fixed = torch.arange(64.0).view(1, SIDE, SIDE)
    turning = rated(lambda model, images, targets, *, architecture: images.mean(dim=1) + 5, "stability")
    staying = rated(lambda model, images, targets, *, architecture: fixed.repeat(len(images), 1, 1), "stability")
    assert turning.keys() == staying.keys() == {"own"}
    assert turning["own"].scores["mirrored"] == pytest.approx(1)
    assert staying["own"].scores["mirrored"] == pytest.approx(np.corrcoef(fixed.ravel(), fixed.flip(2).ravel())[0, 1])
    assert turning["own"].scores["noisy"] == pytest.approx(1, abs=0.02)
    assert staying["own"].scores["noisy"] == pytest.approx(1)


def test_a_map_of_another_class_is_another_one_and_one_that_knows_no_network_rises_to_nothing():
    seen = []

    def of_class(model, images, targets, *, architecture):
        seen.append(targets.tolist())
        return nn.functional.one_hot(targets % SIDE, SIDE)[:, None].expand(-1, SIDE, -1).float()

    found = rated(of_class, "sanity")
    assert list(found) == ["own", "own (untrained)"]
    own, other, twin = (np.array(one) for one in seen)
    assert (own != other).all()
    assert np.array_equal(own, twin)
    assert (found["own"].scores["random_logit"] < 0.9).all()
    assert found["own"].scores["complexity_rise"] == pytest.approx(0)


def test_maps_of_two_classes_at_once_have_the_same_scores_and_are_asked_for_once():
    seen = []

    def of_classes(model, images, targets, *, architecture):
        seen.append(targets.shape[1:])
        brightness = 1 + targets.view(len(images), -1, 1, 1)
        return torch.relu(images[:, :1] * brightness - images[:, 1:2]).view(*targets.shape, SIDE, SIDE)

    groups = ("faithfulness", "sanity", "stability")
    apart, together = rated(of_classes, *groups), rated(of_classes, *groups, several=True)
    assert seen == [()] * 5 + [(2,)] + [()] * 3  # two for stability, and the untrained one of its class alone
    for name, one in together.items():
        for column, values in one.scores.items():
            assert np.array_equal(values, apart[name].scores[column], equal_nan=True)


def test_a_map_that_says_nothing_is_as_faithful_as_noise():
    found = rated(lambda model, images, targets, *, architecture: torch.zeros_like(images[:, 0]), "faithfulness")
    assert list(found) == ["own", "own (untrained)", "centre", "noise"]
    for column in GROUPS["faithfulness"]:
        assert np.array_equal(found["own"].scores[column], found["noise"].scores[column])
        assert not np.array_equal(found["own"].scores[column], found["centre"].scores[column])


def test_scores_do_not_depend_on_how_many_images_are_asked_about_at_a_time(monkeypatch):
    def bright(model, images, targets, *, architecture):
        return torch.relu(images[:, 0] * (1 + targets.view(-1, 1, 1)) - images[:, 1])

    groups = ("faithfulness", "sanity", "stability")
    together = rated(bright, *groups)
    monkeypatch.setattr("skineval.train.predict.PIXELS", 2 * SIDE**2)
    for name, one in rated(bright, *groups).items():
        assert one.scores.keys() == together[name].scores.keys()
        for column, values in one.scores.items():
            assert values == pytest.approx(together[name].scores[column], abs=1e-6, nan_ok=True)
