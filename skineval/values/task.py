"""Tasks: which classes are told apart, and which labels of a data set belong to each.

What classes are called stands here and in the layouts of data sets, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, UsageError, hint_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The seven diagnoses of HAM10000, in alphabetical order.
DIAGNOSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
#: What labels stand for, where that is not plain.
CLASS_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "akiec": "actinic keratosis",
        "bcc": "basal cell carcinoma",
        "bkl": "benign keratosis",
        "df": "dermatofibroma",
        "mel": "melanoma",
        "nv": "melanocytic nevus",
        "vasc": "vascular lesion",
        "scc": "squamous cell carcinoma",
        "unk": "unknown, none of the other classes",
    }
)
#: What else these diagnoses are called, in small letters with single blanks: names that the description of HAM10000
#: gives to what each class holds, and other spellings. "ak" is what ISIC 2019 calls the class.
SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "akiec": (
            "ak", "actinic keratoses", "actinic keratoses and intraepithelial carcinoma",
            "actinic keratoses and intraepithelial carcinomae", "intraepithelial carcinoma", "bowen's disease",
            "bowens disease",
        ),
        "bcc": ("basal cell carcinomas",),
        "bkl": (
            "benign keratoses", "benign keratosis like lesion", "benign keratosis like lesions",
            "pigmented benign keratosis", "seborrheic keratosis", "seborrhoeic keratosis", "solar lentigo",
            "lichen planus like keratosis",
        ),
        "df": ("dermatofibromas",),
        "mel": (
            "melanomas", "malignant melanoma", "malignant melanomas", "melanom", "malignes melanom", "mélanome",
            "melanoma maligno",
        ),
        "nv": (
            "nevus", "nevi", "naevus", "naevi", "melanocytic nevi", "melanocytic naevus", "melanocytic naevi", "nävus",
            "nävi", "nevo",
        ),
        "vasc": ("vascular", "vascular lesions", "vascular skin lesion", "vascular skin lesions"),
    }
)  # fmt: skip
BINARY = ("benign", "malignant")
GENERAL = (*BINARY, "indeterminate")  #: labels that say no more than this
#: Version 1 of the malignant task: malignant = melanoma, basal cell carcinoma, actinic keratosis (19.51 % of HAM10000).
_MALIGNANT = ("akiec", "bcc", "mel")
#: Which diagnoses others call malignant: MEDFAIR (Zong et al., arXiv 2210.01725), and whoever means melanoma by it.
MAPPINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"malignant version 1": _MALIGNANT, "MEDFAIR": ("akiec", "mel"), "melanoma alone": ("mel",)}
)
#: Whether labels are malignant, in small letters; of others nobody says.
_KNOWN = {**dict.fromkeys(DIAGNOSES, False), **dict.fromkeys((*_MALIGNANT, "scc", "malignant"), True), "benign": False}

OUTSIDE = -1  #: the target of an image whose label no class takes
FEWEST = 2  #: classes of a task


@dataclass(frozen=True)
class Task:
    """Classes in order, which stands beside every probability, and the labels that each takes."""

    name: str
    classes: tuple[str, ...]
    labels: Mapping[str, str] = field(repr=False)  #: label of a data set -> its class; other images are left out
    malignant: tuple[str, ...] | None = None  #: those of the classes that are; None: nobody says
    sought: str = ""  #: the class whose recall stands beside the overall figures; "": none
    shipped: bool = True  #: whether its name says all of it

    @property
    def identity(self) -> str:
        """Its name, and of one that is not shipped, or takes further labels, a hash of what is told apart."""
        if self.shipped and self.labels.keys() <= SHIPPED.get(self.name, self).labels.keys():
            return self.name
        told = json.dumps([self.classes, sorted(self.labels.items())])
        return f"{self.name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"

    def takes(self, labels: Iterable[str]) -> bool:
        """Whether there is a class for each of these labels."""
        return set(labels) <= set(self.labels)

    def targets(self, labels: Iterable[str]) -> NDArray[np.int64]:
        """The position of each label's class, (n,); `OUTSIDE` for one that no class takes."""
        import numpy as np

        position = {label: self.classes.index(class_) for label, class_ in self.labels.items()}
        return np.array([position.get(label, OUTSIDE) for label in labels], dtype=np.int64)

    def widened(self, malignancy: Mapping[str, str]) -> Task:
        """The task that takes further labels for what each is said to be (benign, malignant ...), where it takes that.

        `malignancy` says it by label; labels that the task knows stay with their class.
        """
        further = {label: self.labels[one] for label, one in malignancy.items() if one in self.labels}
        return replace(self, labels={**further, **self.labels}) if further.keys() - self.labels.keys() else self

    def without(self, classes: Collection[str]) -> Task:
        """The task that tells the other classes apart. Raises DataError where fewer than `FEWEST` are left."""
        kept = tuple(name for name in self.classes if name not in classes)
        if len(kept) < FEWEST:
            there = f"those of {kept[0]}" if kept else "none"
            raise DataError(
                f"Of the classes of the task {self.name} ({', '.join(self.classes)}) there are no images but {there}.",
                "Use another --task, or add images.",
            )
        return replace(
            self,
            classes=kept,
            labels={label: name for label, name in self.labels.items() if name in kept},
            malignant=None if self.malignant is None else tuple(name for name in self.malignant if name in kept),
            sought=self.sought if self.sought in kept else "",
        )


