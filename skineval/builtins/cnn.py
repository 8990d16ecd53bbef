"""A plain convolutional network, to be trained from scratch."""

from __future__ import annotations

from torch import nn


def build_cnn(num_classes: int, *, width: int, dropout: float) -> nn.Sequential:
    """Five 3x3 convolutions with batch normalisation, max-pooling between them; a global mean and a linear head."""
    features: list[nn.Module] = []
    inputs = 3
    for doublings in (0, 1, 2, 3, 3):
        outputs = width * 2**doublings
        if features:
            features.append(nn.MaxPool2d(2))
        features += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(inputs, num_classes)]
    return nn.Sequential(nn.Sequential(*features), *head)
