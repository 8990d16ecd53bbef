"""The bare training step: what it costs in time and in memory is the limit of any loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skineval.base.errors import UsageError
from skineval.train.augment import normaliser
from skineval.train.learner import Learner
from skineval.train.losses import cross_entropy
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import Stage
from skineval.train.weights import NONE, Weights

SIZES = (8, 16, 32, 64, 128, 256)  #: what `auto` may choose; larger batches would want another learning rate
SHARE = {"cpu": 0.5, "mps": 0.5, "cuda": 0.8}  #: of all memory that `auto` may use: on CPUs it is not ours alone
PROBE = 4  #: images whose activations are counted: those of eight without those of four


def bare_step(learner: Learner, stage: Stage, batch_size: int, num_classes: int, rate: float) -> Callable[[], None]:
    """Forward, backward and optimizer on one batch that is already there, in the precision of `stage`.

    The images are the first of the stage, as often as it takes; nothing is augmented.
    """
    places = torch.arange(batch_size) % len(stage.images)
    images = stage.normalise(stage.take(places.to(stage.images.device)))
    targets = torch.arange(batch_size, device=stage.device) % num_classes
    learner.prepare(frozen=False)

    def step() -> None:
        with stage.autocast():
            logits = learner.network(images)
        cross_entropy(logits.float(), targets).mean().backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step(rate)
        learner.optimizer.zero_grad()

    return step


def empty_stage(blueprint: Blueprint, n: int, device: torch.device, precision: str) -> Stage:
    """A stage of `n` black images: a step takes as long on these as on any."""
    architecture, side = blueprint.architecture, blueprint.image_size
    images = torch.zeros(n, side, side, 3, dtype=torch.uint8, device=device)
    return Stage(images, device, precision, normaliser(architecture.mean, architecture.std, device))


def kept_for_backward(network: nn.Module, images: Tensor, stage: Stage) -> int:
    """Bytes that a forward pass of `images` keeps for the backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), stage.autocast():
        network(images)
    return sum(kept.values())


@dataclass(frozen=True)
class Need:
    """Memory that training takes."""

    fixed: int  #: bytes: the network, its gradients and the optimizer's two moments
    an_image: int  #: bytes, for each image of a batch


def memory_need(blueprint: Blueprint, device: torch.device, precision: str) -> Need:
    """What one training step of a network needs, counted on a batch of a few images."""
    network, _ = build_network(blueprint, Weights(NONE), seed=0)
    network = network.to(device).to(memory_format=torch.channels_last).train()
    stage = empty_stage(blueprint, 2 * PROBE, device, precision)
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    images = stage.normalise(stage.take(torch.arange(2 * PROBE, device=device)))
    # What is kept once a batch, weights and in bfloat16 copies of them, is in both.
    activations = kept_for_backward(network, images, stage) - kept_for_backward(network, images[:PROBE], stage)
    if device.type == "cuda":
        torch.cuda.empty_cache()  # whoever asks does not train: this is the memory of others
    # Gradients of activations come and go while these are still there: at most about half as much again.
    return Need(4 * weights, activations * 3 // (2 * PROBE))


def largest_batch(need: Need, memory: int, device: str) -> int:
    """The largest of `SIZES` that a share of `memory` (bytes) holds; raises UsageError for none.

    `memory` is what the images of a bench leave, which lie on a GPU as well.
    """
    room = memory * SHARE[device] - need.fixed
    fitting = [size for size in SIZES if size * need.an_image <= room]
    if not fitting:
        raise UsageError(
            f"--batch-size is auto, but {SIZES[0]} images need {(need.fixed + SIZES[0] * need.an_image) / 1e9:.1f} GB "
            f"and {memory * SHARE[device] / 1e9:.1f} GB may be used.",
            "Use a smaller --image-size or another model.",
        )
    return fitting[-1]
