"""Where a network looked: relevance maps from activations and gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skineval.base.errors import CellError, NoMapError
from skineval.catalog.specs import Architecture


def gradcam(model: nn.Module, layers: nn.Module | Sequence[nn.Module], images: Tensor, targets: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017, equations 1 and 2) of `targets` (N,) for images (N, 3, H, W).

    The map of an image is the ReLU of its activations at the layer, weighted by the spatial mean of the gradient of the
    target's logit, upsampled bilinearly to (N, H, W), float32, >= 0. Convention: activations are read as the layer
    returns them, before anything later changes them in place; choose the layer that is pooled and classified.

    Of several layers, the branches of a hybrid, the maps are added before the ReLU, since what speaks for a class in
    one branch and against it in another is no evidence. Each is upsampled first and divided by the number of pixels
    that stand for one of its positions: where a branch is pooled and classified linearly, its map sums to what it
    adds to the logit, at whatever resolution it has seen the image.
    """
    layers = [layers] if isinstance(layers, nn.Module) else list(layers)
    with _caught(layers) as caught, torch.enable_grad():
        model.eval()
        # A copy that wants gradients: the maps are then defined even for a network whose weights are frozen.
        logits = model(images.detach().clone().requires_grad_(True))
        score = logits.gather(1, targets.view(-1, 1)).sum()
        activations = list(map(_maps, caught))
        gradients = torch.autograd.grad(score, activations)
    maps = [
        (gradient.mean(dim=(2, 3), keepdim=True) * activation.detach()).sum(dim=1, keepdim=True).float()
        for activation, gradient in zip(activations, gradients, strict=True)
    ]
    size = images.shape[-2:]
    if len(maps) == 1:
        return _upsampled(F.relu(maps[0]), size)
    shares = [_upsampled(one, size) * (one[0].numel() / size.numel()) for one in maps]
    return F.relu(torch.stack(shares).sum(dim=0))


def resolution(model: nn.Module, layers: Sequence[nn.Module], images: Tensor) -> tuple[int, int]:
    """Rows and columns of the maps at the finest of the `layers`, for images (N, 3, H, W); 1 x 1 points nowhere."""
    with _caught(layers) as caught, torch.no_grad():
        model.eval()
        model(images[:1])
        rows, columns = max((_maps(one).shape[-2:] for one in caught), key=lambda shape: shape.numel())
    return rows, columns


def cam_layers(model: nn.Module, architecture: Architecture) -> tuple[nn.Module, ...]:
    """What Grad-CAM of `architecture` reads: one layer, or one of each part of a hybrid.

    Raises CellError where there is none.
    """
    if not architecture.parts:
        return (cam_layer(model, architecture.cam_layer),)
    return tuple(
        layer
        for place, part in enumerate(architecture.parts)
        for layer in cam_layers(model.get_submodule(f"parts.{place}"), part)
    )


def cam_layer(model: nn.Module, path: str | None) -> nn.Module:
    """The module at the dotted `path`, or the last convolution; raises CellError where there is none."""
    if path == "":
        raise NoMapError("no module of the network returns maps for Grad-CAM to read")
    if path is not None:
        try:
            return model.get_submodule(path)
        except AttributeError as error:
            raise CellError(f"cam_layer {path!r} names no module of the network: {error}.") from error
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise CellError("The network has no convolution for Grad-CAM to read; its architecture names no cam_layer.")
    return convolutions[-1]


@contextmanager
def _caught(layers: Sequence[nn.Module]) -> Iterator[list[object]]:
    """What each module returns, once it has run; what comes after gets a copy, so that nothing changes it in place."""
    caught: list[object] = [None] * len(layers)

    def keep(place: int, _: nn.Module, __: object, output: object) -> object:
        caught[place] = output
        return output.clone() if isinstance(output, Tensor) else output

    with ExitStack() as stack:
        for place, layer in enumerate(layers):
            stack.enter_context(layer.register_forward_hook(partial(keep, place)))
        yield caught


def _maps(caught: object) -> Tensor:
    """What a layer has returned; raises CellError where it is not maps (N, C, H, W)."""
    if isinstance(caught, Tensor) and caught.ndim == 4:
        return caught
    raise CellError("The layer Grad-CAM reads does not return maps (N, C, H, W); `cam_layer` is wrong.")


def _upsampled(maps: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)[:, 0]
