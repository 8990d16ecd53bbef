"""The words of the field and of skineval that travel everywhere: parts, protocols, stamps, states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Value: TypeAlias = bool | int | float | str
Progress: TypeAlias = Callable[[int, int], None]  #: called with how much of something is done, and how much there is
#: How an image that is not square becomes one. squash: the whole image, its sides scaled differently; crop: the largest
#: square at its centre; pad: the whole image, its sides scaled alike, centred on black.
Fit: TypeAlias = Literal["squash", "crop", "pad"]
#: Test-time augmentation. d4: the mean over the eight turns and mirrorings of an image.
Tta: TypeAlias = Literal["none", "d4"]
#: What is fitted on frozen embeddings: multinomial logistic regression, the classes of the nearest neighbours, or the
#: class whose mean is nearest.
Probe: TypeAlias = Literal["linear", "neighbours", "mean"]
NEIGHBOURS, MEAN = "neighbours", "mean"
#: Inverse strengths C of the L2 penalty of a linear head on standardised embeddings, from strong to weak.
PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3)
#: Those that are tried first. While none is better than that at an end, the next beyond is tried, too: weaker ones take
#: far longer to fit, and where embeddings are many numbers they are seldom the best.
FIRST_PENALTIES = PENALTIES[2:5]
#: Standard deviation of a dimension that is as good as constant, as a part of its largest number's power of two.
STILL = 1e-6
#: L-BFGS ends where no derivative of the loss of a head is larger, in units of how steep it is, or after so many steps.
HEAD_GRADIENT, HEAD_STEPS = 1e-4, 1000
#: The test image that the official scoring of ISIC 2018 leaves out: n is 1,511 (isic-challenge-scoring).
UNSCORED = "ISIC_0035068"
VALIDATION = "validation"  #: also what a parameter is said to be that is chosen there
PARTS = ("train", VALIDATION, "test")
UNUSED = "unused"  #: what a split says in place of a part of an image that is in none
#: What images are grouped by, so that none of a group is in two parts, and what is resampled. group: a patient, or a
#: lesion where the patient is not known; image: nobody knows which images show one lesion.
Unit: TypeAlias = Literal["patient", "group", "lesion", "image"]
#: What images are asked to be grouped by. auto: patient where any is known, else lesion.
GroupBy: TypeAlias = Literal["auto", "lesion", "patient"]
#: `image` deals out images one by one; `oversample-first` evens out classes by copies before it does so. Both leak.
LESION, IMAGE, OVERSAMPLE_FIRST = PROTOCOLS = ("lesion", "image", "oversample-first")


def unit_of(*, lesions_known: bool, by_patient: bool, patients: int | None) -> Unit:
    """What images are grouped by; `patients` is how many there are, None where one of an image is not known."""
    if by_patient:
        return "group" if patients is None else "patient"
    return "lesion" if lesions_known else "image"


DONE, FAILED, NOT_RUN = "done", "failed", "not run"
#: What is said of all that is made from data or parts that are not as they should be, and what it means to a reader.
SYNTHETIC, LEAKY, NOT_COMPARABLE = "SYNTHETIC", "LEAKY", "NOT COMPARABLE"
STAMPS: Mapping[str, str] = MappingProxyType(
    {
        SYNTHETIC: "made-up images, the figures mean nothing clinically",
        LEAKY: "siblings or copies of test images are in the train part, or may be, and figures too good",
        NOT_COMPARABLE: "a sample of the data, not to be set beside figures on all of it",
    }
)
#: What is said beside every answer about somebody's image.
NO_DIAGNOSIS = "No diagnosis: skineval is a research tool, and nothing it prints is medical advice."
PRIMARY = "balanced_accuracy"  #: the metric that ranks systems
UNCHANGED = "none"  #: the imbalance strategy that leaves everything as it is
#: The metric of images whose largest probability is tied, and what is said of such an image in place of a class.
UNDECIDED = "undecided"
MAJORITY, PRIOR = BASELINES = ("majority", "prior")
