"""The card of a model: what it is, what it is not for, what it was trained on and how good it was shown to be.

As Hugging Face reads cards: metadata in YAML, then Markdown. What a report says of a bench, the card says in its words.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from skineval.base.terms import NO_DIAGNOSIS, PRIMARY, SYNTHETIC
from skineval.data.layouts import ham10000
from skineval.publish.graph import LOGITS, OPSET, PROBABILITIES
from skineval.publish.parity import Parity
from skineval.publish.preparation import IMAGES
from skineval.report.bench import standings
from skineval.report.bench.bench import externals, flow, limitations, subject
from skineval.report.bench.leaderboard import Leaderboard, internal
from skineval.report.bench.methods import methods
from skineval.report.bench.sources import by_source
from skineval.report.document import formatting, markdown
from skineval.report.document.blocks import Block, Bullets, Code, Facts, Fold, Paragraph, Report, Section
from skineval.report.document.tables import Table, tabulate_facts
from skineval.train.classifier import Classifier
from skineval.values.measures import Score, system_name
from skineval.values.result import BenchResult
from skineval.values.task import CLASS_NAMES

_PACKAGES = ("skineval", "torch", "torchvision", "onnx", "onnxscript", "onnxruntime")
_INTENDED = (
    "Research on classifiers of skin lesions: repeating and comparing results, studying mistakes and calibration.",
    "Teaching how such classifiers are trained, measured and exported.",
)
_NOT_INTENDED = (
    "Diagnosis, triage, or any decision about a person, by professionals or by themselves.",
    "Images unlike those it was tested on, of other cameras, places or people: how it does there is not known.",
    "Images of none of its classes: it takes each for one of them.",
)
_ONNX_USE = """
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
photograph = ImageOps.exif_transpose(Image.open("photograph.jpg")).convert("RGB")
probabilities, _ = session.run(None, {"images": np.asarray(photograph)[None]})
print(dict(zip(classes, probabilities[0])))
"""
_SKINEVAL_USE = """
import skineval

