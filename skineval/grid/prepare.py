"""From a recipe to everything that can be known before training: data, parts, device, weights, cells."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, UsageError, did_you_mean
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import Architecture
from skineval.data.splits.dealing import split
from skineval.data.splits.given import check_parts, official_split, read_split
from skineval.data.splits.shared import shared_split
from skineval.data.splits.split import Parts, Split
from skineval.data.tasks import widened
from skineval.grid.elsewhere import check_elsewhere
from skineval.grid.ensembles import check_members
from skineval.grid.external import External
from skineval.grid.plan import Facts, plan
from skineval.grid.sources import DEALT_OUT, OFFICIAL, SHARED, Data, absolute, lesions_lacking, load_external, read_data
from skineval.grid.strategies import check_strategies, of_strategies
from skineval.grid.variants import Variant, absolute_weights, by_name, seedless, variants
from skineval.train.device import Device, choose_device, choose_precision, cpu_threads, total_memory
from skineval.train.weights import NONE, Weights, load_into
from skineval.values.environment import DataFacts, DeviceFacts, Environment, SplitFacts
from skineval.values.keys import KEYS
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe
from skineval.values.runspec import RunSpec, Selection
from skineval.values.task import Task

PACKAGES = (
    "skineval",
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scikit-learn",
    "imbalanced-learn",
    "pillow",
    "simplejpeg",
)

UNUSED_PARTS = "the data set comes with a split of its own, which is not used: --split official does that"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A bench that is ready to run."""

    catalog: Catalog
    recipe: Recipe  #: resolved: globs expanded, paths absolute; what is `auto` for each network is in its cells
    table: LesionTable
    targets: NDArray[np.int64]  #: (N,) indices into the classes of `task`
    task: Task
    split: Split
    device: Device
    threads: int
    weights: Mapping[str, Weights]  #: as asked for, by model; what a network begins with is in its cells
    remarks: tuple[str, ...]  #: sentences on what begins with random values all the same, and on embeddings of files
    externals: tuple[External, ...]
    cells: tuple[RunSpec, ...]
    precisions: Mapping[str, str]  #: architecture -> precision and why

    @property
    def stamps(self) -> tuple[str, ...]:
        """What every table, figure and file says of this bench."""
        return self.split.stamps(self.table)

    @property
    def parts(self) -> dict[int, Parts]:
        """The parts of every fold as rows of the table."""
        return {fold: self.split.parts(fold) for fold in range(self.split.folds)}


