"""The explainers that come with skineval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skineval.specs import Architecture, Explainer

if TYPE_CHECKING:
    from torch import Tensor, nn


def gradcam(model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture) -> Tensor:
    """Grad-CAM: see `skineval.explain.heatmaps.gradcam`."""
    from skineval.explain.heatmaps import cam_layers, gradcam

    return gradcam(model, cam_layers(model, architecture), images, targets)


EXPLAINERS = (Explainer("gradcam", gradcam, "Gradient-weighted activations of the last feature map (Grad-CAM)."),)
