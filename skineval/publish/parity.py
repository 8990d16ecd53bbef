"""Whether a graph says what the network says, measured on images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from skineval.base.terms import Progress
from skineval.data.pixels.resizing import fit_array
from skineval.measure.metrics import predicted
from skineval.publish.graph import LOGITS, OPSET, PROBABILITIES, ExportError
from skineval.publish.origin import Sample
from skineval.publish.preparation import IMAGES, SQUARES, preparation
from skineval.train.classifier import Classifier
from skineval.train.predict import Stage, predict_logits

if TYPE_CHECKING:
    import onnx
    import onnxruntime

TOLERANCE = 1e-3  #: of logits
LEVELS = 2  #: by which a pixel may differ that both resize: each rounds twice


@dataclass(frozen=True)
class Parity:
    """By how much a graph and its network differ at most."""

    images: str  #: of what they were asked
    n_images: int
    logits: float
    probabilities: float
    equal: float  #: share of images that both take for the same class
    grey_levels: int  #: of pixels of photographs that the graph makes smaller, and of what skineval makes of them
    resized: float  #: probabilities of these photographs, where skineval makes them smaller by Pillow
    predicted: float  #: the same where it does as `predict`, by torch where that is faster: within one grey level


def compare(classifier: Classifier, graph: onnx.ModelProto, sample: Sample, progress: Progress) -> Parity:
    """What ONNX Runtime makes of a graph, against torch.

    Raises ExportError where logits differ by more than `TOLERANCE`, or pixels by more than `LEVELS`, naming both.
    """
    session = open_session(graph)
    squares = sample.squares
    said = _torch(classifier, squares)
    probabilities, logits = _all_asked(session, squares, classifier.batch_size, progress)
    expected = classifier.predict_squares(squares)
    photographs = sample.photographs
    resized, _ = _asked(session, photographs)
    in_graph, by_pillow = _prepared(classifier, photographs, graph.ir_version)
    found = Parity(
        images=sample.words,
        n_images=len(squares),
        logits=_largest(logits, said),
        probabilities=_largest(probabilities, expected),
        equal=float((predicted(probabilities.astype(np.float64)) == predicted(expected)).mean()),
        grey_levels=int(_largest(in_graph, by_pillow)),
        resized=_largest(resized, classifier.predict_squares(by_pillow)),
        predicted=_largest(resized, classifier.predict_proba(photographs)),
    )
    name = classifier.architecture.name
    if not found.logits <= TOLERANCE:  # NaN is no agreement either
        raise ExportError(
            f"The ONNX graph of {name} does not say what the network says: logits differ by {found.logits:.2g}, which "
            f"is more than {TOLERANCE:g}.",
            "Nothing was written. Other versions of torch, onnxscript and onnxruntime may agree.",
        )
    if found.grey_levels > LEVELS:
        raise ExportError(
            f"This version of onnxruntime resizes images otherwise than Pillow: pixels differ by {found.grey_levels} "
            "grey levels.",
            "Nothing was written. Use onnxruntime 1.23 or later.",
        )
    return found


def open_session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A graph, ready to be asked, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _asked(
    session: onnxruntime.InferenceSession, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities and logits (N, C)."""
    probabilities, logits = session.run([PROBABILITIES, LOGITS], {IMAGES: images})
    return probabilities, logits


def _all_asked(
    session: onnxruntime.InferenceSession, squares: NDArray[np.uint8], size: int, progress: Progress
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As `_asked`: the first image by itself, then so many at a time."""
    starts = [0, *range(1, len(squares), size), len(squares)]
    answers = []
    for start, end in pairwise(starts):
        answers.append(_asked(session, squares[start:end]))
        progress(end, len(squares))
    probabilities, logits = (np.concatenate(one) for one in zip(*answers, strict=True))
    return probabilities, logits


def _torch(classifier: Classifier, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logits (n, C) of upright images."""
    stage = Stage(torch.from_numpy(squares), classifier.device, "fp32", classifier.normalise)
    return predict_logits(classifier.network, stage, np.arange(len(squares)))


def _prepared(
    classifier: Classifier, photographs: NDArray[np.uint8], ir_version: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What a graph and skineval make of photographs, (m, S, S, 3) each."""
    about = classifier.about
    session = open_session(preparation(about.image_size, about.fit, ir_version, OPSET))
    (squares,) = session.run([SQUARES], {IMAGES: photographs})
    own = np.stack([fit_array(one, about.image_size, about.fit) for one in photographs])
    return squares.transpose(0, 2, 3, 1), own


def _largest(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