def prepare(recipe: Recipe, catalog: Catalog) -> Prepared:
    """Resolve every name, read the data set, split it, choose a device and make sure that weights can be had.

    Raises UsageError for what is unknown or cannot be had and DataError for data that is not what it should be;
    nothing has been written then.
    """
    models = catalog.architectures.select(recipe.models)
    catalog.imbalance.select(recipe.imbalance)
    explainers = catalog.explainers.select(recipe.explainers)
    architectures = [catalog.architecture(selection) for selection in models]
    check_image_size(recipe, architectures)
    device = choose_device(recipe.device)
    data = read_data(recipe, catalog, parted=True)
    table, task = data.table, data.task
    parts = make_split(recipe, data)
    table = with_unused_parts(table, recipe)
    check_members(recipe.ensemble, [str(selection) for selection in models], parts.folds)
    loaded = load_external(recipe, catalog, data.strange)
    told = [(name, *widened(table, task)) for name, table, _ in loaded]
    externals = tuple(
        External(name, table, its_task.targets(table.frame["dx"]), recipe.reject) for name, table, its_task in told
    )
    compared = variants(recipe, catalog)
    _check_probes(recipe, compared)
    check_strategies(recipe, compared, catalog)
    _check_frozen(recipe, compared)
    _check_fit(compared, len(task.classes))
    remarks = check_elsewhere(compared, recipe, table, parts, externals) + seedless(recipe, compared, catalog)
    targets = task.targets(table.frame["dx"])
    remarks += tuple(of_strategies(recipe, compared, catalog, targets[parts.parts(0).train], task.classes))
    networks = [one.architecture for one in compared if not one.architecture.embeddings]
    precisions = {a.name: ("fp32", "embeddings of a probe are made in float32") for a in networks}
    trained = {str(one.selection): one.selection for one in compared if not one.probe}
    learning = [one.architecture for one in compared if not one.probe]
    precisions |= {a.name: choose_precision(recipe.precision, a, device) for a in learning}
    sizes = batch_sizes(recipe, tuple(trained.values()), catalog, len(task.classes), len(table), device, precisions)
    facts = Facts(
        data=table.fingerprint,
        split=parts.fingerprint,
        task=task,
        folds=parts.folds,
        precision=lambda architecture: precisions[architecture.name][0],
        batch_size=lambda selection: sizes[str(selection)],
    )
    cells = plan(recipe, facts, catalog, compared)
    resolved = recipe.model_copy(
        update={
            "models": tuple(str(selection) for selection in models),
            "imbalance": tuple(str(selection) for selection in catalog.imbalance.select(recipe.imbalance)),
            "explainers": tuple(str(selection) for selection in explainers),
            "seeds": tuple(dict.fromkeys(recipe.seeds)),
            "data": data.sources,
            "task": absolute(recipe.task) if not task.shipped else recipe.task,
            "external": tuple(source for _, _, source in loaded),
            "split": recipe.split if recipe.split in (OFFICIAL, SHARED) else absolute(recipe.split),
            "quarantine": absolute(recipe.quarantine),
            "table": tuple(filter(None, map(absolute, recipe.table))),
            "groups": absolute(recipe.groups),
            "folds": parts.folds // parts.repeats,
            "repeats": parts.repeats,
            "weights": absolute_weights(recipe.weights, [str(selection) for selection in models]),
        }
    )
    return Prepared(
        catalog,
        resolved,
        table,
        targets,
        task,
        parts,
        device,
        cpu_threads(recipe.jobs),
        by_name(compared),
        (*filter(None, dict.fromkeys(one.weights.lacking(one.architecture) for one in compared)), *remarks),
        externals,
        cells,
        {name: f"{precision}: {reason}" for name, (precision, reason) in precisions.items()},
    )


