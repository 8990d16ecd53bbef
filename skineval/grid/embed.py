"""Embeddings as a product: what a trained cell, or a backbone with its weights, makes of the images of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from skineval.base.errors import UsageError
from skineval.base.places import cache_folder
from skineval.base.terms import Progress
from skineval.catalog.catalog import Catalog
from skineval.catalog.networks import find_head
from skineval.data.embedding_file import check_suffix, write_embeddings
from skineval.data.pixels.store import open_store
from skineval.grid.cell.embeddings import Frozen, embeddings
from skineval.grid.folder import refuse_bench
from skineval.grid.learnt import counted, learnt_by, learnt_from
from skineval.grid.plan import package_of
from skineval.grid.prepare import check_image_size
from skineval.grid.sources import as_labelled, load_data
from skineval.grid.variants import Variant, variants
from skineval.train.augment import normaliser
from skineval.train.classifier import ABOUT, load_classifier
from skineval.train.cpu import use_cpu
from skineval.train.deciding import deciding
from skineval.train.device import choose_device
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import Stage
from skineval.train.weights import NONE, Weights
from skineval.values.embeddings import Embeddings
from skineval.values.keys import PROBE
from skineval.values.learnt import Learnt
from skineval.values.recipe import Recipe
from skineval.values.runspec import initial_seed
from skineval.values.task import Task


@dataclass(frozen=True, eq=False)
class _Source:
    """What embeds, and what it has learnt from."""

    frozen: Frozen
    recipe: Recipe  #: with the image size and fit that it takes
    learnt: Learnt
    words: str  #: as `Embeddings.made_by`


def embed_to(
    out: Path | None,
    model: str | Path,
    data: object,
    keys: Mapping[str, object],
    catalog: Catalog,
    progress: Progress,
    *,
    replace: bool = False,
) -> tuple[Embeddings, tuple[str, ...]]:
    """As `embed`, from recipe keys, and written to `out`; another content of it is replaced only if that is asked for.

    Raises UsageError where `out` cannot be what it is called before anything is done.
    """
    if out is not None:
        check_suffix(out)
    found, notes = embed(as_labelled(data, {**keys, "models": (str(model),)}), catalog, progress)
    if out is not None:
        write_embeddings(out, found, replace=replace)
    return found, notes


def embed(recipe: Recipe, catalog: Catalog, progress: Progress) -> tuple[Embeddings, tuple[str, ...]]:
    """Embeddings of all images of the data of a recipe by its one model, with notes on the data and on what embeds.

    The model is that of a recipe, or the folder of a trained cell, which has an image size and a fit of its own. The
    embeddings are those of a probe of the same model and weights, and lie in the same cache. `progress` is told of
    images, those decoded and those embedded. Raises UsageError for several models or settings that a trained cell
    contradicts, DataError for data that is not what it should be, and what loading a model raises.
    """
    data = load_data(recipe, catalog)
    table = data.table
    use_cpu()
    notes: list[str] = list(table.notes)
    found = _trained(recipe, catalog, notes) if is_trained(recipe.models[0]) else _backbone(recipe, catalog, data.task)
    pixels = open_store(table, found.recipe.image_size, fit=found.recipe.fit, cache=cache_folder(), progress=progress)
    stage = replace(found.frozen.stage, progress=progress, on_note=notes.append)
    values = embeddings(replace(found.frozen, stage=stage), pixels.array)
    ids = table.frame["image_id"].to_numpy(dtype=str)
    # Another photograph of a lesion that was learnt from is as little to be tested on.
    unknown = found.learnt.unknown(table)
    if unknown.any():
        notes.append(f"it is not known of {counted(unknown)} whether {recipe.models[0]} was trained on them")
    seen = frozenset(ids[found.learnt.among(table)].tolist())
    learnt = Learnt(seen, known=frozenset(ids[~unknown].tolist()))
    return Embeddings(recipe.models[0], ids, values, learnt, found.words), (*notes, *pixels.notes)


def is_trained(model: str) -> bool:
    """Whether a model is named by the folder of a trained cell, or a file in it; raises ModelFileError for a bench."""
    path = Path(model).expanduser()
    if not path.exists():
        return False
    refuse_bench(path)
    return (path / ABOUT if path.is_dir() else path.with_name(ABOUT)).is_file()


def _backbone(recipe: Recipe, catalog: Catalog, task: Task) -> _Source:
    """A network with its initial weights, as a probe of it that tells the classes of `task` apart has them."""
    classes = len(task.classes)  # random weights depend on how many there are
    one = _only(variants(recipe.model_copy(update={"freeze": PROBE, "probe": ("linear",)}), catalog))
    architecture, selection = one.architecture, one.selection
    if architecture.embeddings:
        raise UsageError(f"{selection} are embeddings already.", "Name a network, or the folder of a trained cell.")
    check_image_size(recipe, [architecture])
    device = choose_device(recipe.device).torch
    blueprint = Blueprint(architecture, selection.parameters, classes, recipe.image_size)
    seed = initial_seed(one.named, one.probe, recipe.seeds[0])
    network, _ = build_network(blueprint, Weights(one.begins, one.weights.path), seed)
    network = network.to(device).to(memory_format=torch.channels_last)
    stage = Stage(torch.empty(0), device, "fp32", normaliser(architecture.mean, architecture.std, device))
    package = package_of(catalog, selection.name)
    head = find_head(network, architecture, classes)
    begins = "random weights" if one.begins == NONE else f"weights {one.weights.called}"
    words = f"{selection} with {begins}, at {recipe.image_size} pixels"
    frozen = Frozen(network, head, architecture, selection.parameters, package, stage)
    return _Source(frozen, recipe, learnt_from(one.weights), words)


def _only(found: Sequence[Variant]) -> Variant:
    if len(found) != 1:
        raise UsageError(
            f"One network embeds, and there are {len(found)}: {', '.join(str(one.named) for one in found)}.",
            "Name one model, with one of --weights.",
        )
    return found[0]


def _trained(recipe: Recipe, catalog: Catalog, notes: list[str]) -> _Source:
    """The network of a trained cell."""
    path = Path(recipe.models[0]).expanduser()
    classifier = load_classifier(path, device=recipe.device, catalog=catalog)
    about, architecture, network = classifier.about, classifier.architecture, classifier.network
    if "weights" in recipe.model_fields_set:
        raise UsageError(f"--weights is given, and {path} has its own.", "Leave it out, or name a network.")
    for key, own in (("image_size", about.image_size), ("fit", about.fit)):
        if key in recipe.model_fields_set and getattr(recipe, key) != own:
            raise UsageError(
                f"--{key.replace('_', '-')} is {getattr(recipe, key)}, and {path} was trained with {own}.",
                "Leave it out.",
            )
    cell = path if path.is_dir() else path.parent
    device = classifier.device
    stage = Stage(torch.empty(0), device, "fp32", normaliser(architecture.mean, architecture.std, device))
    head = deciding(network, architecture, len(about.classes))
    package = package_of(catalog, about.architecture)
    settings = recipe.model_copy(update={"image_size": about.image_size, "fit": about.fit})
    words = " ".join((f"the cell {about.run_id}, at {about.image_size} pixels", *(f"[{one}]" for one in about.stamps)))
    frozen = Frozen(network, head, architecture, about.parameters, package, stage)
    return _Source(frozen, settings, learnt_by(cell), words)
