"""The systems of a bench on one test, ranked, with all that has to be said beside their figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan

from skineval.base.terms import PRIMARY, SYNTHETIC, Unit
from skineval.grid.cell.record import GridCell
from skineval.grid.evaluation import Evaluation
from skineval.grid.measuring import systems
from skineval.measure.comparisons import best_first, missing_folds
from skineval.measure.names import METRICS
from skineval.measure.seeds import SeedSpread, noise_floor, seed_figures, seed_spread
from skineval.report.document import formatting
from skineval.report.document.excerpt import Shown, shown_classes
from skineval.values.measures import Difference, Score, rows, system_name
from skineval.values.result import BenchResult, EnsembleResult, ExternalTest


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """What tables, figures and words say of one test: the internal one, an external one, or of scored predictions."""

    test: str  #: what its images are called
    scores: Sequence[Score]
    differences: Sequence[Difference] = ()
    ensembles: Sequence[EnsembleResult] = ()
    cells: Sequence[GridCell] = ()  #: none of an external test, for which nothing is trained
    sharing: Collection[str] = ()  #: run ids of the cells whose time holds training that other cells have, too
    #: system -> the folds that it lacks and another one has, so that its figures are not of what the others' are
    unranked: Mapping[str, Sequence[int]] = field(default_factory=dict)
    classes: Sequence[str] = ()
    sought: str = ""  #: the class whose recall stands beside the overall figures; "": none
    stamps: Sequence[str] = ()
    unit: Unit = "lesion"  #: what is resampled
    replicates: int | None = None
    external: str = ""  #: the name of the external test
    spreads: Mapping[str, SeedSpread] = field(default_factory=dict)  #: of the primary metric, where seeds are several

    @cached_property
    def systems(self) -> list[str]:
        """The best balanced accuracy first; ties in alphabetical order, undefined ones after all others.

        Those that are not ranked stand below them in the same order.
        """
        order = best_first({name: score.value for name, score in self.figures(PRIMARY).items()})
        return sorted(order, key=lambda name: name in self.unranked)

    @property
    def ranked(self) -> list[str]:
        """The systems whose figures can be set beside each other's, the best one first."""
        return [system for system in self.systems if system not in self.unranked]

    @property
    def best(self) -> str:
        """The first of those that are ranked; empty where none is."""
        return next(iter(self.ranked), "")

    @cached_property
    def shown(self) -> Shown:
        """The classes that tables and figures show."""
        best = next(iter(self.systems), "")
        recalls = [one for one in self.scores if one.metric == "recall"]
        counts = dict.fromkeys(self.classes, 0) | {one.class_: one.n_images for one in recalls}
        of_best = {one.class_: one.value for one in recalls if one.system == best}
        return shown_classes(counts, of_best, f"the lowest recall of {formatting.plain(best)}")

    @property
    def baselines(self) -> list[str]:
        """The trivial baselines."""
        return list(dict.fromkeys(one.system for one in self.scores if one.baseline))

    @property
    def behind(self) -> Mapping[str, Difference]:
        """How each system compares with the best one in balanced accuracy."""
        return {one.b: one for one in self.differences if one.a == self.best and one.metric == PRIMARY}

    def noise(self, one: Difference) -> float | None:
        """How far seeds alone set the two systems apart (`noise_floor`); None where it is not known."""
        if one.metric != PRIMARY or not {one.a, one.b} <= self.spreads.keys():
            return None
        floor = noise_floor(self.spreads[one.a], self.spreads[one.b])
        return None if isnan(floor) else floor

    def figures(self, metric: str, class_: str = "", *, baseline: bool = False) -> dict[str, Score]:
        """One figure of every system, or of every trivial baseline."""
        everyone = self.everyone(metric, class_)
        return {name: one for name, one in everyone.items() if one.baseline == baseline}

    def everyone(self, metric: str, class_: str = "") -> dict[str, Score]:
        """One figure of every system and baseline."""
        return {one.system: one for one in self.scores if (one.metric, one.class_) == (metric, class_)}


def internal(bench: BenchResult) -> Leaderboard:
    """The internal test of a bench."""
    return Leaderboard(
        "Internal test",
        bench.scores,
        bench.differences,
        bench.ensembles,
        rows(GridCell, bench.cells),
        bench.sharing,
        _unranked(bench),
        bench.classes,
        bench.task.sought,
        bench.warnings,
        bench.unit,
        bench.recipe.replicates,
        spreads=_spreads(bench),
    )


def external(bench: BenchResult, test: ExternalTest) -> Leaderboard:
    """An external test of a bench, with the stamps of both."""
    return Leaderboard(
        f"External test {formatting.plain(test.name)}",
        test.scores,
        test.differences,
        test.ensembles,
        unranked=_unranked(bench, test),
        classes=bench.classes,
        sought=bench.task.sought,
        stamps=tuple(dict.fromkeys([*bench.warnings, *[SYNTHETIC] * test.about.synthetic])),
        unit=test.about.unit,
        replicates=bench.recipe.replicates,
        external=test.name,
        spreads=_spreads(bench, test),
    )


def scored(found: Evaluation, replicates: int | None = None) -> Leaderboard:
    """Predictions of any origin: nothing is taken for granted of the images."""
    classes = tuple(dict.fromkeys(one.class_ for one in found.scores if one.class_))
    sought = {one.task.sought for one in found.entrants}
    return Leaderboard(
        "Scored",
        found.scores,
        found.differences,
        classes=classes,
        sought=sought.pop() if len(sought) == 1 and sought <= {*classes} else "",
        stamps=found.stamps,
        unit=found.unit,
        replicates=replicates,
    )


def _unranked(bench: BenchResult, test: ExternalTest | None = None) -> dict[str, tuple[int, ...]]:
    """The systems that lack folds which another one has: on the internal test other images, on others networks."""
    return missing_folds({system_name(*names): found for names, found in systems(bench, test).items()})


def _spreads(bench: BenchResult, test: ExternalTest | None = None) -> dict[str, SeedSpread]:
    """How far the balanced accuracy of each system spreads over its seeds; nothing of a bench of one seed."""
    found = systems(bench, test) if len(bench.recipe.seeds) > 1 else {}
    return {system_name(*names): seed_spread(seed_figures(cells, METRICS[0])) for names, cells in found.items()}
