"""What a specification can be told where it is named: `name:key=value`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from skineval.base.terms import Value


@dataclass(frozen=True)
class Parameter:
    """One typed setting of a specification, written `name:key=value`; its type is that of `default`."""

    default: Value
    summary: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Value, ...] = ()
    #: Values of which skineval chooses the best on the validation part where one writes `key=validation`. Only what
    #: `ImbalanceStrategy.refit` and `adjust` are given can be chosen so.
    tried: tuple[Value, ...] = ()


def in_reach(value: Value, parameter: Parameter) -> bool:
    """Whether a value of the type of `parameter` is one that it can have: of its choices, finite, within its bounds."""
    if parameter.choices and value not in parameter.choices:
        return False
    if not isinstance(value, (int, float)):
        return True
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    return math.isfinite(value) and low <= value <= high


Parameters: TypeAlias = Mapping[str, Parameter]
