"""The skineval tutorial plugin: one architecture, one imbalance strategy, one explainer."""

import skineval


def build(num_classes, *, weights, width):
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, width, 5, stride=4, padding=2),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, num_classes),
    )


@skineval.hookimpl
def skineval_register_architectures():
    width = skineval.Parameter(16, "Channels of the first layer.", minimum=1)
    yield skineval.Architecture(
        "tutorial-cnn", build, "Two convolutions and a linear head.", parameters={"width": width}
    )


def square_root_draws(labels):
    import numpy as np

    return np.bincount(labels)[labels] ** -0.5


@skineval.hookimpl
def skineval_register_imbalance():
    yield skineval.ImbalanceStrategy(
        "sqrt-oversample", "Draw images by the inverse square root of their class.", draw_weights=square_root_draws
    )


def saliency(model, images, targets, *, architecture):
    images = images.clone().requires_grad_(True)
    model(images).gather(1, targets[:, None]).sum().backward()
    return images.grad.abs().amax(dim=1)


@skineval.hookimpl
def skineval_register_explainers():
    yield skineval.Explainer("saliency", saliency, "Absolute gradient of the predicted logit.")
