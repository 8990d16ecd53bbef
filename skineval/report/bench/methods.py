"""What was done: the methods of a bench, and what one needs to know to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from skineval.base.codec import to_plain
from skineval.base.terms import (
    FIRST_PENALTIES,
    HEAD_GRADIENT,
    HEAD_STEPS,
    IMAGE,
    LESION,
    MEAN,
    NEIGHBOURS,
    OVERSAMPLE_FIRST,
    PENALTIES,
)
from skineval.data.tasks import ABSENT, LEFT_OUT
from skineval.grid.sources import SHARED
from skineval.report.bench import standings
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Facts, Fold, Paragraph
from skineval.values.keys import PROBE
from skineval.values.result import BenchResult
from skineval.values.runspec import names_file
from skineval.values.task import Task

_OF_LABELS = "task.labels."  # begins the settings that say which class each label is of
_MANY_LABELS = 25  # from which on a sentence cannot say of which class each is
_DEALT_OUT = {
    IMAGE: "single images",
    OVERSAMPLE_FIRST: "single images, after copies have brought every class to the size of the largest",
}
#: The same where all protocols test the same images.
_TRAINED_ON = {
    LESION: "all images of every other {}",
    IMAGE: "all other images, be they of the same {} or not",
    OVERSAMPLE_FIRST: "all other images, and of copies of any image that bring all classes to about the same size",
}
_UNSEEN = ("test part", "nothing is chosen on it; every figure here is reported on it")
_JUDGED = "beside the systems as they are: what scales logits, the operating point, what is kept, sets of classes"
_CHOICES = (
    ("train part", "weights; resampling, augmentation and class weights see nothing else"),
    (
        "validation part",
        (
            "the epoch that is kept (the best balanced accuracy), when to stop, the penalty of a head fitted anew, and "
            "what a strategy leaves to it: thresholds, a temperature, a parameter that is said to be chosen there"
            f"; {_JUDGED}"
        ),
    ),
    _UNSEEN,
)
#: Of a bench that trains no network.
_CHOICES_OF_PROBES = (
    ("train part", "what each head is fitted to; resampling and class weights see nothing else"),
    (
        "validation part",
        (
            "the penalty, the number of neighbours or the temperature of each head, and what a strategy leaves to it; "
            f"{_JUDGED}"
        ),
    ),
    _UNSEEN,
)
_OF_PROBES = (
    "Of a probe nothing of the network is trained: a head is fitted on embeddings of the train part. Images are not "
    "augmented. Strategies act on that head: on its loss, on the embeddings, or on how much each image counts in "
    "place of how often it is drawn. A random probe is a control: its network has random weights."
)
_AFTER_TRAINING = (
    "These strategies act on the head or on the logits of a network after it was trained, in a combination with what "
    "acts before: {}. Those that differ in nothing else share the network, and its embeddings, which are made once in "
    "float32. Where a head is fitted anew, it is as follows."
)
_BEGINS: Mapping[str, str] = MappingProxyType({"none": "random values", "imagenet": "ImageNet weights"})
_OF_A_FILE = "sha256:"
#: What each of the heads is.
_HEADS: Mapping[str, str] = MappingProxyType(
    {
        "linear": "A linear head is a multinomial logistic regression of standardised embeddings, with that penalty of "
        f"C = {formatting.listed(f'{penalty:g}' for penalty in FIRST_PENALTIES)} of which the balanced accuracy on the "
        "validation part is best; for as long as none is better than the strongest, or the weakest, the next beyond is "
        f"tried ({PENALTIES[0]:g} to {PENALTIES[-1]:g}). Each is fitted by L-BFGS to where no derivative "
        f"exceeds {HEAD_GRADIENT:g} in units of the curvature, {HEAD_STEPS:,} steps at the most.",
        NEIGHBOURS: "Neighbours are the train images that are nearest by cosine, each of which counts for its class "
        "exp(cosine / 0.07) (Wu et al. 2018); how many there are is chosen by the balanced accuracy on the validation "
        "part.",
        MEAN: "The nearest mean is the class whose mean of standardised embeddings is nearest (Mensink et al. 2013), "
        "with probabilities of which the temperature is chosen on the validation part.",
    }
)


def methods(bench: BenchResult, board: Leaderboard) -> Iterator[Block]:
    recipe = bench.recipe
    dealt = f"parts are made of {f'whole {bench.unit}s' if recipe.protocol == LESION else _DEALT_OUT[recipe.protocol]}"
    if recipe.split == SHARED:
        dealt = "test and validation images are single ones, the same under every protocol, and the train part is "
        dealt += f"made of {_TRAINED_ON[recipe.protocol].format(bench.unit)}"
    yield Paragraph(
        f"Protocol {recipe.protocol}: {dealt}, stratified by class against the reference standard. "
        "The primary metric, declared beforehand, is balanced accuracy. For intervals "
        f"{bench.unit}s are resampled within their class, differences are paired on "
        "the same images and corrected after Holm."
    )
    yield Paragraph(" ".join([*_task(bench.task), *left_out(bench)]))
    of_files = [names_file(model) for model in recipe.models]
    yield Facts(_CHOICES_OF_PROBES if recipe.freeze == PROBE or all(of_files) else _CHOICES)
    if PROBE in recipe.freeze or any(of_files):
        yield Paragraph(" ".join((_OF_PROBES, *(_HEADS[head] for head in recipe.probe))))
    after = dict.fromkeys(cell.imbalance for cell in bench.finished if cell.network and len(cell.history))
    if after:  # of trained networks: probes have no history
        named = formatting.listed(map(formatting.plain, after))
        yield Paragraph(f"{_AFTER_TRAINING.format(named)} {_HEADS['linear']}")
    yield from _beginnings(bench)
    if board.ensembles:
        yield standings.ensembles(board)
    settings = [(key, _value(value)) for key, value in recipe.model_dump().items()]
    settings += [(key, value) for key, value in _flat(to_plain(bench.environment)) if "fingerprint" in key]
    yield Facts(tuple(settings))


def _beginnings(bench: BenchResult) -> Iterator[Paragraph]:
    """What each network begins with; embeddings of a file are of none that is known."""
    begins: dict[str, list[str]] = {}
    of_files = {model.partition(":")[0] for model in bench.recipe.models if names_file(model)}
    for model, identity in bench.environment.initial_weights.items():
        digest = identity.removeprefix(_OF_A_FILE)
        words = _BEGINS.get(identity, f"the file of weights with the sha256 {digest[:12]}...")
        if model.partition(" ")[0] not in of_files:
            begins.setdefault(words, []).append(formatting.plain(model))
    if begins:
        told = "; ".join(f"{formatting.listed(models)} with {words}" for words, models in begins.items())
        yield Paragraph(f"Networks begin so: {told}.")


def _task(task: Task) -> Iterator[str]:
    """Which labels each class takes, and what is known of malignancy."""
    taken = {name: [label for label, of in task.labels.items() if of == name] for name in task.classes}
    if all(labels == [name] for name, labels in taken.items()):
        yield f"Task {formatting.plain(task.name)}: each class takes the label of its own name."
    elif len(task.labels) > _MANY_LABELS:
        yield (
            f"Task {formatting.plain(task.name)}: {len(task.classes)} classes take {len(task.labels)} labels; which "
            "takes which stands below, under Environment."
        )
    else:
        words = (f"{name} takes {formatting.listed(sorted(labels))}" for name, labels in taken.items())
        yield f"Task {formatting.plain(task.name)}: {'; '.join(words)}."
    if task.malignant is None:
        yield "Which of its classes are malignant is not known, so there are no figures of malignancy."
    elif task.malignant:
        yield f"Counted as malignant: {formatting.listed(map(formatting.plain, task.malignant))}."
    else:
        yield "None of its classes counts as malignant, so there are no figures of malignancy."


def left_out(bench: BenchResult) -> Iterator[str]:
    """Which labels and classes were left out, with their images."""
    for note in bench.environment.data.notes:
        if note.startswith((LEFT_OUT, ABSENT)):
            yield f"{note[:1].upper()}{note[1:]}."


def environment(bench: BenchResult) -> Iterator[Block]:
    """What one needs to know to repeat the bench; which labels many classes take is told to those who ask."""
    said = to_plain(bench.environment) | {"command": shlex.join(bench.environment.command)}  # as one types it again
    facts = tuple(_flat(said))
    many = [fact for fact in facts if fact[0].startswith(_OF_LABELS)] if len(bench.task.labels) > _MANY_LABELS else []
    yield Facts(tuple(fact for fact in facts if fact not in many))
    if many:
        told = tuple((label.removeprefix(_OF_LABELS), class_) for label, class_ in many)
        yield Fold(f"The class of each of {len(many)} labels", (Facts(told),))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or formatting.MISSING
    return formatting.MISSING if value is None else str(value)
