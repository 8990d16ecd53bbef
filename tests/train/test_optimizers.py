"""Optimizers: bit for bit what torch's classes do, remembered and loaded again without loss."""

from __future__ import annotations

import pytest
import torch

from skineval.train.optimizers import make_optimizer
from skineval.values.runspec import Training
from tests.train.toys import TOY

CLASSES = {
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.01, fused=True),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.01, fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True, fused=True),
}


def training(name, **changes):
    return Training(epochs=1, batch_size=4, learning_rate=0.01, optimizer=name, weight_decay=0.1, **changes)


def network(seed=0):
    torch.manual_seed(seed)
    return TOY.build(3, weights=None).to(memory_format=torch.channels_last)


def backward(model, step):
    generator = torch.Generator().manual_seed(step)
    model.eval()
    logits = model(torch.rand(4, 3, 16, 16, generator=generator))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()


def same(a, b):
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(left == right and torch.equal(one, two) for (left, one), (right, two) in pairs)


@pytest.mark.parametrize("name", CLASSES)
def test_steps_are_those_of_torch(name):
    ours, theirs = network(), network()
    optimizer = make_optimizer(ours, training(name))
    decayed = [p for p in theirs.parameters() if p.ndim > 1]
    exempt = [p for p in theirs.parameters() if p.ndim <= 1]
    reference = CLASSES[name]([{"params": decayed, "weight_decay": 0.1}, {"params": exempt, "weight_decay": 0.0}])
    for step in range(5):
        backward(ours, step)
        backward(theirs, step)
        optimizer.step(0.01)
        reference.step()
        optimizer.zero_grad()
        reference.zero_grad()
    assert same(ours, theirs)


@pytest.mark.parametrize("name", CLASSES)
def test_what_it_remembers_survives(name):
    whole, cut = network(), network()
    one, two = make_optimizer(whole, training(name)), make_optimizer(cut, training(name))
    for step in range(4):
        if step == 2:
            kept = {key: tensor.contiguous().clone() for key, tensor in two.tensors().items()}
            two = make_optimizer(cut, training(name))
            two.load(kept)
        for model, optimizer in ((whole, one), (cut, two)):
            backward(model, step)
            optimizer.step(0.01)
            optimizer.zero_grad()
    assert same(whole, cut)


def test_vectors_are_not_decayed():
    groups = make_optimizer(network(), training("adamw")).groups
    assert [group.decay for group in groups] == [0.1, 0.0]
    assert [{weight.value.ndim for weight in group.weights} for group in groups] == [{2, 4}, {1}]


def test_the_backbone_has_its_own_rate():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = make_optimizer(model, training("sgd", backbone_rate=0.1), head=("8",))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    for group in optimizer.groups:
        object.__setattr__(group, "decay", 0.0)
    optimizer.step(1.0)
    moved = {name: float((before[name] - value).flatten()[0]) for name, value in model.state_dict().items()}
    for name, _ in model.named_parameters():
        distance = moved[name]
        assert distance == pytest.approx(1.9 if name.startswith("8.") else 0.19, rel=1e-4)


def test_weights_without_a_gradient_stay_and_are_not_remembered():
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    optimizer = make_optimizer(model, training("adamw"))
    backward(model, 0)
    optimizer.step(0.01)
    assert torch.equal(model[0].weight, before)
    assert not any(name.endswith("0.weight") for name in optimizer.tensors())


def test_no_optimizer_loads_the_compiler():
    """It takes seconds to import, and a bench has a worker for every job."""
    import subprocess
    import sys

    code = (
        "import sys, torch; from skineval.train.optimizers import *; from skineval.values.runspec import Training;"
        "m = torch.nn.Linear(2, 2); o = make_optimizer(m, Training(1, 1, .1)); m(torch.ones(1, 2)).sum().backward();"
        "o.step(.1); o.zero_grad(); sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
