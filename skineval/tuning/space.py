"""What a search varies: one dimension a recipe key, with the values that it may take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from skineval.base.errors import UsageError, hint_for
from skineval.base.terms import Value
from skineval.values.augmentations import PRESETS
from skineval.values.keys import KEYS, LOGARITHMIC, NAMED, NEEDS, PROBE, WHOLE
from skineval.values.recipe import Recipe, make_recipe

#: The keys that can be searched: how a network is trained, and nothing that changes what it is or what it sees.
SEARCHABLE = tuple(name for name, key in KEYS.items() if key.search)

_SMALLEST_BATCH = 8
_LEAST_DECAY = 1e-6
_LISTED = 1000  #: settings that are listed at most
_DECAYS = (_LEAST_DECAY, 0.1)  #: where the recipe has none


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    key: str
    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False

    def tidy(self, value: float) -> Value:
        """`value` as it goes into a recipe: three significant digits, still inside of the range."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.3g}"), self.low), self.high)

    def holds(self, value: object) -> bool:
        """Whether `value` is one of these."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        scale = ", logarithmic" if self.logarithmic else ""
        return f"{self.low:g} to {self.high:g}{scale}"


@dataclass(frozen=True)
class Choices:
    """A few values without an order."""

    key: str
    values: tuple[Value, ...]

    def holds(self, value: object) -> bool:
        """Whether `value` is one of these."""
        return value in self.values

    def __str__(self) -> str:
        return ", ".join(str(value) for value in self.values)


Dimension: TypeAlias = Range | Choices
Space: TypeAlias = tuple[Dimension, ...]


def make_space(texts: Sequence[str], recipe: Recipe) -> Space:
    """The dimensions that `texts` ask for, in the order of a recipe's keys; the usual ones where nothing is asked.

    A text lists keys, each searched around the value that `recipe` gives it, or with what it may be:
    `epochs,learning_rate=1e-4..1e-2,augment=none,basic,flip+rotate`. In `recipe` every `auto` is a number by now.

    Raises UsageError for a key that cannot be searched, and for values that the recipe would not take.
    """
    usual = _usual(recipe)
    asked = _asked(texts) or dict.fromkeys(usual, "")
    found = [
        _parsed(key, asked[key], recipe, asked) if asked[key] else _around(key, usual)
        for key in SEARCHABLE
        if key in asked
    ]
    return tuple(found)


def settings(space: Space) -> list[dict[str, Value]] | None:
    """Every setting of a space, None where there are very many or no end of them."""
    if any(isinstance(one, Range) and not one.whole for one in space):
        return None
    values = [one.values if isinstance(one, Choices) else range(int(one.low), int(one.high) + 1) for one in space]
    if math.prod(len(some) for some in values) > _LISTED:
        return None
    return [dict(zip((one.key for one in space), some, strict=True)) for some in itertools.product(*values)]


def own_values(space: Space, recipe: Recipe) -> dict[str, Value]:
    """What the recipe itself says of the dimensions: the setting that a search begins with."""
    return {one.key: getattr(recipe, one.key) for one in space}


def applied(recipe: Recipe, parameters: Mapping[str, Value]) -> Recipe:
    """`recipe` with `parameters`; a key that does nothing beside them goes back to its default."""
    return make_recipe(_consistent({**recipe.model_dump(exclude_none=True), **parameters}), "a trial")


def changed(space: Space, other: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The keys whose dimension is not that of `other`, a space as `described` gives it."""
    own = described(space)
    return tuple(key for key in SEARCHABLE if own.get(key) != other.get(key))


def described(space: Space) -> dict[str, dict[str, Any]]:
    """A space as JSON, to be held against that of another search."""
    found = {one.key: vars(one).items() for one in space}
    return {
        key: {name: list(value) if name == "values" else value for name, value in said if name != "key"}
        for key, said in found.items()
    }


def _asked(texts: Sequence[str]) -> dict[str, str]:
    """The keys that are asked for, each with the text of its values, empty where there is none."""
    asked: dict[str, str] = {}
    for text in texts:
        before = ""  # the key whose values are being listed
        for word in _words(text):
            key, equals, value = (part.strip() for part in word.partition("="))
            name = key.replace("-", "_")
            if before and not equals and name not in SEARCHABLE:
                asked[before] += f",{word}"
                continue
            _check_key(name, text, asked)
            if equals and not value:
                raise UsageError(f"--search is {text!r}, which names no values of {name}.", _how(name))
            asked[name] = value
            before = name if equals else ""
    return asked


