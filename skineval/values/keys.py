"""The keys of a recipe, one row each: everything that is said of a key is said here.

The fields of `Recipe`, the flags of commands, their help, what a search varies and hands on, and which bench goes on
from which follow from it. A setting of training has a field in `Training` as well, which the loop reads.
"""

# ruff: noqa: RUF009 - a call in a row makes a field of it; no default is shared that could be changed

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from skineval.base.terms import Fit, GroupBy, Tta
from skineval.values.kinds import (
    Amount,
    Augment,
    Averaged,
    BatchSize,
    Columns,
    Count,
    DeviceName,
    Few,
    Files,
    Freeze,
    Held,
    Names,
    Number,
    Part,
    Place,
    Places,
    Probes,
    Protocols,
    Rate,
    Seeds,
    Several,
)

REQUIRED: Any = ...  #: instead of a default, of what has none

# What a key changes: the panels of help, in the order in which they are shown.
COMPARED = "What is compared"
DATA = "Data"
PARTS = "Task and parts"
IMAGES = "Images and networks"
TRAINING = "Training"
RUN = "How it is run"  #: and no result
PANELS = (COMPARED, DATA, PARTS, IMAGES, TRAINING, RUN)

PROBE = "all"  #: what `freeze` calls a network of which nothing is trained

# How the values of a key are searched.
LINEAR, LOGARITHMIC, WHOLE, NAMED = "linear", "logarithmic", "whole", "named"

# What a flag that is given more than once says.
EACH = "each"  #: a value each time
JOINED = "joined"  #: more of one list with commas

# Which other values of a key leave the cells of a bench as they are.
MORE = "more"  #: those that hold all of the earlier ones
WIDER = "wider"  #: texts that say the same and what else is looked for, as "image=file|img" after "image=file"
OF_DATA = "of data"  #: those with the same for the data sets of the bench itself, before those of external tests
ANY = "any"  #: all, since nothing is trained by it


@dataclass(frozen=True)
class Key:
    """What is known of a key beside its name and type."""

    panel: str
    metavar: str = ""  #: what its flag is followed by; empty for a flag by itself
    default: Any = REQUIRED
    repeated: str = ""  #: what its flag says that is given more than once: EACH, JOINED, or none, and the last counts
    keeps: str = ""  #: which other values keep the cells of a bench: MORE, WIDER, OF_DATA, ANY, or none
    tuned: bool = True  #: a search has a use for it, as it has for none that keeps ANY and is handed on to the winner
    search: str = ""  #: how its values are searched; empty where they are not
    needs: tuple[str, str] | None = None  #: another key, and the value without which this one does nothing
    help: str = ""

    def says(self, help: str) -> Any:
        """The field of a row, with the words that explain it to users."""
        default = MISSING if self.default is REQUIRED else self.default
        return field(default=default, metadata={"key": replace(self, help=help)})


