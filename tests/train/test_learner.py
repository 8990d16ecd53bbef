"""The running average of weights: torch's, and what it does in its first steps."""

from __future__ import annotations

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from skineval.train.learner import Average
from tests.train.toys import TOY


def stepped(model, step):
    """Change every weight, and the running statistics, a little."""
    torch.manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.train()(torch.rand(4, 3, 16, 16))


def test_it_is_that_of_torch():
    torch.manual_seed(0)
    model = TOY.build(3, weights=None)
    average = Average(model, 0.9)
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    reference.update_parameters(model)  # the first update of torch's copies
    for step in range(200, 220):  # past the beginning, where ours forgets faster
        stepped(model, step)
        average.update(step)
        reference.update_parameters(model)
    expected = reference.module.state_dict()
    for name, tensor in average.network.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6)
    assert int(average.network.state_dict()["1.num_batches_tracked"]) == 20


def test_the_first_steps_forget_the_random_weights():
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(100.0)
    average = Average(model, 0.999)
    model.weight.data.zero_()
    for step in range(60):
        average.update(step)
    assert float(average.network.weight) < 0.02


def test_the_average_of_what_does_not_change_is_that():
    model = TOY.build(3, weights=None)
    average = Average(model, 0.99)
    for step in range(10):
        average.update(step)
    for name, tensor in average.network.state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[name])


def test_the_average_is_not_trained_itself():
    average = Average(TOY.build(3, weights=None), 0.99)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert not average.network.training
