"""The skineval tutorial plugin: an architecture, an imbalance strategy for each place, an explainer."""

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


def squared_error(counts):
    """On the loss: the Brier score in place of cross-entropy."""

    def loss(logits, targets):
        import torch

        hot = torch.nn.functional.one_hot(targets, logits.shape[1])
        return (logits.softmax(dim=1) - hot).square().sum(dim=1)

    return loss


def square_root_draws(labels):
    """On the sampler: how often each train image is drawn."""
    import numpy as np

    return np.bincount(labels)[labels] ** -0.5


def halved(embeddings, labels, *, seed):
    """On the head: of the largest class every other embedding stays, in random order."""
    import numpy as np

    largest = np.flatnonzero(labels == np.bincount(labels).argmax())
    left = np.random.default_rng(seed).permutation(largest)[: len(largest) // 2]
    kept = np.setdiff1d(np.arange(len(labels)), left)
    return embeddings[kept], labels[kept]


def rare_first(counts, *, bonus):
    """On the logits: a bonus for the rarest class that has train images."""
    import numpy as np

    return np.where(counts == counts[counts > 0].min(), bonus, 0.0)


@skineval.hookimpl
def skineval_register_imbalance():
    bonus = skineval.Parameter(1.0, "What is added.", minimum=0.0, tried=(0.0, 0.5, 1.0, 2.0))
    for name, summary, acts in (
        ("brier", "Train the Brier score.", {"loss": squared_error}),
        ("sqrt-oversample", "Draw by the inverse square root of the class.", {"draw_weights": square_root_draws}),
        ("halve", "Refit the head on half of the largest class.", {"resample": halved}),
        ("rare-first", "Add a bonus for the rarest class.", {"adjust": rare_first, "parameters": {"bonus": bonus}}),
    ):
        yield skineval.ImbalanceStrategy(name, summary, **acts)


def plain_gradient(model, images, targets, *, architecture):
    images = images.clone().requires_grad_(True)
    model(images).gather(1, targets[:, None]).sum().backward()
    return images.grad.abs().amax(dim=1)


@skineval.hookimpl
def skineval_register_explainers():
    yield skineval.Explainer("plain-gradient", plain_gradient, "Absolute gradient of the predicted logit.")
