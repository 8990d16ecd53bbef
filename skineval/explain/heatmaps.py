"""Where a network looked: relevance maps from activations and gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skineval.errors import CellError


def gradcam(model: nn.Module, layer: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017, equations 1 and 2) of `targets` (N,) for images (N, 3, H, W).

    The map of an image is the ReLU of its activations at `layer`, weighted by the spatial mean of the gradient of the
    target's logit, upsampled bilinearly to (N, H, W), float32, >= 0. Convention: activations are read as `layer`
    returns them, before anything later changes them in place; choose as `layer` what is pooled and classified.
    """
    with _Activations(layer) as caught, torch.enable_grad():
        model.eval()
        # A copy that wants gradients: the maps are then defined even for a network whose weights are frozen.
        logits = model(images.detach().clone().requires_grad_(True))
        score = logits.gather(1, targets.view(-1, 1)).sum()
        activations = caught.value
        if activations is None or activations.ndim != 4:
            raise CellError("The layer Grad-CAM reads does not return maps (N, C, H, W); `cam_layer` is wrong.")
        (gradients,) = torch.autograd.grad(score, activations)
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    maps = F.relu((weights * activations.detach()).sum(dim=1, keepdim=True))
    return F.interpolate(maps.float(), size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def cam_layer(model: nn.Module, path: str | None) -> nn.Module:
    """The module at the dotted `path`, or the last convolution; raises CellError where there is none."""
    if path is not None:
        try:
            return model.get_submodule(path)
        except AttributeError as error:
            raise CellError(f"cam_layer {path!r} names no module of the network: {error}.") from error
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise CellError("The network has no convolution for Grad-CAM to read; its architecture names no cam_layer.")
    return convolutions[-1]


class _Activations:
    """Catches what a module returns; what comes after gets a copy, so that nothing changes it in place."""

    def __init__(self, layer: nn.Module) -> None:
        self.value: Tensor | None = None
        self._layer = layer

    def __enter__(self) -> _Activations:
        self._handle = self._layer.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _keep(self, _: nn.Module, __: object, output: Tensor) -> Tensor:
        self.value = output
        return output.clone()
