"""The explainers that come with skineval. torch is imported when one is used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from skineval.base.terms import Value
from skineval.catalog.parameters import Parameter
from skineval.catalog.specs import Architecture, Explainer, Grid

if TYPE_CHECKING:
    from torch import Tensor, nn


def cam(name: str, model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture) -> Tensor:
    """What `name` of `skineval.explain.cams` makes of the gradient of the target's logit."""
    from skineval.explain import cams
    from skineval.explain.sites import find_sites

    sites = find_sites(model, architecture, images)
    return cams.class_activation(model, sites, images, cams.logit_of(targets), getattr(cams, name))


def finercam(
    model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture, strength: float, references: int
) -> Tensor:
    """See `skineval.explain.cams.contrast_of`."""
    from skineval.explain import cams
    from skineval.explain.sites import find_sites

    score = cams.contrast_of(targets, strength, references)
    return cams.class_activation(model, find_sites(model, architecture, images), images, score, cams.gradcam)


def scorecam(model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture) -> Tensor:
    """See `skineval.explain.cams.scorecam`."""
    from skineval.explain.cams import scorecam
    from skineval.explain.sites import find_sites

    return scorecam(model, find_sites(model, architecture, images), images, targets)


def cam_grid(model: nn.Module, images: Tensor, *, architecture: Architecture, **parameters: object) -> Grid:
    """Of the finest of what is read."""
    from skineval.explain.sites import find_sites

    finest = max(find_sites(model, architecture, images), key=lambda site: site.rows * site.columns)
    return Grid(
        finest.rows, finest.columns, f"read at module {finest.path}, since {finest.passed}" if finest.passed else ""
    )


def guided_gradcam(model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture) -> Tensor:
    """Guided backpropagation times Grad-CAM (Selvaraju et al., ICCV 2017, section 3.1)."""
    from skineval.explain.attributions import guided_backpropagation

    guided = guided_backpropagation(model, images, targets)
    return guided * cam("gradcam", model, images, targets, architecture=architecture)


def attribution(
    name: str, model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture, **parameters: Value
) -> Tensor:
    """What `name` of `skineval.explain.attributions` says of each pixel."""
    from skineval.explain import attributions

    maps: Tensor = getattr(attributions, name)(model, images, targets, **parameters)
    return maps


def positions_grid(
    model: nn.Module, images: Tensor, *, architecture: Architecture, positions: int, **parameters: object
) -> Grid:
    """As many positions as are hidden one by one."""
    return Grid(positions, positions)


def rollout(model: nn.Module, images: Tensor, targets: Tensor, *, architecture: Architecture) -> Tensor:
    """See `skineval.explain.rollout.rollout`."""
    from skineval.explain.rollout import rollout

    return rollout(model, images)


def rollout_grid(model: nn.Module, images: Tensor, *, architecture: Architecture) -> Grid:
    """Of the patches."""
    from skineval.explain.rollout import patches

    side = patches(model, images)
    return Grid(side, side)


EXPLAINERS = (
    Explainer(
        "gradcam",
        partial(cam, "gradcam"),
        "Maps of the network, each weighed by the mean gradient of the logit over it.",
        resolution=cam_grid,
        paper="Selvaraju et al. 2017",
    ),
    Explainer(
        "gradcam++",
        partial(cam, "gradcam_plus_plus"),
        "As gradcam, by positive gradients alone, weighed so that small regions count as large ones do.",
        resolution=cam_grid,
        paper="Chattopadhay et al. 2018",
    ),
    Explainer(
        "hirescam",
        partial(cam, "hirescam"),
        "Maps of the network, each position weighed by its own gradient.",
        resolution=cam_grid,
        paper="Draelos and Carin 2020",
    ),
    Explainer(
        "layercam",
        partial(cam, "layercam"),
        "As hirescam, where the gradient is positive.",
        resolution=cam_grid,
        paper="Jiang et al. 2021",
    ),
    Explainer(
        "eigencam",
        partial(cam, "eigencam"),
        "The direction in which the maps of the network are largest. Blind to the class.",
        resolution=cam_grid,
        paper="Muhammad and Yeasin 2020",
        class_blind=True,
    ),
    Explainer(
        "scorecam",
        scorecam,
        "Maps of the network, each weighed by the logit of the image as seen through it: a pass for each channel.",
        resolution=cam_grid,
        paper="Wang et al. 2020",
        several=True,
    ),
    Explainer(
        "finercam",
        finercam,
        "As gradcam, of the logit less those of the classes it is nearest to: what tells nv from mel.",
        {
            "strength": Parameter(0.6, "How much of the other logit is taken off; 0 is gradcam.", minimum=0, maximum=1),
            "references": Parameter(1, "How many other classes, nearest first.", minimum=1, maximum=100),
        },
        cam_grid,
        paper="Zhang et al. 2025",
    ),
    Explainer(
        "integrated-gradients",
        partial(attribution, "integrated_gradients"),
        "Gradients of the logit summed up on the way from grey to the image.",
        {"steps": Parameter(50, "Points on the way.", minimum=2, maximum=1000)},
        paper="Sundararajan et al. 2017",
    ),
    Explainer(
        "guided-gradcam",
        guided_gradcam,
        "Gradients that pass ReLUs where they are positive, times gradcam. Largely blind to weights and classes.",
        paper="Selvaraju et al. 2017",
    ),
    Explainer(
        "saliency",
        partial(attribution, "saliency"),
        "Absolute gradient of the logit, averaged over noisy copies of the image (SmoothGrad).",
        {
            "samples": Parameter(20, "Noisy copies.", minimum=1, maximum=1000),
            "noise": Parameter(0.15, "Standard deviation, of the range of the image.", minimum=0.0, maximum=1.0),
        },
        paper="Smilkov et al. 2017",
    ),
    Explainer(
        "occlusion",
        partial(attribution, "occlusion"),
        "How far the logit falls where a square of the image is grey.",
        {"positions": Parameter(14, "Squares a side, each half over the next.", minimum=2, maximum=64)},
        positions_grid,
        paper="Zeiler and Fergus 2014",
        several=True,
    ),
    Explainer(
        "rise",
        partial(attribution, "rise"),
        "How probable the class is where random parts of the image are seen.",
        {
            "masks": Parameter(500, "Random masks: a pass of the network each.", minimum=10, maximum=100_000),
            "positions": Parameter(7, "Cells of a mask a side.", minimum=2, maximum=64),
        },
        positions_grid,
        paper="Petsiuk et al. 2018",
        several=True,
    ),
    Explainer(
        "rollout",
        rollout,
        "How much of each patch attention passes on to the class token of a transformer. Blind to the class.",
        resolution=rollout_grid,
        paper="Abnar and Zuidema 2020",
        class_blind=True,
    ),
)
