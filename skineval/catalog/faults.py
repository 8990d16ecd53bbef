"""What is wrong with a specification that a plugin hands in, told before anything is done with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from skineval.base.terms import UNCHANGED
from skineval.catalog import calls
from skineval.catalog.calls import CALLS
from skineval.catalog.loading import Provider
from skineval.catalog.parameters import Parameter, in_reach
from skineval.catalog.specs import EXPLAINER_NAME, NAME, Explainer, Specification
from skineval.catalog.strategy import ImbalanceStrategy

S = TypeVar("S", bound=Specification)


def specification_fault(specification: object, of: type[S], taken: Mapping[str, Provider], expected: str = "") -> str:
    """Why `specification` cannot be taken in; empty if it can. That of a family has the name that is `expected`.

    `taken` are the names of its kind that are there already, with whoever provides each.
    """
    if not isinstance(specification, of):
        return f"returned {type(specification).__name__} where {of.__name__} is expected"
    name: object = specification.name
    if expected and name != expected:
        return f"returned {name!r} where {expected!r} was asked for"
    spelling = EXPLAINER_NAME if of is Explainer else NAME
    if not isinstance(name, str) or not (expected or spelling.fullmatch(name)):
        return f"the name {name!r} is not of small letters, digits, '_', '-' and '.'"
    if not isinstance(specification.summary, str) or not specification.summary.strip():
        return f"{name} has no summary"
    parameters = getattr(specification, "parameters", {})
    fault = _fault_in_parameters(parameters)
    if fault:
        return f"{name}.{fault}"
    tried = [key for key, parameter in parameters.items() if parameter.tried]
    if tried and not _can_try(specification):
        return f"{name}.parameters[{tried[0]!r}] is to be tried, and only what refit and adjust alone are given can be"
    for attribute, call in CALLS[of].items():
        if call.takes_epochs and getattr(specification, "per_epoch", False):
            call = replace(call, keywords=(*call.keywords, "epoch", "epochs"))
        fault = calls.fault(f"{name}.{attribute}", getattr(specification, attribute), call, parameters)
        if fault:
            return fault
    if isinstance(specification, ImbalanceStrategy) and (fault := _fault_in_strategy(specification)):
        return f"{name}{fault}"
    for attribute in ("image_size", "min_image_size", "max_image_size", "n_parameters"):
        size: object = getattr(specification, attribute, None)
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            return f"{name}.{attribute} is {size!r}, which is not a whole number"
    if name in taken:
        other = taken[name]
        return f"the {of.__name__} {name!r} is already provided by {other.name} ({other.package})"
    return ""


def _fault_in_strategy(strategy: ImbalanceStrategy) -> str:
    """What of a strategy would be ignored, or cannot be; empty if nothing is wrong."""
    scale = strategy.cosine_scale
    if scale is not None and (type(scale) not in (int, float) or not 0 < scale < math.inf):
        return f".cosine_scale is {scale!r}, which is no number above 0"
    if strategy.draw and strategy.draw_weights:
        return " has draw and draw_weights, and one of them says which images are drawn"
    if not strategy.slots and strategy.name != UNCHANGED:
        return " does nothing: give it a function"
    if strategy.partner_weights and not strategy.mix:
        return " has partner_weights, and no mix to draw partners for"
    if strategy.chooses_offsets and strategy.estimates_prior:
        return " has chooses_offsets and estimates_prior, and one of them says what is added to logits"
    return ""


def _can_try(specification: object) -> bool:
    """Whether the head of a network is all that the parameters of a specification change."""
    if not isinstance(specification, ImbalanceStrategy):
        return False
    return not specification.changes_training and not specification.fits_head


def _fault_in_parameters(parameters: object) -> str:
    """What is wrong with the parameters of a specification; empty if nothing is."""
    if not isinstance(parameters, Mapping):
        return f"parameters is {type(parameters).__name__} where a mapping is expected"
    for key, parameter in parameters.items():
        where = f"parameters[{key!r}]"
        if not isinstance(key, str) or not key.isidentifier():
            return f"{where} is not named as an argument of a function is"
        if not isinstance(parameter, Parameter):
            return f"{where} is {type(parameter).__name__} where skineval.Parameter is expected"
        kind = type(parameter.default)
        if kind not in (bool, int, float, str):
            return f"{where} has the default {parameter.default!r}, which is no truth value, number or text"
        bounds = [bound for bound in (parameter.minimum, parameter.maximum) if bound is not None]
        if not all(type(bound) in (int, float) for bound in bounds):
            return f"{where} has bounds that are not numbers"
        if any(type(choice) is not kind for choice in (*parameter.choices, *parameter.tried)):
            return f"{where} has choices that are not of the type of its default"
        if not in_reach(parameter.default, parameter):
            return f"{where} has the default {parameter.default!r}, which it cannot be told to be"
    return ""
