"""What each pixel says for a class, by its gradient or by hiding it: captum's methods, and RISE.

What hides pixels takes targets (N,), or several of each image (N, T), for which the network is asked once.

A map is the positive part of what the three channels of a pixel say together, where the method has a sign. What is
hidden is grey, the mean of what networks are normalised by.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skineval.base.errors import NoMapError

_AT_ONCE = 64  #: images in one pass
_SEED = 0  #: of noise and of masks: the same images have the same maps


def saliency(model: nn.Module, images: Tensor, targets: Tensor, samples: int, noise: float) -> Tensor:
    """The largest absolute gradient of the target's logit over channels, averaged over noisy copies.

    Saliency (Simonyan et al., arXiv 1312.6034, section 3.1), smoothed (SmoothGrad, Smilkov et al., arXiv 1706.03825):
    the mean over `samples` copies with Gaussian noise of `noise` times the range of each image.
    """
    from captum.attr import Saliency

    method, total = Saliency(model.eval()), torch.zeros_like(images[:, 0])
    spread = noise * (images.amax(dim=(1, 2, 3), keepdim=True) - images.amin(dim=(1, 2, 3), keepdim=True))
    generator = torch.Generator().manual_seed(_SEED)
    for _ in range(samples):
        # Of one image, so that what stands beside it changes nothing.
        drawn = torch.randn(images.shape[1:], generator=generator).to(images)
        noisy = (images.detach() + spread * drawn).requires_grad_()
        total += method.attribute(noisy, targets).detach().amax(dim=1)
    return total / samples


def integrated_gradients(model: nn.Module, images: Tensor, targets: Tensor, steps: int) -> Tensor:
    """Gradients along the straight way from grey, times how far each pixel goes (Sundararajan et al., ICML 2017)."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(model.eval())
    found = method.attribute(images, target=targets, n_steps=steps, internal_batch_size=max(_AT_ONCE, len(images)))
    return _positive(found)


def guided_backpropagation(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Gradients that pass a ReLU only where they are positive (Springenberg et al., arXiv 1412.6806, section 3.4).

    Raises NoMapError for a network without a ReLU, in which nothing would be guided.
    """
    from captum.attr import GuidedBackprop

    relus = [module for module in model.eval().modules() if isinstance(module, nn.ReLU)]
    if not relus:
        raise NoMapError("guided backpropagation is of ReLUs, of which the network has none")
    with _out_of_place(relus), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it sets hooks, and removes them
        return _positive(GuidedBackprop(model).attribute(images.detach().clone().requires_grad_(), targets))


def occlusion(model: nn.Module, images: Tensor, targets: Tensor, positions: int) -> Tensor:
    """How far the target's logit falls where a square is grey (Zeiler, Fergus, ECCV 2014, section 4.2).

    Squares have a side of two of `positions` a side, and overlap by half.
    """
    from captum.attr import Occlusion

    model.eval()
    height, width = images.shape[-2:]
    step = (max(height // positions, 1), max(width // positions, 1))
    window = (3, min(2 * step[0], height), min(2 * step[1], width))
    with torch.no_grad():
        found = Occlusion(lambda pixels: model(pixels).gather(1, targets.view(len(images), -1))).attribute(
            images, window, strides=(3, *step), baselines=0, perturbations_per_eval=1
        )
    return F.relu(found.mean(dim=1)).detach().view(*targets.shape, height, width)


def rise(model: nn.Module, images: Tensor, targets: Tensor, masks: int, positions: int) -> Tensor:
    """The mean probability of the target under random masks in which a pixel is seen, less that under all of them.

    RISE (Petsiuk et al., BMVC 2018, equation 6 and section 3.3): each cell of a grid is seen with probability one half,
    the grid is enlarged bilinearly and shifted. The paper leaves in the mean over all masks, the same for every pixel;
    without it a pixel that makes no difference has no relevance.
    """
    model.eval()
    generator = torch.Generator().manual_seed(_SEED)
    height, width = images.shape[-2:]
    wanted = targets.view(len(images), -1)
    seen = images.new_zeros(*wanted.shape, height, width, dtype=torch.float64)
    ever, sure = torch.zeros_like(seen[0, 0]), torch.zeros_like(seen[:, :, :1, :1])
    with torch.no_grad():
        for _ in range(masks):
            mask = _mask(positions, height, width, generator).to(images)
            found = torch.softmax(model(images * mask).double(), dim=1).gather(1, wanted)[:, :, None, None]
            seen += found * mask
            ever += mask
            sure += found
    return F.relu(seen / ever.clamp(min=1e-9) - sure / masks).float().view(*targets.shape, height, width)


def _mask(positions: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """A grid of zeros and ones, enlarged to one cell more than there is room for, and cut out at random, (H, W)."""
    cells = torch.randint(2, (1, 1, positions + 1, positions + 1), generator=generator).float()
    cell = (-(-height // positions), -(-width // positions))
    size = ((positions + 1) * cell[0], (positions + 1) * cell[1])
    large = F.interpolate(cells, size=size, mode="bilinear", align_corners=False)[0, 0]
    top, left = (int(torch.randint(side, (), generator=generator)) for side in cell)
    return large[top : top + height, left : left + width]


def _positive(attributions: Tensor) -> Tensor:
    return F.relu(attributions.detach().sum(dim=1)).float()


@contextmanager
def _out_of_place(modules: list[nn.ReLU]) -> Iterator[None]:
    """ReLUs that leave what they are given as it is: hooks on their gradients need it."""
    changed = [module for module in modules if module.inplace]
    try:
        for module in changed:
            module.inplace = False
        yield
    finally:
        for module in changed:
            module.inplace = True
