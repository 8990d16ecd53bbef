"""The training loop of every tutorial, as it stands there and tuned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.case import Setting
from benchmarks.speed.loaders import moved, torchvision_loader, words
from benchmarks.speed.side import Side, Turn, autocast, parameters, precision_words, timed

PLAIN, TUNED = "tutorial loop", "tutorial loop, tuned"
#: What the loop of skineval should at least be, over each, by its own precision.
WANTED = {"bf16": {PLAIN: 2.0, TUNED: 1.25}, "fp32": {PLAIN: 1.25, TUNED: 1.0}}


def make_tutorial(setting: Setting, *, tuned: bool) -> Side:
    """torch's basic loop: float32 and contiguous; tuned: in skineval's precision and in channels_last."""
    memory_format = torch.channels_last if tuned else torch.contiguous_format
    precision = setting.precision if tuned else "fp32"
    network = setting.build().to(memory_format=memory_format)
    optimizer = torch.optim.Adam(parameters(network), lr=1e-4)
    criterion = nn.CrossEntropyLoss()
    loader = torchvision_loader(setting)

    def step(images: Tensor, targets: Tensor) -> None:
        images = images.to(memory_format=memory_format)
        optimizer.zero_grad()
        with autocast(setting.device, precision):
            loss = criterion(network(images), targets)
        loss.backward()
        optimizer.step()
        loss.item()  # every tutorial adds up the loss of each step

    def turn() -> Turn:
        network.train()
        return timed(step, moved(loader, setting.device), setting.device)

    name = TUNED if tuned else PLAIN
    return Side(
        name, precision_words(precision, tuned), words(setting.components), turn, WANTED[setting.precision][name]
    )
