"""What a map is to explain: the answer to an image, what would be right, one class, or one against another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.errors import UsageError, did_you_mean
from skineval.train.predict import softmax
from skineval.values.predictions import Predictions

PREDICTED, REFERENCE = "predicted", "reference"


@dataclass(frozen=True)
class Target:
    """For which class maps are made, of each image."""

    text: str  #: PREDICTED, REFERENCE, or the name of a class
    against: str = ""  #: the class from whose logit it is told apart; "": from none

    @classmethod
    def of(cls, text: str, classes: Sequence[str]) -> Target:
        """What `text` asks for: a word, CLASS or A-B. Raises UsageError for what is no class."""
        if text in (PREDICTED, REFERENCE, *classes):
            return cls(text)
        pairs = [(one, other) for one in classes for other in classes if text == f"{one}-{other}" and one != other]
        if not pairs:
            there = f"It is {PREDICTED}, {REFERENCE}, a class ({', '.join(classes)}), or two of them: "
            raise UsageError(
                f"--target is {text!r}, which is no class.",
                f"{did_you_mean(text, (PREDICTED, REFERENCE, *classes))} {there}{classes[-1]}-{classes[0]}.".lstrip(),
            )
        return cls(*pairs[0])

    @property
    def words(self) -> str:
        """As in "relevance for the predicted class"."""
        if self.against:
            return f"{self.text} against {self.against}"
        return f"the {self.text} class" if self.text in (PREDICTED, REFERENCE) else self.text

    def named(self, code: str) -> str:
        """The class of one image, as in "nv against mel"."""
        return f"{code} against {self.against}" if self.against else code

    def of_images(self, test: Predictions) -> NDArray[np.int64]:
        """The class (N,) of each image."""
        if self.text == REFERENCE:
            return test.targets
        return self.of_answers(test.probabilities, test.classes)

    def of_answers(self, probabilities: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.int64]:
        """The class (N,) of each image of which only the answer (N, C) is known."""
        if self.text == REFERENCE:
            raise UsageError(
                f"--target is {REFERENCE}, and nobody knows what the images show.",
                f"Use {PREDICTED}, or one of the classes: {', '.join(classes)}.",
            )
        answers: NDArray[np.int64] = probabilities.argmax(axis=1)
        return answers if self.text == PREDICTED else np.full(len(answers), classes.index(self.text))

    def probability(
        self, logits: NDArray[np.floating], targets: NDArray[np.int64], classes: Sequence[str]
    ) -> NDArray[np.float64]:
        """How probable the class `targets` (N,) of each image is, (N,), by logits (N, C): with `against`, of these two.

        Raises CellError where a logit is not finite.
        """
        own = np.arange(len(logits)), targets
        if not self.against:
            return softmax(logits)[own]
        other = logits[:, classes.index(self.against)]
        return softmax(np.stack([logits[own], other], axis=1))[:, 0]

    @contextmanager
    def asked_of(self, network: nn.Module, classes: Sequence[str]) -> Iterator[None]:
        """Within it, logits of a network are what they are above that of the class which is told apart."""
        if not self.against:
            yield
            return
        place = classes.index(self.against)

        def less(_: nn.Module, __: object, logits: Tensor) -> Tensor:
            return logits - logits[:, place : place + 1]

        handle = network.register_forward_hook(less)
        try:
            yield
        finally:
            handle.remove()
