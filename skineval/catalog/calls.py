"""How the functions of plugins are called, and whether they can be: told before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from skineval.catalog.specs import Architecture, ArchitectureFamily, DatasetSource, Explainer, Metric, Reporter
from skineval.catalog.strategy import ImbalanceStrategy


@dataclass(frozen=True)
class Call:
    """How one function is called: what is positional may have any name, keywords have these."""

    positional: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    takes_parameters: bool = False  #: those of the specification, as further keywords
    required: bool = True  #: False where the function may be None
    takes_epochs: bool = False  #: `epoch` and `epochs`, where the specification is `per_epoch`

    def written(self, name: str, parameters: Iterable[str] = ("**parameters",)) -> str:
        """The signature of a function called `name`: `build(num_classes, *, weights, **parameters)`."""
        keywords = (*self.keywords, *(parameters if self.takes_parameters else ()))
        star = ("*",) if any(not keyword.startswith("**") for keyword in keywords) else ()
        return f"{name}({', '.join((*self.positional, *star, *keywords))})"


#: By specification and field.
CALLS: Mapping[type, Mapping[str, Call]] = MappingProxyType(
    {
        Architecture: {
            "build": Call(("num_classes",), ("weights",), takes_parameters=True),
            "resolve": Call(("architecture",), takes_parameters=True, required=False),
            "embeddings": Call(("file",), required=False),
            "fetch_weights": Call(required=False),
            "weights_path": Call(required=False),
        },
        ArchitectureFamily: {"find": Call(("rest",)), "names": Call()},
        ImbalanceStrategy: {
            **{
                name: Call((given,), keywords, takes_parameters=True, required=False, takes_epochs=True)
                for name, given, keywords in (
                    ("loss", "counts", ()),
                    ("draw_weights", "labels", ()),
                    ("draw", "labels", ("seed",)),
                    ("augment", "counts", ()),
                    ("mix", "counts", ()),
                    ("partner_weights", "labels", ()),
                )
            },
            "resample": Call(("embeddings", "labels"), ("seed",), takes_parameters=True, required=False),
            "head_weights": Call(("labels",), takes_parameters=True, required=False),
            "refit": Call(("weight", "bias", "embeddings", "labels"), takes_parameters=True, required=False),
            "tells": Call(("counts", "classes"), takes_parameters=True, required=False),
            "adjust": Call(("counts",), takes_parameters=True, required=False),
        },
        Explainer: {
            "attribute": Call(("model", "images", "targets"), ("architecture",), takes_parameters=True),
            "resolution": Call(("model", "images"), ("architecture",), takes_parameters=True, required=False),
        },
        Metric: {
            "compute": Call(("targets", "probabilities", "weights", "classes")),
            "share_of": Call(("targets", "probabilities", "classes"), required=False),
        },
        DatasetSource: {
            "load": Call(("path",), takes_parameters=True),
            "recognise": Call(("path",), required=False),
        },
        Reporter: {"write": Call(("bench",))},
    }
)


def fault(name: str, function: object, call: Call, parameters: Iterable[str] = ()) -> str:
    """Why what is to be the function `name` cannot be called so; empty where it can, or where that cannot be told."""
    if function is None and not call.required:
        return ""
    if not callable(function):
        return f"{name} is not a function" if call.required else f"{name} is neither a function nor None"
    keywords = (*call.keywords, *(parameters if call.takes_parameters else ()))
    refused = refusal(function, call.positional, keywords)
    return f"{name} is called as {call.written(name.rpartition('.')[2], parameters)}, but {refused}" if refused else ""


def refusal(function: Callable[..., object], positional: Iterable[str], keywords: Iterable[str] = ()) -> str:
    """What a function has against such a call; empty where it takes it, or has no signature that Python knows."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # as of some written in C
        return ""
    try:
        signature.bind(*positional, **dict.fromkeys(keywords))
    except TypeError as error:
        plain = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
        return f"takes {signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)}: {error}"
    return ""
