"""What is told of a model before anybody believes it: `GET /api/model`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skineval.base.terms import NO_DIAGNOSIS
from skineval.demo.limits import MOST_BYTES
from skineval.demo.predicting import Demonstration
from skineval.demo.samples import Samples
from skineval.demo.standing import Standing
from skineval.measure.operating import SENSITIVITY, OperatingPoint
from skineval.report.document import formatting
from skineval.report.predicted import told
from skineval.values.measures import Score, system_name
from skineval.values.task import CLASS_NAMES


def statement(shown: Demonstration, samples: Samples) -> dict[str, Any]:
    """All that the page says of a model: see page/openapi.json."""
    classifier, standing = shown.classifier, shown.standing
    about = classifier.about
    point = standing.point if standing else None
    silent = shown.silent
    return {
        "model": system_name(about.architecture, about.imbalance),
        "stamps": [formatting.stamp_meaning(stamp) for stamp in classifier.stamps],
        "notice": NO_DIAGNOSIS,
        "remarks": [text for text in told(classifier) if text != NO_DIAGNOSIS],
        "standing": list(_of(standing)),
        "score": None if standing is None else _figure(standing.score),
        "operating_point": None if point is None else _point(point),
        "classes": [
            {"label": name, "name": CLASS_NAMES.get(name, name), "malignant": name in shown.malignant}
            for name in classifier.classes
        ],
        "image_size": classifier.image_size,
        "fit": about.fit,
        "most_bytes": MOST_BYTES,
        "explainers": [
            {"name": name, "summary": one.explainer.summary, "silence": ""} for name, one in shown.explainers.items()
        ]
        + [{"name": name, "summary": "", "silence": reason} for name, reason in silent.items()],
        "samples": [
            {"url": f"api/samples/{place}", "label": one.label, "name": CLASS_NAMES.get(one.label, one.label)}
            for place, one in enumerate(samples.images)
        ],
        "samples_origin": samples.origin,
    }


def _of(standing: Standing | None) -> Iterator[str]:
    """Sentences on what a model was trained and tested on."""
    if standing is None:
        yield "What it was trained and tested on is not known: its folder does not lie in a bench."
        return
    score, unit = standing.score, standing.unit
    trained = formatting.sample(standing.train_images, standing.train_lesions, unit)
    tested = formatting.sample(score.n_images, score.n_lesions, unit)
    yield f"Trained on {trained} of the data set {standing.data}, tested on {tested} of it that are no part of these."
    figure = formatting.format_estimate(score)
    yield f"Balanced accuracy there: {figure}. That is the mean, over diagnoses, of the share that it gets right."
    if standing.point is not None:
        threshold = formatting.percent(standing.point.threshold)
        found, left = map(formatting.format_estimate, (standing.point.sensitivity, standing.point.specificity))
        yield (
            f"It counts as suspicious what has a probability of malignancy of {threshold} or more: with that threshold "
            f"it found at least {formatting.percent(SENSITIVITY, 0)} of the malignant validation images. Of the test "
            f"images that found {found} of the malignant ones, and left {left} of the benign ones alone."
        )


def _figure(score: Score) -> dict[str, float | int | None]:
    """A figure with its interval, whose ends are null where they are not known."""
    low, high = (None if end != end else end for end in (score.low, score.high))
    return {"value": score.value, "low": low, "high": high, "images": score.n_images, "lesions": score.n_lesions}


def _point(point: OperatingPoint) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "sensitivity": _figure(point.sensitivity),
        "specificity": _figure(point.specificity),
    }