def batch_sizes(
    recipe: Recipe,
    models: tuple[Selection, ...],
    catalog: Catalog,
    classes: int,
    images: int,
    device: Device,
    precisions: Mapping[str, tuple[str, str]],
) -> dict[str, int]:
    """The batch size of each model: that of the recipe, or the largest that memory allows.

    `auto` is a function of the network, the number and size of the `images`, the precision and the memory of the
    machine, so that the same command finds the same cells again. Raises UsageError where not even a small batch fits.
    """
    if recipe.batch_size != "auto":
        return {str(selection): recipe.batch_size for selection in models}
    from skineval.train.bare_step import largest_batch, memory_need  # which import torch
    from skineval.train.network import Blueprint

    # Every worker has all images of the bench on a GPU; on a CPU they are read from a file.
    stored = images * recipe.image_size**2 * 3 if device.kind != "cpu" else 0
    memory = max(total_memory(device) // recipe.jobs - stored, 0)
    found = {}
    for selection in models:
        architecture = catalog.architecture(selection)
        blueprint = Blueprint(architecture, selection.parameters, classes, recipe.image_size)
        precision = precisions[architecture.name][0]
        need = memory_need(blueprint, device.torch, precision)
        found[str(selection)] = largest_batch(need, memory, device.kind)
    return found


def with_unused_parts(table: LesionTable, recipe: Recipe) -> LesionTable:
    """The table with a note where it has parts of its own that the recipe does not use."""
    unused = table.official is not None and recipe.split in DEALT_OUT
    return replace(table, notes=(*table.notes, UNUSED_PARTS)) if unused else table


def make_split(recipe: Recipe, data: Data) -> Split:
    """The parts of every fold: dealt out, read from a file, or the data set's own.

    Raises DataError where a split made elsewhere does not fit, leaks without saying so or leaves a part without images
    of a class, and where nobody knows which images show one lesion although parts of whole lesions are asked for.
    """
    table, task = data.table, data.task
    if error := lesions_lacking(table, recipe):
        raise error
    if recipe.split in DEALT_OUT:
        deal = split if recipe.split is None else shared_split
        return deal(
            table,
            protocol=recipe.protocol,
            folds=recipe.folds,
            repeats=recipe.repeats,
            seed=recipe.split_seed,
            task=task,
        )
    if recipe.split == OFFICIAL:
        made = official_split(table, protocol=recipe.protocol)
    else:
        repeats = recipe.repeats if recipe.repeats > 1 else None
        path = Path(recipe.split).expanduser()
        if not path.exists():
            hint = f"{did_you_mean(recipe.split, (OFFICIAL, SHARED))} Check the path.".lstrip()
            raise DataError(f"--split is {recipe.split}: there is no such file ({path.absolute()}).", hint)
        made = read_split(path, table, protocol=recipe.protocol, repeats=repeats)
    check_parts(made, table, task)
    if recipe.folds not in (1, made.folds // made.repeats):
        raise UsageError(
            f"--folds is {recipe.folds}, and the split {recipe.split} has {made.folds // made.repeats}.",
            "Leave --folds out: the split says how many there are.",
        )
    return made


def environment(prepared: Prepared) -> Environment:
    """What environment.json says of a bench that this process runs."""
    table, device = prepared.table, prepared.device
    return Environment(
        command=("skineval", *sys.argv[1:]),
        versions={"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        platform=platform.platform(),
        machine=platform.machine(),
        executable=Path(sys.executable).name,
        device=DeviceFacts(device.name, device.description, device.reason),
        threads=prepared.threads,
        precision=prepared.precisions,
        initial_weights={str(cell.model): cell.weights for cell in prepared.cells},
        remarks=prepared.remarks,
        learning_rate={str(cell.model): cell.training.learning_rate for cell in prepared.cells},
        data=DataFacts(
            name=table.name,
            layout=table.layout,
            licence=table.licence,
            fingerprint=table.fingerprint,
            images=len(table),
            lesions=table.n_lesions,
            lesions_known=table.lesions_known,
            notes=tuple(table.notes),
            patients=table.n_patients,
            by_patient=table.unit in ("patient", "group"),
        ),
        split=SplitFacts(prepared.split.fingerprint, prepared.split.protocol, prepared.recipe.split or "dealt out"),
        external=tuple(external.name for external in prepared.externals),
        task=prepared.task,
        classes=prepared.task.classes,
        stamps=prepared.stamps,
        plugins={name: provider.package for name, provider in prepared.catalog.plugins.providers.items()},
        set_aside=tuple(map(str, prepared.catalog.problems)),
    )


def _check_fit(compared: Sequence[Variant], classes: int) -> None:
    """Refuse a file of weights that fits none of a network before anything is trained; raises ModelFileError."""
    for one in compared:
        if one.weights.path is not None and not one.architecture.embeddings:
            load_into(one.architecture.build(classes, weights=None, **one.selection.parameters), one.weights.path)


def _check_probes(recipe: Recipe, compared: Sequence[Variant]) -> None:
    heads = dict.fromkeys(one.probe for one in compared if one.probe)
    if not heads and recipe.probe != KEYS["probe"].default:
        raise UsageError(
            f"--probe is {','.join(recipe.probe)}, and nothing is frozen of which embeddings could be had.",
            "Add --freeze all, or none,all for probes beside trained networks.",
        )


def _check_frozen(recipe: Recipe, compared: Sequence[Variant]) -> None:
    for one in compared:
        if "backbone" in recipe.freeze and not one.probe and one.begins == NONE:
            name = one.architecture.name
            asked = one.weights.identity == NONE
            why = f"the weights of {name} are none" if asked else f"there are no ImageNet weights of {name}"
            raise UsageError(
                f"--freeze is backbone, and {why}: a backbone of random weights would never learn.",
                f"Leave out --freeze or {name}.",
            )


def check_image_size(recipe: Recipe, architectures: list[Architecture]) -> None:
    """Raise UsageError where one of them cannot use images of the size of the recipe."""
    for architecture in architectures:
        refused = architecture.refuses(recipe.image_size)
        if refused:
            nearest = " or ".join(map(str, architecture.nearest_sizes(recipe.image_size)))
            raise UsageError(
                f"--image-size is {recipe.image_size}, and {refused}.", f"Use --image-size {nearest}, for example."
            )
