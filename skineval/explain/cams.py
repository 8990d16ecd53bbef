"""Class activation maps: what the maps of a network say for a class, position by position.

One convention for all: maps are read where `find_sites` says, as they are returned there; a map is the ReLU of a
weighted sum of them over channels, enlarged bilinearly to the image; nothing is taken off an image's minimum.

Of several sites, the branches of a hybrid, the sums are added before the ReLU, since what speaks for a class in one
branch and against it in another is no evidence. Each is enlarged first and divided by the number of pixels that stand
for one of its positions: where a branch is pooled and classified linearly, Grad-CAM sums to what it adds to the logit,
at whatever resolution it has seen the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skineval.explain.sites import Site, as_maps, caught, differentiable

#: activations (N, C, h, w), gradients (N, C, h, w) of the score -> what each position says (N, h, w), of either sign
Weigh: TypeAlias = Callable[[Tensor, Tensor], Tensor]
#: logits (N, K) -> (N,), what is explained
Score: TypeAlias = Callable[[Tensor], Tensor]


def class_activation(model: nn.Module, sites: Sequence[Site], images: Tensor, score: Score, weigh: Weigh) -> Tensor:
    """Maps (N, H, W) float32 >= 0 of what speaks for `score`, for normalised images (N, 3, H, W)."""
    return joined(said(model, sites, images, score, weigh), images.shape[-2:])


def said(model: nn.Module, sites: Sequence[Site], images: Tensor, score: Score, weigh: Weigh) -> list[Tensor]:
    """What each position of each site (N, h, w) says for `score`, of either sign, before anything is enlarged."""
    model.eval()
    with differentiable([site.module for site in sites]) as outputs:
        # Of several sites they are defined even for a network whose weights are frozen: the images want gradients.
        explained = score(model(images.detach().requires_grad_(len(sites) > 1)))
        gradients = torch.autograd.grad(explained.sum(), outputs)
    return [
        weigh(_wide(as_maps(output.detach())), _wide(as_maps(gradient)))
        for output, gradient in zip(outputs, gradients, strict=True)
    ]


def joined(parts: Sequence[Tensor], size: torch.Size) -> Tensor:
    """Maps (N, H, W) float32 >= 0 of what the positions of each site say, (N, h, w)."""
    if len(parts) == 1:
        return enlarged(F.relu(parts[0]), size).float()
    shares = [enlarged(one, size) * (one[0].numel() / size.numel()) for one in parts]
    return F.relu(torch.stack(shares).sum(dim=0)).float()


def enlarged(maps: Tensor, size: torch.Size) -> Tensor:
    """(N, H, W) of maps (N, h, w)."""
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def logit_of(targets: Tensor) -> Score:
    """The logit of each image's target (N,)."""
    return lambda logits: logits.gather(1, targets.view(-1, 1))[:, 0]


def contrast_of(targets: Tensor, strength: float, references: int) -> Score:
    """The logit of the target less `strength` times the mean of those nearest to it.

    Finer-CAM (Zhang et al., CVPR 2025, arXiv 2501.11309): y_c - gamma y_d, of several d their mean; those classes are
    references whose logits are nearest to the target's.
    """

    def contrast(logits: Tensor) -> Tensor:
        own = logits.gather(1, targets.view(-1, 1))
        distance = (logits - own).detach().abs().scatter(1, targets.view(-1, 1), torch.inf)
        nearest = distance.argsort(dim=1, stable=True)[:, : min(references, logits.shape[1] - 1)]
        return own[:, 0] - strength * logits.gather(1, nearest).mean(dim=1)

    return contrast


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Each channel by the spatial mean of its gradient: Grad-CAM (Selvaraju et al., ICCV 2017, equations 1 and 2)."""
    return (gradients.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1)


def gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Each channel by its positive gradients, weighed as if the score were an exponential one.

    Grad-CAM++ (Chattopadhay et al., WACV 2018, equations 5 and 10, for exp(score)): its second and third derivatives
    are powers of the gradient, and the exponential itself scales the whole map.
    """
    squared = gradients**2
    below = 2 * squared + gradients**3 * activations.sum(dim=(2, 3), keepdim=True)
    alpha = torch.where(below != 0, squared / torch.where(below != 0, below, 1), 0)
    return ((alpha * F.relu(gradients)).sum(dim=(2, 3), keepdim=True) * activations).sum(dim=1)


def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Each position by its own gradient: HiResCAM (Draelos, Carin, arXiv 2011.08891, section 3.2)."""
    return (gradients * activations).sum(dim=1)


def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Each position by its own positive gradient: LayerCAM (Jiang et al., IEEE TIP 30, 2021, equations 5 and 6)."""
    return (F.relu(gradients) * activations).sum(dim=1)


def eigencam(activations: Tensor, gradients: Tensor) -> Tensor:
    """What the positions have of the direction in which channels are largest, whatever the class.

    Eigen-CAM (Muhammad, Yeasin, IJCNN 2020): the first right singular vector of the positions x channels, without
    centring; of the two directions along it the one in which positions lie on the whole.
    """
    positions = activations.flatten(2).transpose(1, 2).double()  # (N, hw, C)
    left, values, _ = torch.linalg.svd(positions, full_matrices=False)
    first = left[:, :, 0] * values[:, :1]
    towards = torch.where(first.sum(dim=1, keepdim=True) < 0, -first, first)
    return towards.view(-1, *activations.shape[-2:])


def scorecam(model: nn.Module, sites: Sequence[Site], images: Tensor, targets: Tensor, batch: int = 64) -> Tensor:
    """Each channel by how sure of the target the network is where the channel is large: no gradient at all.

    Score-CAM (Wang et al., CVPR Workshops 2020, equations 4 to 7): a channel, enlarged and scaled to 0..1, multiplies
    the image; weights are the softmax over channels of the target's logit, the same as of its increase over that
    of a baseline. What is masked is grey, the mean of what networks are normalised by. Takes a forward pass for each
    channel; constant ones have no weight. For several targets of each image, (N, T), it takes no more, and maps are
    (N, T, H, W).
    """
    model.eval()
    size = images.shape[-2:]
    with torch.no_grad():
        with caught([site.module for site in sites]) as outputs:
            model(images)
        activations = [_wide(as_maps(output)) for output in outputs]
        rows = []
        for image, wanted, *channels in zip(images, targets.view(len(images), -1), *activations, strict=True):
            logits = torch.cat([*_masked_logits(model, image, wanted, channels, size, batch)])
            weights = torch.split(torch.softmax(logits, dim=0).nan_to_num(0), [len(one) for one in channels])
            rows.append([torch.einsum("ct,chw->thw", w, one) for w, one in zip(weights, channels, strict=True)])
    return joined([torch.cat(site) for site in zip(*rows, strict=True)], size).view(*targets.shape, *size)


def _masked_logits(
    model: nn.Module, image: Tensor, targets: Tensor, channels: Sequence[Tensor], size: torch.Size, batch: int
) -> Iterator[Tensor]:
    """The logits (c, T) of targets (T,) for an image (3, H, W) under channels (C, h, w), some at a time.

    They are minus infinity for a constant channel.
    """
    for site in channels:
        for part in torch.split(site, batch):
            large = enlarged(part, size)
            low = large.amin(dim=(1, 2), keepdim=True)
            spread = large.amax(dim=(1, 2), keepdim=True) - low
            masks = (large - low) / torch.where(spread > 0, spread, 1)
            found = model(image * masks[:, None])[:, targets]
            yield torch.where(spread[:, :, 0] > 0, found, -torch.inf)


def _wide(values: Tensor) -> Tensor:
    """In float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