model = skineval.load_model("FOLDER")
print(model.predict_proba(["photograph.jpg"]), model.classes)
"""
_OF_FIGURES = (
    "Figures are of this very model on the test part of its bench, beside trivial rules that look at no image."
)
_OF_RESIZING = (
    "The graph resizes as Pillow does. So does skineval, but where images shrink by 1.5 or more, torch does it for "
    "speed: then some pixels differ by one grey level, and probabilities by as much as that means to the network."
)
#: Paths from the root of a system, up to their last part, which alone is published.
_ABSOLUTE = re.compile(r"(?:(?<=^)|(?<=[ =,]))(?:[A-Za-z]:)?[\\/](?:[^\\/,]*[\\/])*")


@dataclass(frozen=True, eq=False)
class Known:
    """All that a card may tell."""

    classifier: Classifier
    bench: BenchResult | None  #: of this model alone, with its measures
    parity: Parity

    @property
    def name(self) -> str:
        """What the model is called: its architecture and its imbalance strategy."""
        about = self.classifier.about
        return system_name(about.architecture, about.imbalance)

    @property
    def data(self) -> str:
        """The name of the data set; "" where it is not known."""
        return self.bench.environment.data.name if self.bench else ""

    @property
    def of_ham10000(self) -> bool:
        """Whether it was trained on HAM10000, or on a folder like that."""
        return self.bench is not None and self.bench.environment.data.layout.startswith(ham10000.NAME)


def card(known: Known) -> str:
    """README.md."""
    report = Report(f"Model card: {formatting.plain(known.name)}", known.classifier.stamps, tuple(_sections(known)))
    return f"---\n{_metadata(known)}---\n\n{markdown.document(report)}"


def licence(known: Known) -> str:
    """LICENSE: which licence there is, and that somebody has to choose one."""
    bench = known.bench
    of_data = bench.environment.data.licence if bench else ""
    data = f"The training data, {formatting.plain(known.data)}," if bench else "The training data"
    if known.of_ham10000:
        told = f"{data} are licensed {ham10000.LICENCE}: for non-commercial use, with attribution."
    elif SYNTHETIC in map(formatting.stamp_word, known.classifier.stamps):
        told = f"{data} are synthetic images, on which nobody has rights."
    elif of_data:
        told = f"{data} are licensed {formatting.plain(of_data)}."
    else:
        told = f"{data} are of a licence that is not known here: find out what it allows."
    begun = known.classifier.about.initial_weights
    files = formatting.listed(formatting.plain(one.file) for one in begun.files if one.file)
    weights = f"Training began with {files}, which has a licence of its own.\n" if files else ""
    return (
        f"No licence has been chosen for these weights. Choose one before you publish them, and replace this file.\n"
        f"{told}\n{weights}skineval, with which they were trained and exported, is licensed MIT; predict.py, too.\n"
    )


def parity_table(known: Known) -> Table:
    """How far the graph and the network agree."""
    return tabulate_facts(
        f"ONNX against torch: {formatting.plain(known.name)}", _agreement(known.parity), stamps=known.classifier.stamps
    )


def _sections(known: Known) -> Iterator[Section]:
    classifier, bench = known.classifier, known.bench
    yield Section("What it is", tuple(_what(classifier)))
    yield Section(
        "Intended use",
        (Paragraph("It is for:"), Bullets(_INTENDED), Paragraph("It is not for:"), Bullets(_NOT_INTENDED)),
    )
    yield Section("How to use it", tuple(_use(classifier)))
    yield Section("Inputs and outputs", tuple(_interface(classifier)))
    if bench is not None:
        yield from _of_bench(known, bench)
    else:
        yield Section("Figures", (Paragraph("There is no bench around this model: how good it is is not known here."),))
        yield Section("Training", (Facts(tuple(_training(classifier))),))
    agreement = Facts(tuple(_agreement(known.parity)))
    yield Section("Agreement of ONNX and torch", (agreement, Paragraph(_OF_RESIZING)))
    if bench is None:
        yield Section("Limitations", (Bullets((*map(formatting.stamp_meaning, classifier.stamps), NO_DIAGNOSIS)),))
    yield Section("Versions", (Facts(tuple(_versions(bench))),))


def _of_bench(known: Known, bench: BenchResult) -> Iterator[Section]:
    """What the bench says of this model alone."""
    board = internal(bench)
    yield Section("Figures", (Paragraph(_OF_FIGURES), standings.comparison(board)))
    yield Section("Classes", (standings.per_class(board, bench.finished[0].system, board.shown),))
    yield Section("Calibration", (standings.calibration(board),))
    further, sources = standings.further(board), by_source(bench, board)
    if further is not None:
        yield Section("Further metrics", (further,))
    if sources is not None:
        yield Section("Data sets", (sources,))
    if bench.externals:
        yield Section("External tests", tuple(externals(bench, board)))
    yield Section("Training data", (Paragraph(subject(bench)), Facts(_data(bench)), *flow(bench, board.shown)))
    recipe = tuple(map(_without_paths, methods(bench, board)))
    facts = Facts(tuple(_training(known.classifier)))
    yield Section("Training", (facts, Fold("Methods and recipe", recipe)))
    yield Section("Limitations", (Bullets(tuple(limitations(bench, board))),))


def _what(classifier: Classifier) -> Iterator[Block]:
    about = classifier.about
    classes = [
        f"{formatting.plain(name)} ({CLASS_NAMES[name]})" if name in CLASS_NAMES else formatting.plain(name)
        for name in classifier.classes
    ]
    yield Paragraph(
        f"A network ({formatting.plain(about.architecture)}) that takes an image of a skin lesion for one of "
        f"{len(classes)} classes: {formatting.listed(classes)}. It was trained with the imbalance strategy "
        f"{formatting.plain(about.imbalance)} by skineval."
    )
    yield Paragraph(NO_DIAGNOSIS, weighty=True)
    for stamp in classifier.stamps:
        yield Paragraph(f"{formatting.stamp_meaning(stamp)}.", weighty=True)
    for remark in classifier.remarks:
        yield Paragraph(remark, weighty=True)


def _use(classifier: Classifier) -> Iterator[Block]:
    yield Paragraph("With ONNX Runtime alone, in this folder; predict.py does the same for many photographs:")
    yield Code(_ONNX_USE, "python")
    package = classifier.about.package
    needed = f" and {formatting.plain(package)}, with which its architecture came" if package else ""
    yield Paragraph(f"With skineval{needed}; FOLDER is this one:")
    yield Code(_SKINEVAL_USE, "python")


def _interface(classifier: Classifier) -> Iterator[Block]:
    about, classes = classifier.about, len(classifier.classes)
    sides = "" if about.tta == "none" else ", the mean over the eight turns and mirrorings of the image"
    yield Facts(
        (
            (f"input: {IMAGES}", "uint8 (N, H, W, 3): RGB, upright, as large as they are, all of a batch alike"),
            (f"output: {PROBABILITIES}", f"float32 (N, {classes}): of the classes in their order{sides}"),
            (f"output: {LOGITS}", f"float32 (N, {classes}): of the image as it was given"),
            ("inside the graph", f"{about.preprocessing}; normalisation, softmax, and all that is chosen below"),
            ("image_size", str(about.image_size)),
            ("normalisation", f"mean {_numbers(about.normalisation.mean)}, std {_numbers(about.normalisation.std)}"),
            ("opset", str(OPSET)),
        )
    )
    head = formatting.plain(classifier.about.head) or "nothing"
    yield Paragraph(
        f"Operating point: the class of the largest probability is called. Chosen on the validation part: {head}."
    )


def _data(bench: BenchResult) -> tuple[tuple[str, str], ...]:
    data, split = bench.environment.data, bench.environment.split
    lesions = formatting.count(data.lesions) if data.lesions is not None else "not known"
    return (
        ("data set", formatting.plain(data.name)),
        ("licence", formatting.plain(data.licence) or "not known"),
        ("images", formatting.count(data.images)),
        ("lesions", lesions),
        ("fingerprint of the data", data.fingerprint),
        ("protocol", split.protocol),
        ("fingerprint of the split", split.fingerprint),
    )


def _training(classifier: Classifier) -> Iterator[tuple[str, str]]:
    about = classifier.about
    given = " ".join(f"{key}={value}" for key, value in about.parameters.items())
    yield "architecture", formatting.plain(f"{about.architecture} {given}")
    yield "imbalance strategy", formatting.plain(about.imbalance)
    yield "initial weights", formatting.plain(f"{about.initial_weights.source} {about.initial_weights.lacking}")
    yield "best epoch", str(about.best_epoch)
    yield "precision of training", about.precision
    yield "run id", formatting.plain(about.run_id)
    for note in about.notes:
        yield "note", formatting.plain(note)


def _agreement(parity: Parity) -> list[tuple[str, str]]:
    return [
        ("images", f"{formatting.count(parity.n_images)} {formatting.plain(parity.images)}"),
        ("largest difference of logits", f"{parity.logits:.2g}"),
        ("largest difference of probabilities", f"{parity.probabilities:.2g}"),
        ("equal classes", formatting.percent(parity.equal, 2)),
        (
            "pixels of photographs, resized by the graph and by Pillow",
            formatting.plural(parity.grey_levels, "grey level"),
        ),
        ("probabilities of photographs, resized so", f"{parity.resized:.2g}"),
        ("probabilities of photographs, resized by skineval predict", f"{parity.predicted:.2g}"),
    ]


def _versions(bench: BenchResult | None) -> Iterator[tuple[str, str]]:
    if bench is not None:
        environment = bench.environment
        for name, number in environment.versions.items():
            yield f"{name}, trained", formatting.plain(number)
        yield "platform, trained", formatting.plain(f"{environment.platform} {environment.machine}")
    for name in _PACKAGES:
        yield f"{name}, exported", version(name)


def _without_paths(block: Block) -> Block:
    """Where files lie on the machine of training is nobody's business."""
    if not isinstance(block, Facts):
        return block
    return Facts(tuple((name, _ABSOLUTE.sub("", value)) for name, value in block.items))


