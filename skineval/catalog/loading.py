"""Finding and loading plugins, each guarded: one that fails is set aside with its reason, the others work.

The built-in architectures, strategies and the rest come in through the same hooks as anybody's package.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import inspect
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pluggy

from skineval.base.errors import PluginError, nearest
from skineval.catalog import hooks
from skineval.catalog.calls import refusal

GROUP = "skineval"
BUILTINS = "skineval.builtins"
BUILTINS_NAME = "builtins"
STRICT = "SKINEVAL_STRICT_PLUGINS"


@dataclass(frozen=True)
class Provider:
    """The package something comes from."""

    name: str  #: of the entry point
    package: str  #: distribution name and version, as "package 1.0"


@dataclass(frozen=True)
class Problem:
    """A plugin, or one thing of it, that was set aside."""

    provider: Provider
    stage: str  #: "import", "hooks", a hook's name, ...
    cause: str
    details: str = ""  #: the traceback, where there is one

    def __str__(self) -> str:
        return f"plugin {self.provider.name} ({self.provider.package}) set aside at {self.stage}: {self.cause}"


@dataclass(frozen=True)
class Plugins:
    """The loaded plugins and what was set aside while loading them."""

    manager: pluggy.PluginManager
    providers: Mapping[str, Provider]
    problems: tuple[Problem, ...] = ()
    muted: set[tuple[str, str]] = field(default_factory=set)  #: (plugin, hook) pairs of observers that raised

    def collect(self, hook: str) -> Iterator[tuple[Provider, Any] | Problem]:
        """Call `hook` of every plugin, each guarded: what was returned with its provider, or the problem."""
        for name, implementation in self._implementations(hook):
            provider = self.providers[name]
            try:
                with stdout_to_stderr():
                    found = [(provider, item) for item in _items(implementation())]
            except (Exception, SystemExit) as error:
                yield self.problem(provider, hook, error)
            else:
                yield from found

    def notify(self, hook: str, event: object) -> list[Problem]:
        """Tell every observer; one that raises is returned as a problem and muted for the rest of this process."""
        problems = []
        for name, implementation in self._implementations(hook):
            if (name, hook) in self.muted:
                continue
            try:
                with stdout_to_stderr():
                    implementation(event=event)
            except (Exception, SystemExit) as error:
                self.muted.add((name, hook))
                problems.append(self.problem(self.providers[name], hook, error))
        return problems

    @staticmethod
    def problem(provider: Provider, stage: str, error: BaseException) -> Problem:
        """The problem that `error` is; raised instead where plugins are to be strict."""
        message = " ".join(str(error).split())
        cause = f"{type(error).__name__}: {message}" if message else type(error).__name__
        return set_aside(Problem(provider, stage, cause, traceback.format_exc()), error)

    def _implementations(self, hook: str) -> Iterator[tuple[str, Any]]:
        # pluggy calls the last registered first; ours are listed in the order of registration.
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            yield implementation.plugin_name, implementation.function


def load_plugins(entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> Plugins:
    """Load the built-ins and every plugin of the entry-point group `skineval` (or those given)."""
    manager = pluggy.PluginManager("skineval")
    manager.add_hookspecs(hooks)
    providers: dict[str, Provider] = {}
    problems: list[Problem] = []

    def register(provider: Provider, module: object) -> None:
        fault = _fault_in_hooks(module)
        if fault:
            problems.append(set_aside(Problem(provider, "hooks", fault)))
            return
        try:
            manager.register(module, name=provider.name)
        except (ValueError, pluggy.PluginValidationError) as error:
            manager.unregister(name=provider.name) if manager.has_plugin(provider.name) else None
            problems.append(Plugins.problem(provider, "hooks", error))
            return
        providers[provider.name] = provider

    register(
        Provider(BUILTINS_NAME, _package(importlib.metadata.distribution("skineval"))),
        importlib.import_module(BUILTINS),
    )
    found = importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    for entry_point in sorted(found, key=lambda entry: entry.name):
        provider = Provider(entry_point.name, _package(entry_point.dist))
        if provider.name in providers:
            clash = f"the name {provider.name!r} is taken by {providers[provider.name].package}"
            problems.append(set_aside(Problem(provider, "registration", clash)))
            continue
        try:
            with stdout_to_stderr():
                module = entry_point.load()
        except (Exception, SystemExit) as error:
            problems.append(Plugins.problem(provider, "import", error))
            continue
        register(provider, module)
    return Plugins(manager, MappingProxyType(providers), tuple(problems))


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Standard output is for results: what a plugin prints goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def hook_names() -> Sequence[str]:
    """Every hook there is, in the order of `hooks.py`."""
    return [name for name in vars(hooks) if name.startswith("skineval_")]


def set_aside(problem: Problem, error: BaseException | None = None) -> Problem:
    """`problem` itself, to be kept and shown; raised instead where plugins are to be strict."""
    if os.environ.get(STRICT, "") not in ("", "0"):
        raise PluginError(f"{problem}.", f"Unset {STRICT} to go on without it.") from error
    return problem


def _fault_in_hooks(module: object) -> str:
    """What is wrong with the names of the hooks of `module`, or with what they take; empty if nothing is."""
    known = hook_names()
    for name in dir(module):
        value = getattr(module, name, None)
        if not name.startswith("skineval_") or not callable(value):
            continue
        if name not in known:
            close = nearest(name, known, most=1)
            return f"{name} is not a hook" + (f"; did you mean {close[0]}?" if close else "")
        if not hasattr(value, "skineval_impl"):
            return f"{name} lacks the decorator @skineval.hookimpl"
        given = tuple(inspect.signature(getattr(hooks, name)).parameters)
        refused = refusal(value, (), given)
        if refused:
            return f"{name} is called as {name}({', '.join(given)}), but {refused}"
    return ""


def _items(returned: object) -> Iterator[object]:
    if isinstance(returned, (str, bytes)) or not isinstance(returned, Iterable):
        raise TypeError(f"returned {type(returned).__name__}, not a list of specifications")
    yield from returned


def _package(distribution: importlib.metadata.Distribution | None) -> str:
    if distribution is None:
        return "unknown package"
    return f"{distribution.metadata['Name']} {distribution.version}"
