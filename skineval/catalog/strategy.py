"""What plugins hand in against class imbalance: a frozen specification, cheap to make and cheap to list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Concatenate, TypeAlias

from skineval.catalog.parameters import Parameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from skineval.base.terms import Value

# Functions that plugins write. Keyword arguments after those named here are the parameters of the specification. Labels
# (n,) int64 and counts (C,) int64 per class are always those of the train part.

#: loss(counts, **parameters): a function from logits (N, C) float32 and targets (N,) int64 to losses (N,). The training
#: loop averages them: scale them so that their mean over the train part is that of plain cross-entropy.
LossFactory: TypeAlias = "Callable[Concatenate[NDArray[np.int64], ...], Callable[[Tensor, Tensor], Tensor]]"

#: draw_weights(labels, **parameters): how often each train image is drawn, (n,) float64 >= 0, in any unit.
#: head_weights(labels, **parameters): how much each of them counts as the head is refitted. partner_weights(labels,
#: **parameters): how often each of them is drawn to be mixed into another.
DrawWeights: TypeAlias = "Callable[Concatenate[NDArray[np.int64], ...], NDArray[np.float64]]"

#: draw(labels, *, seed, **parameters): the train images that one epoch goes over, as positions (m,) int64 in `labels`,
#: in any order.
Draw: TypeAlias = "Callable[Concatenate[NDArray[np.int64], ...], NDArray[np.int64]]"

#: augment(counts, **parameters): a function from the images (N, 3, H, W) float32 of a batch, augmented and normalised,
#: their targets (N,) int64 and DRAWS uniform numbers for each, (N, DRAWS), to images of that shape.
AugmentFactory: TypeAlias = "Callable[Concatenate[NDArray[np.int64], ...], Callable[[Tensor, Tensor, Tensor], Tensor]]"

#: mix(counts, **parameters): a function from images and targets as for `augment`, as many others with theirs, and DRAWS
#: uniform numbers for each, to mixed images of that shape and, (N,) float32 in [0, 1], how much of the target of each
#: is its own.
MixFactory: TypeAlias = (
    "Callable[Concatenate[NDArray[np.int64], ...], "
    "Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]]"
)

#: resample(embeddings, labels, *, seed, **parameters): from train embeddings (n, d) float32 and labels (n,) int64, the
#: embeddings (m, d) and labels (m,) on which the head is refitted.
Resample: TypeAlias = (
    "Callable[Concatenate[NDArray[np.float32], NDArray[np.int64], ...], tuple[NDArray[np.float32], NDArray[np.int64]]]"
)

#: refit(weight, bias, embeddings, labels, **parameters): from the linear head of a network, (C, d) and (C,) float64,
#: and train embeddings (n, d) float32 with their labels, what takes the place of `weight` and `bias`.
Refit: TypeAlias = "Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]"

#: adjust(counts, **parameters): what is added to the logits (C,) float64 of the trained network.
Adjust: TypeAlias = "Callable[Concatenate[NDArray[np.int64], ...], NDArray[np.float64]]"

#: tells(counts, classes, **parameters): in a few words, what comes of it with these counts of classes of such names;
#: "" where there is nothing to tell.
Tells: TypeAlias = "Callable[Concatenate[NDArray[np.int64], Sequence[str], ...], str]"

DRAWS = 8  #: uniform numbers that `augment` and `mix` have for an image

#: What a strategy can do once, by the places where it acts; and how messages call that.
SLOTS = {
    "loss": ("loss", "the loss"),
    "draws": ("sampler", "how images are drawn"),
    "augmentation": ("sampler", "how images are augmented"),
    "mixing": ("sampler", "how images are mixed"),
    "head": ("head", "the head"),
    "logits": ("logits", "the logits"),
    "temperature": ("logits", "the temperature of the logits"),
}


@dataclass(frozen=True)
class ImbalanceStrategy:
    """A remedy for class imbalance, acting on the loss, on the sampler and its batches, on the head, or on the logits.

    It is handed train labels, counts or embeddings and never sees another part. The head is refitted on what
    `resample` makes of the train embeddings, or on these as `head_weights` weighs them, or is what `refit` makes of it.
    A strategy that acts on nothing before the head shares its trained network with every other such strategy and with
    `none`.
    """

    name: str
    summary: str
    loss: LossFactory | None = None
    draw_weights: DrawWeights | None = None
    resample: Resample | None = None
    parameters: Parameters = field(default_factory=dict)
    head_weights: DrawWeights | None = None
    adjust: Adjust | None = None
    paper: str = ""  #: where it comes from: "Chawla et al. 2002"
    draw: Draw | None = None
    augment: AugmentFactory | None = None
    mix: MixFactory | None = None
    partner_weights: DrawWeights | None = None  #: None: all alike
    refit: Refit | None = None
    #: Whether skineval chooses, on the logits of the validation part, which no strategy sees, what is added to those of
    #: each class, for the best balanced accuracy; or what all are divided by, for the best likelihood.
    chooses_offsets: bool = False
    chooses_temperature: bool = False
    #: Whether the shares of the classes are estimated in every set that is predicted, from its images without their
    #: labels, and put in place of those of the train part.
    estimates_prior: bool = False
    #: Whether what acts on the loss and on the sampler is made anew for every epoch, and handed `epoch`, from 1, and
    #: `epochs`; the head of a probe is fitted as in the last.
    per_epoch: bool = False
    #: Where not None, logits are the cosines between an embedding and the vectors of the classes, times this.
    cosine_scale: float | None = None
    tells: Tells | None = None
    balances: bool = False  #: whether it makes up for class frequencies, so that two such may overdo it
    #: Which value of a parameter switches that off.
    balances_unless: Mapping[str, Value] = field(default_factory=dict)
    heeds: bool = False  #: whether what has been made up for before it acts is forgotten, or taken into account
    parts: tuple[ImbalanceStrategy, ...] = ()  #: of a combination

    @property
    def slots(self) -> tuple[str, ...]:
        """What of `SLOTS` it does, in their order, which is that of training."""
        does = {
            "loss": self.loss or self.cosine_scale,
            "draws": self.draw_weights or self.draw,
            "augmentation": self.augment,
            "mixing": self.mix,
            "head": self.resample or self.head_weights or self.refit,
            "logits": self.adjust or self.chooses_offsets or self.estimates_prior or None,
            "temperature": self.chooses_temperature or None,
        }
        return tuple(slot for slot, function in does.items() if function is not None)

    @property
    def places(self) -> tuple[str, ...]:
        """Where it acts, in the order of training."""
        return tuple(dict.fromkeys(SLOTS[slot][0] for slot in self.slots))

    @property
    def fits_head(self) -> bool:
        """Whether a linear head is fitted anew on train embeddings."""
        return (self.resample or self.head_weights) is not None

    @property
    def changes_trained(self) -> bool:
        """Whether a network is not done when it is trained."""
        return not {"head", "logits"}.isdisjoint(self.places)

    @property
    def changes_training(self) -> bool:
        """Whether its network is another than that of `none`."""
        return not {"loss", "sampler"}.isdisjoint(self.places)