def _check_key(name: str, text: str, asked: Mapping[str, str]) -> None:
    if name not in SEARCHABLE:
        raise UsageError(f"--search is {text!r}, and {name!r} cannot be searched.", hint_for(name, SEARCHABLE))
    if name in asked:
        raise UsageError(f"--search names {name} twice.", "Name every key once.")


def _usual(recipe: Recipe) -> dict[str, Dimension]:
    """Dimensions around what the recipe says, each of which holds that."""
    rate, decay, batch, epochs = recipe.learning_rate, recipe.weight_decay, recipe.batch_size, recipe.epochs
    assert rate != "auto"
    assert batch != "auto"
    decays = (min(max(decay / 100, _LEAST_DECAY), decay), max(min(decay * 10, 1.0), decay)) if decay else _DECAYS
    batches = {batch, 2 * batch, *(size for size in (batch // 4, batch // 2) if size >= _SMALLEST_BATCH)}
    schedules = get_args(Recipe.model_fields["schedule"].annotation)
    dimensions: list[Dimension] = [
        Range("learning_rate", rate / 10, min(rate * 10, 10.0), logarithmic=True),
        Range("weight_decay", *decays, logarithmic=True),
        Choices("batch_size", tuple(sorted(batches))),
        Choices("augment", tuple(dict.fromkeys([*PRESETS, recipe.augment]))),
        Choices("schedule", schedules),
        Range("epochs", math.ceil(epochs / 2), 2 * epochs, whole=True),
    ]
    return {one.key: one for one in dimensions}


def _around(key: str, usual: Mapping[str, Dimension]) -> Dimension:
    if key not in usual:
        raise UsageError(f"--search names {key} without values, and there are no usual ones.", _how(key))
    return usual[key]


def _parsed(key: str, text: str, recipe: Recipe, searched: Iterable[str]) -> Dimension:
    """The dimension that a user wrote; every value is one that the recipe takes."""
    scale = KEYS[key].search

    def value(word: str) -> Value:
        return _taken(key, word.replace("+", ",") if scale == NAMED else word, recipe, searched)

    low, dots, high = text.partition("..")
    if not dots:
        values = tuple(dict.fromkeys(value(word) for word in _words(text)))
        if len(values) < 2:
            raise UsageError(f"--search is '{key}={text}', which leaves nothing to search.", "Give several values.")
        return Choices(key, values)
    if scale == NAMED:
        raise UsageError(f"--search is '{key}={text}', and values of {key} have no order.", _how(key))
    ends = [float(value(word.strip())) for word in (low, high)]
    if ends[0] >= ends[1]:
        raise UsageError(f"--search is '{key}={text}', where {ends[0]:g} is not below {ends[1]:g}.", "Swap the ends.")
    if scale == LOGARITHMIC and ends[0] <= 0:
        raise UsageError(
            f"--search is '{key}={text}', and a logarithmic scale, on which {key} is searched, has no 0.",
            f"Begin above 0, or list the values: {key}=0,{ends[1]:g}.",
        )
    return Range(key, ends[0], ends[1], logarithmic=scale == LOGARITHMIC, whole=scale == WHOLE)


def _taken(key: str, word: str, recipe: Recipe, searched: Iterable[str]) -> Value:
    """`word` as the recipe takes it, where every condition of `key` that is searched too is met."""
    values: dict[str, object] = {**recipe.model_dump(exclude_none=True), key: word}
    needed, condition = NEEDS.get(key, ("", ""))
    if needed in searched:
        values[needed] = condition
    taken: Value = getattr(make_recipe(_consistent(values, spare=key), "--search"), key)
    if key == "freeze":
        refuse_probes(str(taken))
    if taken == "auto":
        raise UsageError(f"--search names auto as a value of {key}.", "Give numbers.")
    return taken


def refuse_probes(freeze: str) -> None:
    """Raise UsageError where all of a network is to be frozen."""
    if PROBE in freeze:
        raise UsageError(
            f"--freeze is {freeze}, and a probe has no training of which settings could be searched.",
            "Use `skineval bench`.",
        )


def _consistent(values: Mapping[str, Any], spare: str = "") -> dict[str, Any]:
    """`values` without the keys that do nothing beside the others; of `spare` the recipe shall complain."""
    idle = {key for key, (needed, value) in NEEDS.items() if key != spare and values.get(needed) != value}
    return {key: value for key, value in values.items() if key not in idle}


def _how(key: str) -> str:
    return f"Write {key}=A,B." if KEYS[key].search == NAMED else f"Write {key}=LOW..HIGH or {key}=A,B."


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
