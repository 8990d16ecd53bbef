"""A trained model as one graph of ONNX: photographs of any size in, class probabilities out.

What a strategy chose on the validation part (a temperature, offsets, another head) is in the weights of the head, so it
is in the graph; so is test-time augmentation.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from skineval.base.codec import to_json
from skineval.base.errors import ExitCode, SkinevalError, UsageError
from skineval.base.terms import NO_DIAGNOSIS
from skineval.publish.preparation import SQUARES, preparation
from skineval.train.classifier import Classifier
from skineval.train.deciding import put_in_place
from skineval.train.neighbours import NearestNeighbours
from skineval.train.predict import SYMMETRIES

if TYPE_CHECKING:
    import onnx

PROBABILITIES, LOGITS = "probabilities", "logits"  #: what comes out
OPSET = 20  #: the newest that torch translates to without conversion
_LONGEST = 300  #: characters of a reason


class ExportError(SkinevalError):
    """A network that cannot be exported, or whose graph says something else than it does."""

    exit_code = ExitCode.REFUSED


def require_onnx() -> None:
    """Raises UsageError where one of the packages of the extra `onnx` is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"skineval export needs {error.name}, which is not installed.",
            'Install it: pip install "skineval[onnx]", or uv sync --inexact --extra onnx.',
        ) from None


class Answering(nn.Module):
    """Squares (N, 3, S, S) uint8 -> probabilities (N, C), and the logits (N, C) of the upright image."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network = _traceable(classifier.network)
        self._normalise = classifier.normalise
        self._views = SYMMETRIES[classifier.about.tta]

    def forward(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        """What the network says."""
        views = torch.cat([view(squares) for view in self._views])
        logits: Tensor = self.network(self._normalise(views))
        of_views = logits.softmax(dim=1).reshape(len(self._views), -1, logits.shape[1])
        # Not len(squares), which torch takes for a constant of the graph.
        return of_views.mean(dim=0), logits[: squares.shape[0]]


class _Neighbours(nn.Module):
    """Nearest neighbours whose number is a constant of the graph, and whose batch is not cut into pieces.

    Of rows that are equally near, ONNX takes the first, as `NearestNeighbours` does; torch would take any.
    """

    def __init__(self, head: NearestNeighbours) -> None:
        super().__init__()
        self.head = head
        self.k = int(head.k)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits (N, C)."""
        similarities, rows = self.head.similarities(embeddings).topk(self.k, dim=1)
        return self.head.judge(similarities, rows)


def to_onnx(classifier: Classifier) -> onnx.ModelProto:
    """The graph of a classifier, from photographs to answers, with what is needed to use it in its metadata.

    `IMAGES` (N, H, W, 3) uint8 -> `PROBABILITIES` and `LOGITS` (N, C) float32; N, H and W are any. Raises ExportError,
    naming the architecture, where torch cannot translate it.
    """
    import onnx.compose
    import onnx.helper

    about = classifier.about
    answers = _translated(classifier)
    prepared = preparation(about.image_size, about.fit, answers.ir_version, OPSET)
    onnx.compose.add_prefix(prepared, "prepare/", rename_inputs=False, rename_outputs=False, inplace=True)
    graph: onnx.ModelProto = onnx.compose.merge_models(prepared, answers, [(SQUARES, SQUARES)])
    graph.doc_string = NO_DIAGNOSIS
    onnx.helper.set_model_props(graph, _metadata(classifier))
    return graph


def _translated(classifier: Classifier) -> onnx.ModelProto:
    """From squares to answers."""
    answering = Answering(classifier).eval()
    side = classifier.image_size
    example = torch.zeros(2, 3, side, side, dtype=torch.uint8, device=classifier.device)
    try:
        with _silence(), torch.no_grad():
            answering(example)  # what a network keeps from its first call is to be of real tensors
            program = torch.onnx.export(
                answering,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                input_names=[SQUARES],
                output_names=[PROBABILITIES, LOGITS],
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
            assert program is not None
            graph: onnx.ModelProto = program.model_proto
    except Exception as error:  # whatever torch, or a network that it calls with tensors without values, raises
        raise ExportError(
            f"{classifier.architecture.name} cannot be exported to ONNX: {_reason(error)}",
            "Its network does what ONNX has no words for: --debug shows where. `skineval predict` uses it as it is.",
        ) from error
    for tensor in graph.graph.initializer:  # what torch notes of the source files on this machine is nobody's business
        del tensor.metadata_props[:]
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    return graph


def _traceable(network: nn.Module) -> nn.Module:
    """The network, with nothing in it that looks at values to decide what to compute."""
    found = [name for name, module in network.named_modules() if isinstance(module, NearestNeighbours)]
    if not found:
        return network
    network = copy.deepcopy(network)
    for name in found:
        head: Any = network.get_submodule(name)
        put_in_place(network, head, _Neighbours(head))
    return network


def _metadata(classifier: Classifier) -> dict[str, str]:
    """All that whoever has the graph alone needs: classes in order, and model.json."""
    return {
        "classes": json.dumps(classifier.classes),
        "stamps": json.dumps(classifier.stamps),
        "skineval": to_json(classifier.about),
        "statement": NO_DIAGNOSIS,
    }


def _reason(error: BaseException) -> str:
    """The first line of what began it, behind which torch sets pages."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    told = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]} ..."


@contextmanager
def _silence() -> Iterator[None]:
    """What torch and onnxscript tell their developers, by every way, is not for whoever exports a model."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
