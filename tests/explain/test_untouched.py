"""What an explainer leaves in a network is told, and taken out again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skineval.base.errors import CellError
from skineval.catalog.specs import Explainer
from skineval.explain.panels import Explaining, Network
from skineval.explain.untouched import untouched
from skineval.values.runspec import Selection
from tests.train.toys import TOY


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def hooked(model):
    model[2].register_forward_hook(lambda module, given, made: made * 0)


def mistrained(model):
    model.train()(torch.rand(2, 3, 8, 8))  # moves the statistics of the batch norm


def weighed(model):
    with torch.no_grad():
        model[0].weight.data.mul_(2)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(hooked, "left a hook in the network, in its ReLU"), (mistrained, "1.running_mean"), (weighed, "0.weight")],
)
def test_what_is_changed_is_told_and_put_back(spoil, words):
    model, images = network(), torch.rand(2, 3, 8, 8)
    before = model(images)

    def attribute(model, images, targets, *, architecture):
        spoil(model)
        return torch.zeros(len(images), 8, 8)

    explaining = Explaining(Selection("own"), Explainer("own", attribute, "Spoils it."))
    with pytest.raises(CellError, match=words):
        explaining.maps(Network(TOY, model), images, torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(model.eval()(images), before)


def test_hooks_that_were_there_stay_and_an_error_is_the_explainers_own():
    model = network()
    handle = model[0].register_forward_hook(lambda module, given, made: None)

    def fail():
        with untouched(model):
            hooked(model)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(model[0]._forward_hooks) == [handle.id]
    assert not model[2]._forward_hooks