DX7 = Task("dx7", DIAGNOSES, {dx: dx for dx in DIAGNOSES}, _MALIGNANT, "mel")
MALIGNANT = Task(
    "malignant",
    BINARY,
    {**{dx: BINARY[dx in _MALIGNANT] for dx in DIAGNOSES}, **{name: name for name in BINARY}},
    BINARY[1:],
    BINARY[1],
)
#: In the order of the challenge; its UNK is no class.
ISIC2019 = Task(
    "isic2019",
    ("mel", "nv", "bcc", "ak", "bkl", "df", "vasc", "scc"),
    {**{dx: dx for dx in DIAGNOSES if dx != "akiec"}, "akiec": "ak", "scc": "scc"},
    ("mel", "bcc", "ak", "scc"),
    "mel",
)
#: What is benign is no melanoma; what is no more than malignant may be one, and no class takes it.
MELANOMA = Task(
    "melanoma",
    ("other", "melanoma"),
    {label: ("other", "melanoma")[label == "mel"] for label in (*DIAGNOSES, "scc", "benign")},
    sought="melanoma",
)
SHIPPED: Mapping[str, Task] = MappingProxyType({task.name: task for task in (DX7, MALIGNANT, MELANOMA, ISIC2019)})
LABELS = "labels"  #: the task that tells apart what the data set does


def malignant_of(classes: Iterable[str]) -> tuple[str, ...]:
    """Those of the classes that are known to be malignant."""
    return tuple(name for name in classes if _KNOWN.get(name.lower()))


def unknown_of(classes: Iterable[str]) -> tuple[str, ...]:
    """Those of which nobody says whether they are malignant."""
    return tuple(name for name in classes if name.lower() not in _KNOWN)


def as_labelled(labels: Iterable[str], malignancy: Mapping[str, str] = MappingProxyType({})) -> Task:
    """The task whose classes are the labels of a data set, in their order; `malignancy` is what that says of some."""
    classes = tuple(labels)
    said = {name: malignancy.get(name) for name in unknown_of(classes)}
    known = {*malignant_of(classes), *(name for name, one in said.items() if one == BINARY[1])}
    malignant = tuple(name for name in classes if name in known) if set(said.values()) <= set(BINARY) else None
    sought = next((label for label in ("mel", "melanoma", BINARY[1]) if label in classes), "")
    return Task(LABELS, classes, {label: label for label in classes}, malignant, sought)


def shipped_task(name: str) -> Task:
    """The task called `name`; raises UsageError where none is shipped that is."""
    if name not in SHIPPED:
        hint = hint_for(name, (*SHIPPED, LABELS), "A task of your own is a file called *.toml.")
        raise UsageError(f"There is no task {name!r}.", hint)
    return SHIPPED[name]
