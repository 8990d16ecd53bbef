"""One bench as a value: `Recipe`, everything the user asks for, read from TOML and from flags."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from skineval.base.errors import UsageError, hint_for
from skineval.base.terms import Fit
from skineval.values.augmentations import canonical
from skineval.values.keys import KEYS, shipped_recipes


def _sequence(value: object) -> object:
    """Flags are comma-separated texts, TOML has arrays: both are taken, and paths from Python."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, os.PathLike):
        return (os.fspath(value),)
    if isinstance(value, Sequence):
        return tuple(map(_path, value))
    return value


def _path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _augment(value: object) -> object:
    if isinstance(value, (tuple, list)) and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    return canonical(value) if isinstance(value, str) else value


def _ensemble(value: object) -> object:
    """In one order, each once: what is averaged has none."""
    return tuple(sorted(set(value))) if isinstance(value, tuple) else value


#: Keys that say how a bench is run; none of them belongs to what is benched.
UNRELATED = ("device", "deterministic", "jobs")
#: Keys that do something only while another key has one certain value.
NEEDS = {
    "plateau_factor": ("schedule", "plateau"),
    "plateau_patience": ("schedule", "plateau"),
    "freeze_epochs": ("freeze", "backbone"),
}

Augment = Annotated[str, BeforeValidator(_augment)]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_sequence)]
Place = Annotated[str, BeforeValidator(_path)]
Averaged = Annotated[
    tuple[Literal["seeds", "models", "folds"], ...], BeforeValidator(_sequence), AfterValidator(_ensemble)
]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_sequence)]


def _key(name: str, **constraints: Any) -> Any:
    return Field(default=KEYS[name].default, description=KEYS[name].help, **constraints)


class Recipe(BaseModel):
    """Everything one bench is asked to do. Keys are those of the TOML file and, with dashes, of the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    models: Names = _key("models", min_length=1)
    imbalance: Names = _key("imbalance", min_length=1)
    explainers: Names = _key("explainers")
    data: Place = _key("data", min_length=1)
    external: Names = _key("external")
    groups: Place | None = _key("groups", min_length=1)
    quarantine: Place | None = _key("quarantine", min_length=1)
    task: Literal["dx7", "malignant"] = _key("task")
    protocol: Literal["lesion", "image", "oversample-first"] = _key("protocol")
    split: Place | None = _key("split", min_length=1)
    folds: int = _key("folds", ge=1, le=100)
    repeats: int = _key("repeats", ge=1, le=100)
    seeds: Seeds = _key("seeds", min_length=1)
    split_seed: int = _key("split_seed", ge=0)
    epochs: int = _key("epochs", ge=1)
    batch_size: Literal["auto"] | Annotated[int, Field(ge=2)] = _key("batch_size")
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0, le=10)] = _key("learning_rate")
    weight_decay: float = _key("weight_decay", ge=0)
    optimizer: Literal["adam", "adamw", "sgd"] = _key("optimizer")
    schedule: Literal["cosine", "one-cycle", "plateau", "constant"] = _key("schedule")
    warmup: float = _key("warmup", ge=0)
    plateau_factor: float = _key("plateau_factor", gt=0, lt=1)
    plateau_patience: int = _key("plateau_patience", ge=0)
    patience: int = _key("patience", ge=1)
    label_smoothing: float = _key("label_smoothing", ge=0, lt=1)
    gradient_clip: float = _key("gradient_clip", ge=0)
    ema: float = _key("ema", ge=0, lt=1)
    freeze: Literal["none", "backbone"] = _key("freeze")
    freeze_epochs: int = _key("freeze_epochs", ge=1)
    backbone_rate: float = _key("backbone_rate", gt=0, le=1)
    augment: Augment = _key("augment")
    tta: Literal["none", "d4"] = _key("tta")
    ensemble: Averaged = _key("ensemble")
    image_size: int = _key("image_size", ge=16, le=1024)
    fit: Fit = _key("fit")
    weights: Place = _key("weights", min_length=1)
    precision: Literal["auto", "fp32", "bf16"] = _key("precision")
    limit: Annotated[int, Field(ge=1)] | None = _key("limit")
    replicates: int = _key("replicates", ge=1000, le=100_000)
    device: str = _key("device", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    deterministic: bool = _key("deterministic")
    jobs: int = _key("jobs", ge=1, le=256)

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
            if getattr(self, key) != type(self).model_fields[key].default and getattr(self, needed) != value:
                raise ValueError(
                    f"{key} is {getattr(self, key)!r}, which does nothing while {needed} is "
                    f"{getattr(self, needed)!r}: set {needed} to {value!r} or leave {key} out"
                )
        if self.freeze == "backbone" and self.weights == "none":
            raise ValueError(
                "freeze is 'backbone' and weights are 'none': a backbone of random weights would never learn; "
                "give weights or leave freeze out"
            )
        if "seeds" in self.ensemble and len(set(self.seeds)) == 1:
            raise ValueError(f"ensemble is over seeds and seeds are {self.seeds[0]}, a single one: give several seeds")
        if "folds" in self.ensemble and not self.external:
            raise ValueError(
                "ensemble is over folds and there is no external: in the bench itself each fold tests other images, "
                "which no two folds predict; name external data"
            )
        return self

    def to_toml(self) -> str:
        """The recipe as a file that `skineval bench` reads back to the same value."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def differences(self, other: Recipe) -> tuple[str, ...]:
        """The keys that differ, leaving out those that cannot change any result."""
        # Memory is shared by jobs, so that an automatic batch size, which is part of what cells are, depends on them.
        related = ("jobs",) if self.batch_size == "auto" else ()
        keys = [key for key in type(self).model_fields if key not in UNRELATED or key in related]
        return tuple(key for key in keys if getattr(self, key) != getattr(other, key))


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
    complaints = dict.fromkeys(_complaint(detail, values) for detail in details)
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
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name_or_path} is not valid TOML: {error}.", "Correct that line.") from error


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
    value = values.get(key)
    shown = value if isinstance(value, str) and _is_number(value) else repr(value)  # flags hand numbers as text
    return f"{key} is {shown}, which should be {message}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", text) is not None
