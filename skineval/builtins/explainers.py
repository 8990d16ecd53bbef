"""The explainers that come with skineval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skineval.catalog.specs import Architecture, Explainer

if TYPE_CHECKING:
    from torch import Tensor, nn


def gradcam(model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture) -> Tensor:
    """Grad-CAM: see `skineval.explain.heatmaps.gradcam`."""
    from skineval.explain.heatmaps import cam_layers, gradcam

    return gradcam(model, cam_layers(model, architecture), images, targets)


def gradcam_resolution(model: nn.Module, images: Tensor, *, architecture: Architecture) -> tuple[int, int]:
    """Rows and columns of the last feature map."""
    from skineval.explain.heatmaps import cam_layers, resolution

    return resolution(model, cam_layers(model, architecture), images)


EXPLAINERS = (
    Explainer(
        "gradcam",
        gradcam,
        "Gradient-weighted activations of the last feature map (Grad-CAM).",
        resolution=gradcam_resolution,
    ),
)
