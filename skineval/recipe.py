"""One bench as values: `Recipe`, what the user asks for (TOML), and `RunSpec`, what identifies one cell."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from skineval.errors import UsageError
from skineval.options import HELP
from skineval.specs import Fit, Selection

#: Raised whenever the meaning of a cell changes (training loop, split, resize): old cells are not taken for new ones.
PROTOCOL_VERSION = 2


def _sequence(value: object) -> object:
    """Flags are comma-separated texts, TOML has arrays: both are taken."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_sequence)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_sequence)]


def _key(name: str, **constraints: Any) -> Any:
    return Field(description=HELP[name], **constraints)


class Recipe(BaseModel):
    """Everything one bench is asked to do. Keys are those of the TOML file and, with dashes, of the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    models: Names = _key("models", min_length=1)
    imbalance: Names = _key("imbalance", min_length=1, default=("none",))
    explainers: Names = _key("explainers", default=("gradcam",))
    data: str = _key("data", min_length=1)
    external: Names = _key("external", default=())
    groups: str | None = _key("groups", default=None, min_length=1)
    quarantine: str | None = _key("quarantine", default=None, min_length=1)
    task: Literal["dx7", "malignant"] = _key("task", default="dx7")
    protocol: Literal["lesion", "image"] = _key("protocol", default="lesion")
    split: str | None = _key("split", default=None, min_length=1)
    folds: int = _key("folds", default=1, ge=1, le=100)
    repeats: int = _key("repeats", default=1, ge=1, le=100)
    seeds: Seeds = _key("seeds", min_length=1, default=(0,))
    split_seed: int = _key("split_seed", default=0, ge=0)
    epochs: int = _key("epochs", default=30, ge=1)
    batch_size: int = _key("batch_size", default=64, ge=2)
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0, le=10)] = _key("learning_rate", default="auto")
    weight_decay: float = _key("weight_decay", default=0.05, ge=0)
    optimizer: Literal["adamw"] = _key("optimizer", default="adamw")
    schedule: Literal["cosine", "constant"] = _key("schedule", default="cosine")
    warmup: float = _key("warmup", default=1.0, ge=0)
    patience: int = _key("patience", default=10, ge=1)
    augment: Literal["none", "basic"] = _key("augment", default="basic")
    image_size: int = _key("image_size", default=224, ge=16, le=1024)
    fit: Fit = _key("fit", default="squash")
    weights: str = _key("weights", min_length=1, default="imagenet")
    precision: Literal["auto", "fp32", "bf16"] = _key("precision", default="auto")
    limit: Annotated[int, Field(ge=1)] | None = _key("limit", default=None)
    replicates: int = _key("replicates", default=2000, ge=1000, le=100_000)
    device: str = _key("device", default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    jobs: int = _key("jobs", default=1, ge=1, le=256)

    def to_toml(self) -> str:
        """The recipe as a file that `skineval bench` reads back to the same value."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def differences(self, other: Recipe) -> tuple[str, ...]:
        """The keys that differ, leaving out those that cannot change any result."""
        return tuple(
            key
            for key in type(self).model_fields
            if key not in ("device", "jobs") and getattr(self, key) != getattr(other, key)
        )


def make_recipe(values: Mapping[str, object], source: str = "the command line") -> Recipe:
    """Validate `values`; raises UsageError naming every key that is wrong, with its value."""
    unknown = [key for key in values if key not in Recipe.model_fields]
    if unknown:
        close = difflib.get_close_matches(unknown[0], Recipe.model_fields, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Keys are: {', '.join(Recipe.model_fields)}."
        raise UsageError(f"{source}: there is no key {unknown[0]!r} in a recipe.", hint)
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        complaints = dict.fromkeys(_complaint(detail, values) for detail in error.errors())
        raise UsageError(
            f"{source}: " + "; ".join(complaints) + ".", "`skineval bench --help` lists every key."
        ) from None


def read_recipe(name_or_path: str) -> dict[str, object]:
    """The keys of a shipped recipe or of a TOML file; raises UsageError where neither is there."""
    shipped = shipped_recipes()
    path = Path(name_or_path)
    if name_or_path in shipped:
        text = shipped[name_or_path].read_text(encoding="utf-8")
    elif path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read the recipe {path}: {error}.", "A recipe is a TOML file in UTF-8.") from error
    else:
        close = difflib.get_close_matches(name_or_path, shipped, n=1)
        suggestion = f"Did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"There is no recipe {name_or_path!r}: no such file, and no shipped recipe of that name.",
            f"{suggestion}Shipped recipes: {', '.join(shipped)}.",
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name_or_path} is not valid TOML: {error}.", "Correct that line.") from error


def shipped_recipes() -> dict[str, Traversable]:
    """The recipes that come with skineval, by name."""
    folder = resources.files("skineval").joinpath("recipes")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}


def recipe_summary(file: Traversable) -> str:
    """The first comment line of a shipped recipe."""
    return file.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


@dataclass(frozen=True)
class RunSpec:
    """One cell: everything that can change its result, and nothing else (no device, no folder, no order)."""

    model: Selection
    imbalance: Selection
    fold: int
    seed: int
    task: str
    classes: tuple[str, ...]
    data: str  #: fingerprint of the data set
    split: str  #: fingerprint of the split
    image_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    optimizer: str
    schedule: str
    warmup: float
    patience: int
    augment: str
    weights: str  #: "none", "imagenet", or "sha256:..." of a file
    precision: str  #: "fp32" or "bf16", resolved
    model_package: str = ""  #: the third-party package, with version, that the model comes from
    imbalance_package: str = ""
    fit: Fit = "squash"  #: how images become squares
    on_embeddings: bool = False  #: the strategy acts only after the network is trained
    protocol_version: int = PROTOCOL_VERSION

    @property
    def run_id(self) -> str:
        """A readable slug and a hash of every field."""
        slug = f"{_slug(str(self.model))}-{_slug(str(self.imbalance))}-f{self.fold}-s{self.seed}"
        return f"{slug}-{_digest(self.to_dict())}"

    @property
    def network_id(self) -> str:
        """Like `run_id`, for the network: the same for cells that differ only in what is done to the embeddings."""
        spec = (
            dataclasses.replace(self, imbalance=Selection("none"), on_embeddings=False) if self.on_embeddings else self
        )
        return (
            f"{_slug(str(spec.model))}-{_slug(str(spec.imbalance))}-f{spec.fold}-s{spec.seed}-{_digest(spec.to_dict())}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` gives the same value back."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for key in ("model", "imbalance"):
            selection: Selection = fields[key]
            fields[key] = {
                "name": selection.name,
                "parameters": dict(selection.parameters),
                "text": str(selection),
            }
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> RunSpec:
        """The inverse of `to_dict`."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        for key in ("model", "imbalance"):
            values[key] = Selection(**values[key])
        return cls(**values)


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from a cell's identity: adding a model never changes another's numbers."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-")[:40]


def _complaint(detail: Mapping[str, Any], values: Mapping[str, object]) -> str:
    key = str(detail["loc"][0])
    message = str(detail["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    if detail["type"] == "missing":
        return f"{key} is missing"
    value = values.get(key)
    shown = value if isinstance(value, str) and _is_number(value) else repr(value)  # flags hand numbers as text
    return f"{key} is {shown}, which should be {message}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", text) is not None