def _metadata(known: Known) -> str:
    """Each key with its value as JSON, which is YAML, too."""
    classifier = known.classifier
    stamps = [_slug(formatting.stamp_word(stamp)) for stamp in classifier.stamps]
    values: dict[str, object] = {
        "license": "other",
        "license_name": "not-chosen",
        "license_link": "LICENSE",
        "pipeline_tag": "image-classification",
        "library_name": "onnx",
        "tags": ["skineval", "skin-lesion", "dermatoscopy", "image-classification", "onnx", *stamps],
    }
    if known.bench is not None:
        metrics = _results(internal(known.bench), known.bench.finished[0].system)
        values["datasets"] = [_slug(known.data)]
        values["metrics"] = [one["type"] for one in metrics]
        values["model-index"] = [{"name": formatting.plain(known.name), "results": [_result(known.bench, metrics)]}]
    return "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n" for key, value in values.items()
    )


def _result(bench: BenchResult, metrics: Sequence[dict[str, object]]) -> dict[str, object]:
    name = formatting.plain(bench.environment.data.name)
    return {
        "task": {"type": "image-classification", "name": f"skin lesions, {formatting.plain(bench.task.name)}"},
        "dataset": {"type": _slug(name), "name": formatting.stamped(name, bench.warnings), "split": "test"},
        "metrics": metrics,
    }


def _results(board: Leaderboard, system: str) -> list[dict[str, object]]:
    """The figures of the main table and of calibration, the primary one first, with their intervals in words."""
    found = []
    for key, (column, figures) in sorted(standings.shown(board).items(), key=lambda one: one[0] != PRIMARY):
        figure = figures.get(system)
        if isinstance(figure, Score) and math.isfinite(figure.value):
            words = f"{column.name} {formatting.interval(figure.low, figure.high)}".strip()
            found.append({"type": key, "value": round(figure.value, 4), "name": words})
    return found


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", formatting.plain(text).lower()).strip("-") or "unknown"