@dataclass(frozen=True, kw_only=True)
class Keys:
    """All of them, in the order in which recipes are written."""

    models: Several = Key(COMPARED, "NAMES", keeps=MORE).says(
        "Architectures, comma-separated; globs work, parameters follow the name: resnet*,cnn:width=32."
    )
    imbalance: Several = Key(COMPARED, "NAMES", ("none",), keeps=MORE).says(
        "Imbalance strategies, comma-separated: none,class-weights,smote:k=3."
    )
    explainers: Names = Key(COMPARED, "NAMES", ("gradcam",), keeps=ANY).says(
        "Explainers, comma-separated; empty for none."
    )
    data: Places = Key(DATA, "FOLDER|NAME").says(
        "A folder with images and metadata, or the name of a data set; several, comma-separated, are one data set, in "
        "which every picture counts once."
    )
    columns: Columns = Key(DATA, "ROLE=COLUMN", (), repeated=JOINED, keeps=WIDER).says(
        "What the columns of a table of one's own hold, comma-separated: image=file,label=diagnosis, and perhaps "
        "lesion, patient, age, sex, localization, source, part; for folders in which a table has these columns. Where "
        'tables differ, "image=file|img" is the first that each has.'
    )
    table: Files = Key(DATA, "FILE", (), repeated=JOINED, keeps=OF_DATA).says(
        "That table; by default it lies in the folder of --data. Of several data sets one each, comma-separated."
    )
    external: Names = Key(DATA, "FOLDER|NAME", (), repeated=EACH, keeps=ANY).says(
        "Further data sets, folders or names, which every cell predicts, as external tests."
    )
    reject: bool = Key(DATA, "", False, keeps=ANY).says(
        "Measure on external tests how well low confidence rejects images of classes that the task does not have."
    )
    groups: Place | None = Key(DATA, "FILE", None).says(
        "A CSV file of confirmed pairs (image_a, image_b) that show one lesion: they are never parted."
    )
    group_by: GroupBy = Key(PARTS, "NAME", "auto").says(
        "What is never parted, and is resampled for intervals: lesion, or patient with all lesions; auto is patient "
        "where the data names any, else lesion."
    )
    known_lesions: bool = Key(DATA, "", False).says(
        "Leave out images of which the data names neither lesion nor patient; otherwise they keep it from being parted "
        "without leaks."
    )
    quarantine: Place | None = Key(DATA, "FILE", None).says(
        "A CSV file of images to leave out (image_id, reason), as `skineval data check --quarantine` writes."
    )
    task: Place = Key(PARTS, "NAME|FILE", "dx7").says(
        "What is told apart. dx7: seven diagnoses; malignant: melanoma, basal cell carcinoma, actinic keratosis "
        "against the rest; melanoma: melanoma against the rest; isic2019: its eight classes; labels: what the data "
        "tells apart; or a TOML file that says which labels each class takes."
    )
    strict_classes: bool = Key(PARTS, "", False).says(
        "Refuse data without images of a class, instead of telling the other classes apart."
    )
    protocol: Protocols = Key(PARTS, "NAMES", "lesion").says(
        "How parts are made: lesion keeps the images of a lesion together; image does not (LEAKY); oversample-first "
        "copies images until all classes are as large as the largest, and then does not (LEAKY). A bench takes "
        "several, comma-separated, lesion among them, and measures what leaks add on the same test images."
    )
    split: Place | None = Key(PARTS, "FILE|NAME", None).says(
        "A split made elsewhere: a CSV file (image_id, part, perhaps fold), or official for the data set's own; or "
        "shared, whose test images are single ones, the same under every protocol."
    )
    folds: Few = Key(PARTS, "N", 1).says("1: one hold-out of train, validation and test; N: N-fold cross-validation.")
    repeats: Few = Key(PARTS, "N", 1).says("How often the folds are dealt out anew.")
    seeds: Seeds = Key(COMPARED, "N,N", (0,), keeps=MORE).says(
        "Seeds of training, comma-separated; every one repeats the grid."
    )
    split_seed: Number = Key(PARTS, "N", 0).says(
        "Seed of the split; it has its own so that training seeds do not move images between parts."
    )
    epochs: Count = Key(TRAINING, "N", 30, search=WHOLE).says("Passes over the train part at most.")
    batch_size: BatchSize = Key(TRAINING, "N|auto", 64, search=WHOLE).says(
        "Images a step; auto: as many as memory allows, up to 256."
    )
    learning_rate: Rate = Key(TRAINING, "RATE|auto", "auto", search=LOGARITHMIC).says(
        "Peak learning rate, or auto: 1e-3 from scratch, 3e-4 from pretrained weights."
    )
    weight_decay: Amount = Key(TRAINING, "NUMBER", 0.05, search=LOGARITHMIC).says(
        "Weight decay, decoupled in adamw, L2 in adam and sgd; biases and normalisation layers are exempt."
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Key(TRAINING, "NAME", "adamw", search=NAMED).says(
        "adamw, adam, or sgd (Nesterov momentum 0.9)."
    )
    schedule: Literal["cosine", "one-cycle", "plateau", "constant"] = Key(
        TRAINING, "NAME", "cosine", search=NAMED
    ).says("The rate over time: cosine, one-cycle, plateau (lower when the validation loss stalls), constant.")
    warmup: Amount = Key(TRAINING, "EPOCHS", 1.0, search=LINEAR).says(
        "Epochs of linear warm-up, a fraction allowed; one-cycle has its own."
    )
    plateau_factor: Annotated[float, Held(gt=0, lt=1)] = Key(
        TRAINING, "NUMBER", 0.5, search=LINEAR, needs=("schedule", "plateau")
    ).says("What the plateau schedule multiplies the rate by.")
    plateau_patience: Number = Key(TRAINING, "EPOCHS", 3, search=WHOLE, needs=("schedule", "plateau")).says(
        "Epochs without a lower validation loss that the plateau schedule accepts."
    )
    patience: Count = Key(TRAINING, "EPOCHS", 10, search=WHOLE).says(
        "Stop after so many epochs without a better validation balanced accuracy."
    )
    label_smoothing: Part = Key(TRAINING, "NUMBER", 0.0, search=LINEAR).says(
        "Share of a target that is spread evenly over all classes."
    )
    gradient_clip: Amount = Key(TRAINING, "NORM", 0.0, search=LINEAR).says("Largest norm of the gradient; 0 for any.")
    ema: Part = Key(TRAINING, "DECAY", 0.0, search=LINEAR).says(
        "Decay of a running average of the weights, which is then what is kept, such as 0.999; 0 for none."
    )
    freeze: Freeze = Key(TRAINING, "NAMES", "none", search=NAMED, keeps=MORE).says(
        "none; backbone: train only the head in the first epochs; or all: train no network, but fit a head on its "
        "embeddings (a probe). none,all has both in one table."
    )
    probe: Probes = Key(COMPARED, "NAMES", ("linear",), tuned=False, keeps=MORE).says(
        "What is fitted on embeddings where the whole network is frozen: linear (logistic regression), neighbours (the "
        "nearest), mean (the nearest class mean); several, comma-separated, are a row each."
    )
    freeze_epochs: Count = Key(TRAINING, "N", 1, search=WHOLE, needs=("freeze", "backbone")).says(
        "For how many epochs the backbone is frozen."
    )
    backbone_rate: Annotated[float, Held(gt=0, le=1)] = Key(TRAINING, "FRACTION", 1.0, search=LOGARITHMIC).says(
        "Learning rate of the backbone as a fraction of the head's."
    )
    augment: Augment = Key(IMAGES, "NAMES", "basic", search=NAMED).says(
        "Augmentation of train images: none, basic, strong, or any of their components: flip,rotate,mixup."
    )
    tta: Tta = Key(IMAGES, "NAME", "none", tuned=False).says(
        "Test-time augmentation: none, or d4, the mean over the eight turns and mirrorings."
    )
    ensemble: Averaged = Key(COMPARED, "NAMES", (), keeps=ANY).says(
        "Further rows of every table: the mean of the probabilities over seeds, models (all of the bench), or folds "
        "(on external tests only); comma-separated, several are averaged together."
    )
    image_size: Annotated[int, Held(ge=16, le=1024)] = Key(IMAGES, "PIXELS", 224).says(
        "Pixels a side of what the network sees."
    )
    fit: Fit = Key(IMAGES, "NAME", "squash").says(
        "How an image becomes a square: squash the whole, crop its centre, or pad the whole with black."
    )
    weights: Places = Key(IMAGES, "NAME|FILE", ("imagenet",), repeated=JOINED).says(
        "Initial weights: imagenet (where a network has any), none, or a file (.safetensors, .pt, .pth, .ckpt, .bin); "
        "of one model alone MODEL=FILE. A bench takes several, comma-separated, and has a row for each: imagenet,none."
    )
    precision: Literal["auto", "fp32", "bf16"] = Key(IMAGES, "NAME", "auto").says(
        "fp32, bf16, or auto, which goes by the architecture and the device and says why; it is part of what "
        "identifies a cell."
    )
    limit: Count | None = Key(DATA, "IMAGES", None).says(
        "Use about so many images, whole lesions, stratified; every output then says NOT COMPARABLE."
    )
    replicates: Annotated[int, Held(ge=1000, le=100_000)] = Key(COMPARED, "N", 2000, keeps=ANY).says(
        "Bootstrap replicates behind every interval, at least 1000."
    )
    device: DeviceName = Key(RUN, "DEVICE", "auto").says("auto, cpu, cuda, cuda:N or mps.")
    deterministic: bool = Key(RUN, "", False).says(
        "Deterministic algorithms on GPUs, which are slower by what the cell then notes; CPUs always are."
    )
    jobs: Annotated[int, Held(ge=1, le=256)] = Key(RUN, "N", 1, tuned=False).says(
        "Cells trained at the same time, each in its own process."
    )


KEYS: Mapping[str, Key] = {row.name: row.metadata["key"] for row in fields(Keys)}
#: Those that say how the data set is read by which predictions are scored.
READ_BY = ("columns", "table", "group_by")
HELP: Mapping[str, str] = {name: key.help for name, key in KEYS.items()}
NEEDS: Mapping[str, tuple[str, str]] = {name: key.needs for name, key in KEYS.items() if key.needs}
