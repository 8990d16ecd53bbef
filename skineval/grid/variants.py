"""What a model is compared as: each with its initial weights, trained or as a probe, under a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from skineval.base.errors import UsageError, hint_for
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import Architecture
from skineval.train.weights import IMAGENET, NONE, Weights, resolve_weights
from skineval.values.embeddings import Embeddings
from skineval.values.keys import PROBE
from skineval.values.recipe import Recipe
from skineval.values.runspec import HEADS, Selection

_RANDOM = "random"


@dataclass(frozen=True, eq=False)
class Variant:
    """A model as a row of a table knows it."""

    selection: Selection  #: as it was chosen
    architecture: Architecture
    weights: Weights  #: as asked for
    probe: str  #: what is fitted on its embeddings, as `RunSpec.probe`
    apart: bool  #: whether there are others of this model that begin with something else

    @property
    def begins(self) -> str:
        """What it really begins with, as `RunSpec.weights`."""
        return self.weights.of(self.architecture)

    @property
    def embeddings(self) -> Embeddings:
        """Those of its file, where it is none of networks."""
        assert self.architecture.embeddings is not None
        assert self.weights.path is not None
        return self.architecture.embeddings(self.weights.path)

    @property
    def named(self) -> Selection:
        """The selection under the name that tells it from other variants of the model."""
        random = self.begins == NONE
        # A file that is named after its network has no need to say so again.
        own = self.selection.name.rpartition("/")[2]
        called = self.weights.called.removeprefix(own).strip("-_. ") or self.weights.called
        if called.lower() == _RANDOM and self.weights.path:  # which is what random weights alone are called
            called = self.weights.path.name
        of_what = _RANDOM if random else called
        apart = self.apart or (random and self.probe != "")
        words = [*[of_what] * apart, *filter(None, [HEADS.get(self.probe)])]
        if self.architecture.embeddings:  # what they are is known by their numbers, wherever the file lies
            return Selection(self.selection.name, {}, f"{self.selection.name} ({' '.join(words)})")
        return replace(self.selection, text=f"{self.selection} ({' '.join(words)})") if words else self.selection


def variants(recipe: Recipe, catalog: Catalog) -> tuple[Variant, ...]:
    """Those of all models of a recipe, in its order.

    Raises UsageError where `weights` are for a model that is not there, or two files of one name for the same, and what
    `resolve_weights` and `Architecture.embeddings` raise.
    """
    models = catalog.architectures.select(recipe.models)
    architectures = {str(model): catalog.architecture(model) for model in models}
    networks = [model for model, architecture in architectures.items() if not architecture.embeddings]
    asked = weights_asked(recipe.weights, networks)
    of = {
        text: resolve_weights(text, [architectures[model] for model, texts in asked.items() if text in texts])
        for text in dict.fromkeys(text for texts in asked.values() for text in texts)
    }
    found = []
    probes = tuple(dict.fromkeys(recipe.probe))
    for model in models:
        architecture = architectures[str(model)]
        if architecture.embeddings:
            file = Path(str(model.parameters["file"]))
            made = Weights(architecture.embeddings(file).fingerprint, file)
            found += [Variant(model, architecture, made, probe, apart=True) for probe in probes]
            continue
        # Two that begin with the same are one.
        several = {of[text].of(architecture): of[text] for text in reversed(asked[str(model)])}
        found += [
            Variant(model, architecture, weights, probe, len(several) > 1)
            for weights in reversed(several.values())
            for name in recipe.freeze.split(",")
            for probe in (probes if name == PROBE else ("",))
        ]
    names = Counter(str(one.named) for one in found)
    if twice := [one for one in found if names[str(one.named)] > 1]:
        raise UsageError(
            f"Two files of {twice[0].selection.name} are called {twice[0].weights.called}: their rows would have one "
            "name.",
            "Rename one of them.",
        )
    return tuple(found)


def seedless(recipe: Recipe, compared: Sequence[Variant], catalog: Catalog) -> tuple[str, ...]:
    """A sentence on what several seeds of a recipe are the same for: a head that is fitted, and not drawn for."""
    fixed = [str(one.named) for one in compared if one.probe and (one.begins != NONE or one.architecture.embeddings)]
    strategies = {str(one): catalog.imbalance[one.name] for one in catalog.imbalance.select(recipe.imbalance)}
    alike = [name for name, one in strategies.items() if one.resample is None and one.draw is None]
    if len(set(recipe.seeds)) == 1 or not fixed or not alike:
        return ()
    of_these = f"{', '.join(fixed)} under {', '.join(alike)}"
    return (f"Seeds change nothing of {of_these}: those cells are the same, and nothing is learnt from their spread.",)


def weights_asked(texts: Sequence[str], models: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What each model is to begin with, by its name, from texts such as "imagenet" and "resnet*=FILE".

    One without a name is for all models that no other names. Raises UsageError where there are none of these, and for a
    name that is none of `models`.
    """
    named: dict[str, tuple[str, ...]] = {}
    every: list[str] = []
    for text in texts:
        chosen, value = _named(text, models)
        if not chosen:
            every.append(value)
        for model in chosen:
            named[model] = (*named.get(model, ()), value)
    if every and models and named.keys() >= {*models}:
        raise UsageError(
            f"--weights has {', '.join(every)} for all models that no other part of it names, and it names all.",
            f"For one model, with others for it: {models[0]}={every[0]}.",
        )
    return {model: named.get(model) or tuple(every) or (IMAGENET,) for model in models}


def absolute_weights(texts: Sequence[str], models: Sequence[str]) -> tuple[str, ...]:
    """The texts with the whole paths of files."""
    found = []
    for text in texts:
        chosen, value = _named(text, models)
        front = text.removesuffix(value) if chosen else ""
        found.append(f"{front}{value if value in (NONE, IMAGENET) else Path(value).expanduser().resolve()}")
    return tuple(found)


def by_name(found: Sequence[Variant]) -> Mapping[str, Weights]:
    """What was asked for each, by the name of the variant."""
    return {str(one.named): one.weights for one in found}


def _named(text: str, models: Sequence[str]) -> tuple[list[str], str]:
    """The models that a text names, and what they are to begin with; none where it names none."""
    for place in (place for place, letter in enumerate(text) if letter == "="):
        called = text[:place].strip()
        chosen = [model for model in models if fnmatchcase(model, called) or model.rpartition("/")[2] == called]
        if chosen:
            return chosen, text[place + 1 :].strip()
    if "=" in text and not Path(text).expanduser().exists():
        called = text.partition("=")[0].strip()
        raise UsageError(
            f"--weights is {text!r}, and {called!r} is none of the models that are networks"
            f"{f': {names}' if (names := ', '.join(models)) else ', of which there are none'}.",
            hint_for(called, models, "Write MODEL=imagenet, MODEL=none or MODEL=FILE."),
        )
    return [], text
