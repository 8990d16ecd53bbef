"""Frozen dataclasses as JSON and back: the one way by which values cross into files, headers and other processes.

Types decide what is written and what is read: a bool is no number, a number no text, and a list of JSON is a tuple
again. Fields that have a default may be missing. Nothing here loads pydantic before a value crosses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from skineval.base.errors import DataError, SkinevalError, first_few
from skineval.base.files import atomic_write

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import CoreSchema

T = TypeVar("T")
_TOLD, _SHOWN = 3, 60  #: wrong values that an error names, and characters of each
RESTORE = "Run the bench again to restore it."  #: what to do about most files of a bench


def to_plain(value: object) -> dict[str, Any]:
    """A dataclass, or a mapping of such, as the dictionaries, lists, texts and numbers of JSON.

    Raises pydantic's PydanticSerializationError for a value that is not what its field says.
    """
    plain: dict[str, Any] = _adapter(cast(Any, type(value))).dump_python(value, mode="json", warnings="error")
    return plain


def to_json(value: object, indent: int | None = None) -> str:
    """JSON that `from_json` reads back to the same value; raises ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(to_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def from_json(
    kind: type[T],
    text: str | bytes,
    source: str | Path,
    hint: str = "",
    *,
    extra: Literal["forbid", "ignore"] = "forbid",
    error: type[SkinevalError] = DataError,
) -> T:
    """The value of type `kind` that a JSON `text` (UTF-8) holds.

    Keys that `kind` does not know are refused, since they may change what the others mean, or ignored where they are
    only told. Raises `error`, which names the `source` and the keys that are wrong, and gives the `hint`.
    """
    from pydantic import ValidationError

    try:
        value: T = _adapter(cast(Any, kind)).validate_json(text, strict=True, extra=extra)
    except ValidationError as wrong:
        raise error(f"{source} cannot be read: {_complaint(wrong.errors(include_url=False))}.", hint) from None
    return value


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that a person can read; raises DiskError."""
    atomic_write(path, to_json(value, indent=2) + "\n")


def read_json(
    kind: type[T],
    path: Path,
    hint: str = RESTORE,
    *,
    extra: Literal["forbid", "ignore"] = "forbid",
    error: type[SkinevalError] = DataError,
) -> T:
    """The value of type `kind` in a JSON file, as `from_json`; raises `error` also for a file that is missing."""
    try:
        text = path.read_bytes()
    except OSError as wrong:
        raise error(f"{path} cannot be read: {wrong.strerror or wrong}.", hint) from wrong
    return from_json(kind, text, path, hint, extra=extra, error=error)


class Listed:
    """Marks an array (n,) of some dtype, which crosses as a list: `Annotated[NDArray[np.int64], Listed("int64")]`."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def __get_pydantic_core_schema__(self, *_: object) -> CoreSchema:
        import numpy as np
        from pydantic_core import core_schema

        written = core_schema.plain_serializer_function_ser_schema(lambda array: array.tolist())
        return core_schema.no_info_plain_validator_function(
            lambda values: np.array(values, dtype=self._dtype), serialization=written
        )


@cache  # whose stubs take a type for something without a hash, hence the casts
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _complaint(details: Sequence[Mapping[str, Any]]) -> str:
    """What pydantic found, in words that are not of its own trade."""
    lacking = [_key(detail) for detail in details if detail["type"] == "missing"]
    wrong = [_wrong(detail) for detail in details if detail["type"] != "missing"]
    return "; ".join([*([f"it lacks {first_few(lacking)}"] if lacking else []), *wrong[:_TOLD]])


def _wrong(detail: Mapping[str, Any]) -> str:
    message = str(detail["msg"])
    if detail["type"] == "json_invalid":
        return message
    if detail["type"] == "unexpected_keyword_argument":
        return f"nothing is known of its key {_key(detail)}"
    value = repr(detail["input"])
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]} ..."
    return f"{_key(detail) or 'it'} is {shown}, which should be {message.removeprefix('Input should be ')}"


def _key(detail: Mapping[str, Any]) -> str:
    return ".".join(map(str, detail["loc"]))
