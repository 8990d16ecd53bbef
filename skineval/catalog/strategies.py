"""All imbalance strategies that can be named, and combinations of them."""

from __future__ import annotations

from collections.abc import Iterator

from skineval.base.errors import UsageError
from skineval.catalog.combinations import combine, own
from skineval.catalog.hybrids import PLUS
from skineval.catalog.loading import Provider
from skineval.catalog.shelf import Shelf, joined, named_parts, select_values
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.values.runspec import NONE, Selection


class StrategyShelf(Shelf[ImbalanceStrategy]):
    """All strategies, and combinations, which are made when they are asked for: `a+b`.

    The name of a combination holds the names of its parts, its parameters are theirs: `power` of `class-weights` is
    `class-weights.power`.
    """

    def __getitem__(self, name: str) -> ImbalanceStrategy:
        """The strategy or combination called `name`; raises UsageError with the nearest known names."""
        parts = [super(StrategyShelf, self).__getitem__(part) for part in name.split(PLUS)]
        return combine(parts) if len(parts) > 1 else parts[0]

    def providers(self, name: str) -> tuple[Provider, ...]:
        """Who provides the strategy, or the parts of the combination, called `name`."""
        return tuple(dict.fromkeys(self.entries[part].provider for part in name.split(PLUS)))

    def trained(self, selection: Selection) -> Selection:
        """What of a strategy its network is trained with: `none`, or those parts that act before the head."""
        strategy = self[selection.name]
        if not strategy.parts:
            return selection if strategy.changes_training or not strategy.places else NONE
        parts = [part for part in strategy.parts if part.changes_training]
        chosen = [select_values(part, own(part, selection.parameters)) for part in parts]
        return joined(chosen) if len(chosen) > 1 else next(iter(chosen), NONE)

    def _matching(self, text: str) -> Iterator[Selection]:
        texts = named_parts(text)
        if len(texts) == 1:
            yield from super()._matching(text)
            return
        try:
            chosen = {one.name: one for one in self._composed(texts, "class-weights+temperature")}
            # In the order in which they act, in whatever order they were written: they are one.
            yield joined([chosen[part.name] for part in combine([self[name] for name in chosen]).parts])
        except UsageError as error:
            raise UsageError(f"In the combination {text!r}: {error.message}", error.hint) from None


def whose(strategy: ImbalanceStrategy, selection: Selection, function: str) -> Selection:
    """The part of a strategy that has a function, as it would be chosen by itself; the strategy if it has no parts."""
    for part in strategy.parts:
        if getattr(part, function) is not None:
            return select_values(part, own(part, selection.parameters))
    return selection
