"""What a model says of one image: probabilities, malignancy, and a map of where it looked."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from skineval.base.errors import NoMapError, UsageError, hint_for, one_line
from skineval.base.terms import NO_DIAGNOSIS, UNDECIDED
from skineval.catalog.catalog import Catalog
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.pixels.resizing import accelerated
from skineval.demo.standing import Standing
from skineval.explain.gallery import enlargement, heat, silence
from skineval.explain.panels import Explaining, Network
from skineval.measure.metrics import predicted
from skineval.train.classifier import Classifier
from skineval.train.predict import ignore_progress
from skineval.values.task import malignant_of

IMAGE = "The image"  #: what every image is called: of what a file is called nothing is repeated
_OPAQUE = 1.0  #: of a map where relevance is largest; whoever shows it makes it fainter


@dataclass(frozen=True, eq=False)
class Demonstration:
    """A trained model, and what is known of it."""

    classifier: Classifier
    explainers: Mapping[str, Explaining]  #: those that have a map of it
    silent: Mapping[str, str]  #: of the others, why they have none
    standing: Standing | None

    @property
    def malignant(self) -> tuple[str, ...]:
        """Those of its classes that are malignant; none where nobody says which are."""
        known = None if self.standing is None else self.standing.test.malignant
        return malignant_of(self.classifier.classes) if known is None else known

    def answer(self, content: bytes, explainer: str = "", target: str = "") -> dict[str, Any]:
        """What `POST /api/predict` answers to the content of an image file: see page/openapi.json.

        With the name of an explainer there is a map, of the class `target` or of the one that is predicted. Raises
        DataError for content that is no image, UsageError for names that are not there.
        """
        self._check(explainer, target)
        classifier = self.classifier
        with accelerated():
            # A copy: torch wants pixels that it might change.
            square = np.array(decode_bytes(content, classifier.image_size, IMAGE, fit=classifier.about.fit))
        probabilities = classifier.predict_squares(square[None])
        code = int(predicted(probabilities)[0])
        (row,) = probabilities.tolist()
        explained = target or classifier.classes[int(np.argmax(row))]
        return {
            "predicted": (*classifier.classes, UNDECIDED)[code],
            "confidence": max(row),
            "probabilities": dict(zip(classifier.classes, row, strict=True)),
            "malignancy": self._malignancy(probabilities[0]),
            "seen": as_url(Image.fromarray(square)),
            "explanation": self._explanation(square, explainer, explained) if explainer else None,
            "stamps": list(classifier.stamps),
            "notice": NO_DIAGNOSIS,
        }

    def _check(self, explainer: str, target: str) -> None:
        classes, known = self.classifier.classes, (*self.explainers, *self.silent)
        if explainer and explainer not in known:
            raise UsageError("There is no such explainer.", hint_for("", known))
        if target and target not in classes:
            raise UsageError("There is no such class.", hint_for("", classes))

    def _malignancy(self, probabilities: NDArray[np.float64]) -> dict[str, Any] | None:
        """The sum of the probabilities (C,) of malignant classes, and whether it reaches the threshold."""
        if not self.malignant:
            return None
        share = float(probabilities[np.isin(self.classifier.classes, self.malignant)].sum())
        point = self.standing.point if self.standing else None
        threshold = point.threshold if point else None
        return {
            "probability": share,
            "threshold": threshold,
            "suspicious": None if threshold is None else share >= threshold,
        }

    def _explanation(self, square: NDArray[np.uint8], explainer: str, target: str) -> dict[str, Any]:
        found: dict[str, Any] = {"explainer": explainer, "target": target, "heatmap": None, "positions": ""}
        if explainer in self.silent:
            return {**found, "silence": f"{self.silent[explainer]}."}
        images, network = _asked(self.classifier, square)
        explaining = self.explainers[explainer]
        code = torch.tensor([self.classifier.classes.index(target)], device=self.classifier.device)
        values = explaining.maps(network, images, code)[0]
        grid = explaining.grid(network, images)
        quiet = silence(values, target)
        return {
            **found,
            "silence": quiet,
            "positions": "" if grid is None else enlargement(grid, values),
            "heatmap": None if quiet else as_url(heat(values, _OPAQUE)),
        }


def demonstration(
    classifier: Classifier,
    standing: Standing | None,
    catalog: Catalog,
    progress: Callable[[int, int], None] = ignore_progress,
) -> Demonstration:
    """A model, and all explainers, each asked once whether it has a map of it; `progress` counts these."""
    silent = {}
    explainers = {one.name: Explaining(one, catalog.explainers[one.name]) for one in catalog.explainers.select(["*"])}
    for done, (name, reason) in enumerate(_reasons(classifier, explainers), 1):
        if reason:
            silent[name] = reason
        progress(done, len(explainers))
    speaking = {name: one for name, one in explainers.items() if name not in silent}
    return Demonstration(classifier, speaking, silent, standing)


def _reasons(classifier: Classifier, explainers: Mapping[str, Explaining]) -> Iterator[tuple[str, str]]:
    """Each explainer with why it has no map; "" where it has one."""
    grey = np.full((classifier.image_size, classifier.image_size, 3), 128, dtype=np.uint8)
    for name, explaining in explainers.items():
        images, network = _asked(classifier, grey)
        try:
            # Where maps are enlarged, to ask for their positions is quicker by far than to make one.
            if explaining.grid(network, images) is None:
                explaining.maps(network, images, torch.zeros(1, dtype=torch.int64, device=classifier.device))
        except NoMapError as error:
            yield name, error.message
        except Exception as error:  # of a plugin: it is one explainer fewer
            yield name, one_line(error)
        else:
            yield name, ""


def _asked(classifier: Classifier, square: NDArray[np.uint8]) -> tuple[torch.Tensor, Network]:
    """A square (S, S, 3) as its network takes it, (1, 3, S, S), and that network."""
    images = torch.from_numpy(square[None]).to(classifier.device).permute(0, 3, 1, 2)
    return classifier.normalise(images), Network(classifier.architecture, classifier.network)


def as_url(picture: Image.Image) -> str:
    """A picture as a PNG in a data URL."""
    into = io.BytesIO()
    picture.save(into, "PNG")
    return f"data:image/png;base64,{base64.b64encode(into.getvalue()).decode()}"
