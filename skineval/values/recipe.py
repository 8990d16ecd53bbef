"""One bench as a value: `Recipe`, everything the user asks for, read from TOML and from flags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator

from skineval.base.errors import UsageError, did_you_mean, hint_for
from skineval.base.toml import parse_toml
from skineval.values.keys import ANY, KEYS, MORE, NEEDS, OF_DATA, RUN, WIDER, Keys
from skineval.values.shipped import shipped_recipes


class Recipe(BaseModel, Keys, frozen=True):
    """Everything one bench is asked to do. Keys are those of the TOML file and, with dashes, of the command line."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, about: ValidationInfo) -> object:
        # Python, and pydantic with it, takes true for 1.
        wrong = any(isinstance(one, bool) for one in (value if isinstance(value, (list, tuple)) else [value]))
        if wrong and cls.model_fields[str(about.field_name)].annotation is not bool:
            raise ValueError("something other than true or false")
        return value

    @model_validator(mode="after")
    def _no_contradiction(self) -> Recipe:
        for key, (needed, value) in NEEDS.items():
            if getattr(self, key) != KEYS[key].default and value not in getattr(self, needed).split(","):
                raise ValueError(
                    f"{key} is {getattr(self, key)!r}, which does nothing while {needed} is "
                    f"{getattr(self, needed)!r}: set {needed} to {value!r} or leave {key} out"
                )
        if "backbone" in self.freeze and set(self.weights) == {"none"}:
            raise ValueError(
                "freeze is 'backbone' and weights are 'none': a backbone of random weights would never learn; "
                "give weights or leave freeze out"
            )
        if self.table and not self.columns:
            raise ValueError("table is given and columns are not: say what they hold, such as image=file,label=dx")
        if "seeds" in self.ensemble and len(set(self.seeds)) == 1:
            raise ValueError(f"ensemble is over seeds and seeds are {self.seeds[0]}, a single one: give several seeds")
        if "folds" in self.ensemble and not self.external:
            raise ValueError(
                "ensemble is over folds and there is no external: in the bench itself each fold tests other images, "
                "which no two folds predict; name external data"
            )
        if self.reject and not self.external:
            raise ValueError(
                "reject is true and there is no external: every image of the bench itself is of a class of the task; "
                "name external data"
            )
        return self

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those that `protocol` names: of a bench one, of an experiment on leakage several."""
        return tuple(self.protocol.split(","))

    def to_toml(self) -> str:
        """The recipe as a file that `skineval bench` reads back to the same value."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def differences(self, other: Recipe) -> tuple[str, ...]:
        """The keys that differ, leaving out those that cannot change any result."""
        # Memory is shared by jobs, so that an automatic batch size, which is part of what cells are, depends on them.
        related = ("jobs",) if self.batch_size == "auto" else ()
        keys = [name for name, key in KEYS.items() if key.panel != RUN or name in related]
        return tuple(key for key in keys if getattr(self, key) != getattr(other, key))

    def conflicts(self, present: Recipe) -> tuple[str, ...]:
        """The keys that keep this bench from going on with the cells of one that is `present`."""
        return tuple(key for key in self.differences(present) if not self._keeps(present, key))

    def _keeps(self, present: Recipe, key: str) -> bool:
        keeps, earlier, now = KEYS[key].keeps, getattr(present, key), getattr(self, key)
        if keeps == WIDER:
            widened = [one for one in earlier if any(f"{text}|".startswith(f"{one}|") for text in now)]
            return len(widened) == len(earlier) == len(now)
        if keeps == OF_DATA:
            return bool(earlier[: len(present.data)] == now[: len(self.data)])
        return keeps == ANY or (keeps == MORE and set(_several(earlier)) <= set(_several(now)))


def _several(value: Any) -> Sequence[Any]:
    """What a value holds that is several."""
    return value.split(",") if isinstance(value, str) else value


def make_recipe(values: Mapping[str, object], source: str = "") -> Recipe:
    """Validate `values`; raises UsageError naming their source and every key that is wrong, with its value."""
    _check_names(values, source)
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        _complain(error.errors(), values, source)
        raise


def check_keys(values: Mapping[str, object], source: str) -> None:
    """Raises UsageError for keys of a file that are wrong whatever others are put beside or above them."""
    _check_names(values, source)
    try:
        Recipe.model_validate(dict(values))
    except ValidationError as error:
        own = [detail for detail in error.errors() if detail["loc"] and detail["type"] != "missing"]
        _complain(own, values, source)


def _check_names(values: Mapping[str, object], source: str) -> None:
    unknown = [key for key in values if key not in Recipe.model_fields]
    if unknown:
        hint = hint_for(unknown[0], Recipe.model_fields, "`skineval bench --help` says what each key is.")
        raise UsageError(f"{_begun(source)}there is no key {unknown[0]!r} in a recipe.", hint)


def _complain(details: Sequence[Mapping[str, Any]], values: Mapping[str, object], source: str) -> None:
    # Of a list of which one part is wrong pydantic also says that it is too short.
    first = {detail["loc"][:1] or detail["msg"]: detail for detail in reversed(details)}
    complaints = [_complaint(detail, values) for detail in reversed(first.values())]
    if complaints:
        raise UsageError(
            f"{_begun(source)}{'; '.join(complaints)}.", "`skineval bench --help` lists every key."
        ) from None


def _begun(source: str) -> str:
    return f"{source}: " if source else ""


def read_recipe(name_or_path: str) -> dict[str, object]:
    """The keys of a shipped recipe or of a TOML file; raises UsageError where neither is there."""
    shipped = shipped_recipes()
    path = Path(name_or_path)
    if name_or_path in shipped:
        text = shipped[name_or_path].read_text(encoding="utf-8")
    elif path.is_file():
        try:
            text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read the recipe {path}: {error}.", "A recipe is a TOML file in UTF-8.") from error
    else:
        raise UsageError(
            f"There is no recipe {name_or_path!r}: no such file, and no shipped recipe of that name.",
            hint_for(name_or_path, shipped, "`skineval list recipes` tells more. Models are named by --models."),
        )
    return parse_toml(text, name_or_path)


#: What pydantic says of texts and lists, in words that are not of its own trade.
_WORDS = {
    "too_short": "one name at least",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "tuple_type": "a list, or a text with commas between its parts",
    "string_pattern_mismatch": "auto, cpu, mps, cuda, or cuda:N for the GPU of that number",
}


def _complaint(detail: Mapping[str, Any], values: Mapping[str, object]) -> str:
    message = str(detail["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    message = _WORDS.get(detail["type"], message)
    if not detail["loc"]:  # keys that contradict each other
        return message
    key = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "literal_error":
        message += _suggestion(str(detail["input"]), re.findall("'([^']+)'", message))
    value = values.get(key)
    shown = value if isinstance(value, str) and _is_number(value) else repr(value)  # flags hand numbers as text
    return f"{key} is {shown}, which should be {message}"


def _suggestion(name: str, known: Sequence[str]) -> str:
    """A question in brackets after the nearest of the `known` names; empty where none is near."""
    meant = did_you_mean(name, known)
    return f" ({meant[0].lower()}{meant[1:]})" if meant else ""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", text) is not None
