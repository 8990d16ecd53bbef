"""What plugins hand in: frozen specifications, cheap to make and cheap to list.

Nothing here imports torch, numpy or pandas; the functions a specification carries do so when they are called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Literal, TypeAlias

from skineval.catalog.parameters import Parameters
from skineval.catalog.strategy import ImbalanceStrategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from skineval.values.embeddings import Embeddings
    from skineval.values.lesion_table import LesionTable
    from skineval.values.result import BenchResult
    from skineval.values.task import Task


NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
EXPLAINER_NAME = re.compile(rf"{NAME.pattern}\+*")  #: of which nothing is made up by `+`
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


# Functions that plugins write. Keyword arguments after those named here are the parameters of the specification.

#: build(num_classes, *, weights, **parameters): the network, from images (N, 3, H, W) float to logits
#: (N, num_classes); `weights` is None or "imagenet".
Build: TypeAlias = "Callable[Concatenate[int, ...], nn.Module]"

#: embeddings(file): what the file holds that the parameter `file` names.
ReadEmbeddings: TypeAlias = "Callable[[Path], Embeddings]"

#: attribute(model, images, targets, *, architecture, **parameters): from normalised images (N, 3, H, W) and target
#: classes (N,), relevance maps (N, H, W) float >= 0.
Attribute: TypeAlias = "Callable[Concatenate[nn.Module, Tensor, Tensor, ...], Tensor]"

#: resolution(model, images, *, architecture, **parameters): the positions of maps before they are enlarged, a `Grid` or
#: rows and columns alone.
Resolution: TypeAlias = "Callable[Concatenate[nn.Module, Tensor, ...], tuple[int, int] | Grid]"

#: compute(targets, probabilities, weights, classes): see `Metric`.
Compute: TypeAlias = (
    "Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], Sequence[str]], NDArray[np.float64]]"
)

#: share_of(targets, probabilities, classes): which images a figure is a share of, (N,) bool, or (N, C) where per class.
ShareOf: TypeAlias = "Callable[[NDArray[np.int64], NDArray[np.float64], Sequence[str]], NDArray[np.bool_]]"

#: What a metric looks at.
View: TypeAlias = Literal["classes", "malignancy", "rejection"]

#: load(path, **parameters): the lesion table; `path` is None where the data set was named.
LoadTable: TypeAlias = "Callable[Concatenate[Path | None, ...], LesionTable]"


@dataclass(frozen=True)
class Architecture:
    """A network that can be benched.

    `build(num_classes, *, weights)` returns an `nn.Module` from images (N, 3, H, W) to logits (N, num_classes); import
    torch inside it. Dotted paths name modules of that network: `head` the last `nn.Linear`, whose input is the
    embedding (default: the last `nn.Linear` with num_classes outputs); `classifier` what pretrained weights do not
    hold, in one place or several, which is trained while the backbone is frozen (default: `head`); `cam_layer` the
    module whose output, maps (N, C, h, w), Grad-CAM reads (default: the last `nn.Conv2d`; "": it is looked for).

    Where parameters change more than `build`, `resolve(architecture, **parameters)` returns the architecture as they
    make it.

    One with `embeddings` looks at no images: these read what stands for them out of the file that its parameter `file`
    names, and `build` is never called.
    """

    name: str
    build: Build
    summary: str
    image_size: int = 224  #: pixels a side, the size it was designed for
    min_image_size: int = 32  #: pixels a side, the smallest that works
    max_image_size: int | None = None  #: the largest
    image_size_step: int = 1  #: pixels; the sizes that work are multiples of it
    head: str | None = None
    classifier: str | tuple[str, ...] | None = None
    cam_layer: str | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN  #: per channel, images scaled to 0..1
    std: tuple[float, float, float] = IMAGENET_STD
    n_parameters: int | None = None  #: trainable numbers, with seven classes
    bfloat16_on_cpu: bool = True  #: False where bfloat16 is slower on CPUs, as with depthwise convolutions
    fetch_weights: Callable[[], Path] | None = None  #: finds or downloads the ImageNet weights; None: there are none
    weights_path: Callable[[], Path] | None = None  #: where `fetch_weights` keeps them, there or not
    parameters: Parameters = field(default_factory=dict)
    resolve: Callable[..., Architecture] | None = None
    embeddings: ReadEmbeddings | None = None
    made_by: str = ""  #: where its network comes from, if not from the package that hands it in: "timm 1.0.15"
    parts: tuple[Architecture, ...] = ()  #: of a hybrid, resolved; it has them as its modules parts.0, parts.1, ...

    @property
    def from_scratch(self) -> tuple[str, ...]:
        """Which of its parts, or itself, always begin with random values: there are no ImageNet weights of them."""
        return tuple(part.name for part in self.parts or (self,) if part.fetch_weights is None)

    @property
    def has_weights(self) -> bool:
        """Whether there are ImageNet weights of it, or of a part of it."""
        return len(self.from_scratch) < len(self.parts or (self,))

    def refuses(self, image_size: int) -> str:
        """Why images of `image_size` pixels a side cannot be used; empty if they can."""
        if self.min_image_size == self.max_image_size != image_size:
            return f"{self.name} needs exactly {self.min_image_size} pixels"
        if image_size < self.min_image_size:
            return f"{self.name} needs at least {self.min_image_size} pixels"
        if self.max_image_size is not None and image_size > self.max_image_size:
            return f"{self.name} needs at most {self.max_image_size} pixels"
        if image_size % self.image_size_step:
            return f"{self.name} needs a multiple of {self.image_size_step} pixels"
        return ""

    def nearest_sizes(self, image_size: int) -> tuple[int, ...]:
        """The image sizes that work next to `image_size`: below and above it, or the one that there is."""
        step = self.image_size_step
        below = image_size // step * step
        there = (size for size in (below, below + step) if not self.refuses(size))
        smallest = -(-self.min_image_size // step) * step
        return tuple(there) or (
            smallest if image_size < smallest else (self.max_image_size or smallest) // step * step,
        )


@dataclass(frozen=True)
class ArchitectureFamily:
    """Architectures that are too many to be handed in one by one, each called `name/rest`, as in `timm/resnet18`.

    `names()` returns the rests that globs and did-you-mean go over. `find(rest)` returns the architecture, which is
    called `name/rest` in full, or None where there is none; it may know rests that `names` does not list, and raises
    UsageError where there is more to say. Neither is called before a name that begins with `name/` is asked for.
    """

    name: str  #: what stands before the slash
    find: Callable[[str], Architecture | None]
    names: Callable[[], Iterable[str]]
    summary: str


@dataclass(frozen=True)
class Grid:
    """The positions of a map before it is enlarged."""

    rows: int
    columns: int
    where: str = ""  #: what galleries say of where they are read, if not at the usual place


@dataclass(frozen=True)
class Explainer:
    """A method that says where a model looked.

    `attribute(model, images, targets, *, architecture)` returns maps (N, H, W) >= 0, each at the size of the images.
    Where they are enlarged, `resolution(model, images, *, architecture)` returns the rows and columns that they had:
    galleries say so. None where each pixel has a value of its own. `class_blind`: its maps do not depend on targets.
    `several`: `attribute` also takes several targets of each image, (N, T), and returns maps (N, T, H, W), for hardly
    more than those of one take: whoever wants maps of two classes asks once.
    """

    name: str
    attribute: Attribute
    summary: str
    parameters: Parameters = field(default_factory=dict)
    resolution: Resolution | None = None
    paper: str = ""  #: author and year
    class_blind: bool = False
    several: bool = False


@dataclass(frozen=True)
class Metric:
    """A figure computed from predictions, for many weightings of the images at once.

    `compute(targets, probabilities, weights, classes)` takes targets (N,) int64, probabilities (N, C) float64,
    weights (B, N) float64 >= 0 (row b holds how often each image occurs in bootstrap replicate b; a row of ones is the
    plain figure) and the C class names, and returns (B,), or (B, C) where `per_class`; NaN where undefined.
    `skineval.measure.metrics.from_plain` makes one from an ordinary function of targets and probabilities.

    `exchange` says what of a system's answers to an image may change places with another system's in a randomisation
    test: "answers", the probabilities as they are; or "ranks", their mid-ranks among the system's own answers, class by
    class, each lesion counting alike, for a figure that depends on the order of images alone (any area under a curve),
    so that a difference in scale is none in quality.

    `view` says what is looked at: "classes", those of the task; "malignancy", benign (0) and malignant (1), whose
    probabilities are the sums of those of the classes: a figure that is there where malignancy is known; or
    "rejection", images of none of the classes (0) and of one (1), whose probability is the largest one of an image: a
    figure of external tests, where `--reject` asks for it.

    The interval is a percentile interval, unless one of two fields says more. `share_of`: the figure is from 0 to 1 and
    behaves as a share of these images, those that it may count (for an area under a curve, the positive ones): a Wilson
    interval, which has width where all are counted alike. `mean_of`: it is the mean over classes of this figure, where
    that is defined, and the intervals of the classes are combined. `least_lesions`: of fewer lesions of any class that
    it looks at there is no interval, nor is one of its differences, since replicates cannot know how far it would move.
    """

    name: str
    compute: Compute
    summary: str
    per_class: bool = False
    higher_is_better: bool = True
    tasks: tuple[str, ...] = ()  #: that it is for; none: for all
    exchange: Literal["answers", "ranks"] = "answers"
    view: View = "classes"
    share_of: ShareOf | None = None
    mean_of: Metric | None = None
    least_lesions: int = 0

    def suits(self, task: Task, *, rejecting: bool = False) -> bool:
        """Whether it says how well the classes of `task` are told apart, or if `rejecting`, from images of others.

        A figure of malignancy does so only where that is known.
        """
        known = self.view != "malignancy" or task.malignant is not None
        return (self.view == "rejection") == rejecting and known and (not self.tasks or task.name in self.tasks)


@dataclass(frozen=True)
class DatasetSource:
    """Where images and labels come from. `recognise(path)` says whether a folder is of this kind."""

    name: str
    load: LoadTable
    summary: str
    recognise: Callable[[Path], bool] | None = None
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class Reporter:
    """Writes one report of a finished bench into its folder and returns the files written."""

    name: str
    write: Callable[[BenchResult], Iterable[Path]]
    summary: str


Specification: TypeAlias = (
    Architecture | ArchitectureFamily | ImbalanceStrategy | Explainer | Metric | DatasetSource | Reporter
)


@dataclass(frozen=True)
class CellStarted:
    """A cell begins (or goes on after an interruption)."""

    run_id: str
    model: str
    imbalance: str
    fold: int
    seed: int
    epochs: int


@dataclass(frozen=True)
class EpochEnded:
    """One epoch of a cell is trained, validated and saved."""

    run_id: str
    epoch: int
    epochs: int
    train_loss: float
    val_loss: float
    val_balanced_accuracy: float
    images_per_second: float


@dataclass(frozen=True)
class CellEnded:
    """A cell is done, or failed with a reason."""

    run_id: str
    status: str  #: "done" or "failed"
    reason: str
    seconds: float
