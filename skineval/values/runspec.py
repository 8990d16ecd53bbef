"""One cell as a value: `RunSpec`, everything that can change its result, and what identifies it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from skineval.base.codec import to_plain
from skineval.base.terms import Fit, Tta, Value
from skineval.values.keys import Keys

#: Raised whenever the meaning of a cell changes (loop, split, resize, fit of a head): no old cell is a new one.
PROTOCOL_VERSION = 5


#: How the name of a row calls what is fitted on embeddings, by `RunSpec.probe`.
HEADS: Mapping[str, str] = MappingProxyType({"linear": "probe", "neighbours": "neighbours", "mean": "nearest mean"})

#: Before the parameter that names a file, which comes last, since it may hold any character.
OF_FILE = ":file="


def names_file(text: str) -> bool:
    """Whether what is chosen by `text` is what a file holds."""
    return OF_FILE in text


@dataclass(frozen=True)
class Selection:
    """A specification as chosen in a recipe: its name with every parameter resolved.

    `text` is the canonical spelling, with only those parameters that differ from their default.
    """

    name: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    text: str = ""  #: the name, where nothing is given

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text or self.name)

    def __str__(self) -> str:
        return self.text


NONE = Selection("none")  #: the strategy that changes nothing


@dataclass(frozen=True)
class Training:
    """How a network is trained: what the loop needs to know beside the network and the images.

    Without `epochs` nothing of it is trained but a head, on its embeddings, for which nothing else here counts.
    """

    epochs: int
    batch_size: int
    learning_rate: float  #: the peak
    optimizer: str = Keys.optimizer
    weight_decay: float = Keys.weight_decay
    schedule: str = Keys.schedule
    warmup: float = Keys.warmup  #: epochs
    plateau_factor: float = Keys.plateau_factor
    plateau_patience: int = Keys.plateau_patience  #: epochs
    patience: int = Keys.patience  #: epochs until training stops early
    label_smoothing: float = Keys.label_smoothing
    gradient_clip: float = Keys.gradient_clip  #: largest norm of all gradients together; 0: any
    ema: float = Keys.ema  #: decay of the average of weights; 0: none is kept
    freeze_epochs: int = 0  #: epochs for which only the head is trained
    backbone_rate: float = Keys.backbone_rate  #: learning rate of the backbone over that of the head
    augment: str = Keys.augment  #: as `skineval.values.augmentations.canonical` writes it


@dataclass(frozen=True)
class RunSpec:
    """One cell: everything that can change its result, and nothing else (no device, no folder, no order)."""

    model: Selection
    imbalance: Selection
    fold: int
    seed: int
    task: str
    classes: tuple[str, ...]
    data: str  #: fingerprint of the data set
    split: str  #: fingerprint of the split
    image_size: int  #: pixels a side; 0 where nothing looks at images, since they were embedded elsewhere
    training: Training
    weights: str  #: what the network really begins with: "none", "imagenet", or "sha256:..." of a file
    precision: str  #: "fp32" or "bf16", resolved
    model_package: str = ""  #: the third-party package, with version, that the model comes from
    imbalance_package: str = ""
    fit: Fit = Keys.fit  #: how images become squares
    tta: Tta = Keys.tta  #: test-time augmentation
    on_embeddings: bool = False  #: the network is trained as others have it, too, or is not trained
    #: what of the strategy it is trained with then, and the package of that; the rest is done to its embeddings
    trained: Selection = NONE
    trained_package: str = ""
    probe: str = ""  #: what is fitted on the embeddings of a network that stays as it begins; "" where it is trained
    protocol_version: int = PROTOCOL_VERSION

    @property
    def is_probe(self) -> bool:
        """Whether the network stays as it begins, and a head is fitted on its embeddings."""
        return bool(self.probe)

    @property
    def initial_seed(self) -> int:
        """Of the random values that the network begins with."""
        return initial_seed(self.model, self.probe, self.seed, self.fold)

    @property
    def run_id(self) -> str:
        """A readable slug and a hash of every field."""
        fields = to_plain(self)
        del fields["trained"], fields["trained_package"]  # which follow from the strategy
        if not self.probe:
            del fields["probe"]  # which cells of trained networks did without before there were several kinds
        return f"{self._slug}-{_digest(fields)}"

    @property
    def network_id(self) -> str:
        """Like `run_id`, for the network: the same for cells that differ only in what is done to the embeddings."""
        if not self.on_embeddings:
            return self.run_id
        network = dataclasses.replace(self, imbalance=self.trained, imbalance_package=self.trained_package)
        return dataclasses.replace(network, on_embeddings=False).run_id

    @property
    def _slug(self) -> str:
        return f"{_slug(str(self.model))}-{_slug(str(self.imbalance))}-f{self.fold}-s{self.seed}"


def initial_seed(model: Selection, probe: str, seed: int, fold: int = 0) -> int:
    """Of the random values that a network begins with: all folds and heads of a probe have one network."""
    if not probe:
        return derive_seed("initial weights", model, seed, fold)
    of_all = f"{str(model).removesuffix(f'{HEADS[probe]})')}{HEADS['linear']})"
    return derive_seed("initial weights", of_all, seed)


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from a cell's identity: adding a model never changes another's numbers."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-")[:40]
