"""What is asked of a bench or a search, from its keys to its result: what `api` and the command line share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, UsageError
from skineval.base.terms import LESION
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.grid.events import Report, Warned

if TYPE_CHECKING:
    from skineval.grid.leakage import Leakage
    from skineval.report.document.tables import Table
    from skineval.tuning.search import Search
    from skineval.tuning.trials import SearchReport
    from skineval.values.recipe import Recipe
    from skineval.values.result import BenchResult


@dataclass(frozen=True)
class Request:
    """The keys of a bench: those of its recipe, and those given beside it, which override them."""

    recipe: str  #: its name or file
    implied: bool  #: nobody named it
    own: Mapping[str, object]
    given: Mapping[str, object]

    @property
    def values(self) -> dict[str, object]:
        """All keys."""
        return {**self.own, **self.given}


def request(recipe: str | Path | None, keys: Mapping[str, object]) -> Request:
    """The keys of a recipe, by default that for the data, and `keys`; raises UsageError for a recipe that is wrong."""
    from skineval.values.recipe import check_keys, read_recipe

    name = str(recipe or ("ham10000" if "data" in keys else "demo"))
    if recipe is None and name == "ham10000" and str(keys["data"]).partition(":")[0] == "synthetic":
        name = "demo"
    own = read_recipe(name)
    check_keys(own, name)
    return Request(name, recipe is None, own, keys)


def run_recipe(
    asked: Request,
    catalog: Catalog,
    report: Report,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
) -> BenchResult:
    """Run a bench from its keys, telling `report` how it goes."""
    recipe = _checked(asked, catalog)
    from skineval.grid.leakage import refuse_several
    from skineval.grid.prepare import prepare
    from skineval.grid.run import run

    refuse_several(recipe)
    folder = None if out is None else Path(out)
    return run(prepare(recipe, catalog), report, out=folder, fresh=fresh, fail_fast=fail_fast)


def compares_protocols(asked: Request) -> bool:
    """Whether several protocols are named. Raises UsageError for keys that are wrong."""
    from skineval.values.recipe import make_recipe

    return len(make_recipe(asked.values).protocols) > 1


def run_experiment(
    asked: Request,
    catalog: Catalog,
    report: Report,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
) -> Leakage:
    """Run a bench under each of several protocols, and write what leaks add, telling `report` how it goes."""
    recipe = _checked(asked, catalog)
    from skineval.grid.leakage import run_experiment as run
    from skineval.report.leakage import write

    folder = None if out is None else Path(out)
    found = run(recipe, catalog, report, out=folder, fresh=fresh, fail_fast=fail_fast)
    write(found)
    return found


def run_search(
    asked: Request,
    catalog: Catalog,
    report: SearchReport,
    *,
    trials: int,
    search: Sequence[str],
    out: str | Path | None = None,
    fresh: bool = False,
) -> Search:
    """Run a search from its keys, telling `report` how it goes, and draw it.

    Without a recipe and a strategy it is for the strategy `none`, whatever those are that a bench would compare.
    """
    from skineval.tuning.advice import require_optuna

    require_optuna()
    if asked.implied:
        asked = replace(asked, given={"imbalance": ("none",), **asked.given})
    recipe = _checked(asked, catalog)
    from skineval.base.files import atomic_write
    from skineval.grid.leakage import refuse_several
    from skineval.report.tuning import draw
    from skineval.tuning.folder import SearchFolder
    from skineval.tuning.plan import make_plan
    from skineval.tuning.search import search as run

    refuse_several(recipe)
    if trials < 1:
        raise UsageError(
            f"--trials is {trials}, which should be 1 or more.", "The first trial is the recipe's own setting."
        )
    unasked = {key: asked.recipe for key in asked.own if key not in asked.given}
    folder = None if out is None else Path(out)
    found = run(make_plan(recipe, search, catalog, unasked), report, trials=trials, out=folder, fresh=fresh)
    atomic_write(SearchFolder(found.folder).plot, draw(found))
    return found


def plan_tables(
    asked: Request, catalog: Catalog, report: Report, *, out: str | Path | None = None, fresh: bool = False
) -> list[Table]:
    """The cells of a bench with estimated time, disk and memory, and what it would say of its data; trains nothing.

    Of several protocols there is a table each. Raises what `run_recipe` or `run_experiment` would raise before anything
    is trained.
    """
    recipe = _checked(asked, catalog)
    from skineval.grid.estimate import busy, estimate_cells, measure_steps
    from skineval.grid.leakage import prepare_arms, preview_arms
    from skineval.grid.prepare import prepare
    from skineval.grid.run import preview
    from skineval.report.plan import plan

    others = busy()  # asked first: what is measured is work, too
    folder = None if out is None else Path(out)
    if compares_protocols(asked):
        arms = prepare_arms(recipe, catalog)
        seen = preview_arms(arms, report, out=folder, fresh=fresh)
    else:
        arms = {recipe.protocol: prepare(recipe, catalog)}
        seen = {one: preview(arm, report, out=folder, fresh=fresh) for one, arm in arms.items()}
    steps = measure_steps(next(iter(arms.values())))
    return [
        plan(
            estimate_cells(arm, steps, seen[one].done, seen[one].networks),
            arm.stamps,
            arm.recipe,
            (*filter(None, [others]), *seen[one].notes),
        )
        for one, arm in arms.items()
    ]


def rebuild(folder: str | Path, report: Report) -> BenchResult | Leakage:
    """Measure the bench, or the experiment, in `folder` again and rewrite its reports, telling `report` how it goes."""
    from skineval.grid.conclude import conclude
    from skineval.grid.folder import BenchFolder
    from skineval.grid.leakage import is_experiment, rebuild_experiment
    from skineval.grid.reading import read_own_recipe
    from skineval.grid.sources import read_data
    from skineval.report.leakage import write

    catalog, path = load_catalog(), Path(folder)
    several = is_experiment(path)
    recipe = read_own_recipe(BenchFolder(path / LESION if several else path))
    try:
        table = read_data(recipe, catalog).table
    except (DataError, UsageError) as error:
        report(Warned(f"The data is not where it was, so that pictures are left out: {error.message}"))
        table = None
    if not several:
        return conclude(BenchFolder(path), catalog, report, table)
    found = rebuild_experiment(path, catalog, report, table)
    write(found)
    return found


def _checked(asked: Request, catalog: Catalog) -> Recipe:
    """The recipe, once every name in it is known: a typing error is told before torch is imported."""
    from skineval.values.recipe import make_recipe

    recipe = make_recipe(asked.values)
    architectures = [catalog.architecture(model) for model in catalog.architectures.select(recipe.models)]
    catalog.imbalance.select(recipe.imbalance)
    catalog.explainers.select(recipe.explainers)
    if (
        recipe.weights == ("imagenet",)
        and "weights" in asked.given
        and not any(one.has_weights for one in architectures)
    ):
        names = ", ".join(architecture.name for architecture in architectures)
        raise UsageError(
            f"--weights is imagenet, and there are no ImageNet weights of {names}.",
            "Leave --weights out, or use --weights none: training begins with random values then.",
        )
    return recipe
