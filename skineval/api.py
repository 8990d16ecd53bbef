"""Everything the commands do, as documented Python functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from skineval.asking import request, run_experiment, run_recipe, run_search
from skineval.base.terms import PROTOCOLS, Progress
from skineval.catalog.catalog import load_catalog
from skineval.grid.events import ignore_event

#: A folder or file of a data set, its name, or several of them.
Places: TypeAlias = "str | Path | Sequence[str | Path]"

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from skineval.data.quality.inventory import Inventory
    from skineval.data.splits.split import Split
    from skineval.grid.audit import Audited
    from skineval.grid.explained import Explained
    from skineval.grid.leakage import Leakage
    from skineval.grid.sources import Data
    from skineval.publish.publish import Exported
    from skineval.train.classifier import Classifier
    from skineval.tuning.search import Search
    from skineval.values.embeddings import Embeddings
    from skineval.values.lesion_table import LesionTable
    from skineval.values.result import BenchResult


def bench(
    recipe: str | Path | None = None,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
    **keys: object,
) -> BenchResult:
    """Train a grid of models and imbalance strategies without leakage, and compare them.

    `recipe` is a shipped recipe or a TOML file; `keys` are recipe keys that override it, spelt as in TOML:
    `bench(models="resnet34,densenet121", epochs=6)`. Without `data` and `recipe` the synthetic data set is used.
    Cells that an earlier run finished in `out` are read, not trained. Files are those of the command line.

    Raises UsageError, DataError or PluginError before anything is trained; a cell that fails is a row of
    `result.cells` with its reason. Raises Interrupted on Ctrl-C, with everything finished on disk.
    """
    from skineval.report.bench.notebook import ShownBench
    from skineval.report.document.notebook import shown

    asked = request(recipe, keys)
    return shown(ShownBench, run_recipe(asked, load_catalog(), ignore_event, out=out, fresh=fresh, fail_fast=fail_fast))


def leakage(
    recipe: str | Path | None = None,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
    **keys: object,
) -> Leakage:
    """Train the same cells under several protocols and test them on the same images: what leaks add to their figures.

    Everything is as for `bench`, and `protocol` names several, by default all: "lesion,image,oversample-first".
    `result.frame` has the columns of leakage.csv, a row a difference with its interval and test, and `result.benches`
    the bench of each protocol.
    """
    from skineval.report.document.notebook import shown
    from skineval.report.leakage import ShownLeakage

    asked = request(recipe, {"protocol": ",".join(PROTOCOLS), **keys})
    found = run_experiment(asked, load_catalog(), ignore_event, out=out, fresh=fresh, fail_fast=fail_fast)
    return shown(ShownLeakage, found)


def open(folder: str | Path) -> BenchResult:
    """Read the bench in `folder`, finished or not, as `bench` returns it; nothing is trained and nothing written.

    Figures are those in its files, or are computed anew where cells, recipe or metrics are others than those that the
    files were made from. `result.unfinished` are the cells that are missing. `result.pixels` looks for the data where
    the recipe says when it is called, and raises DataError where it is no longer there. Raises DataError naming a file
    of the bench that is missing or damaged.
    """
    from skineval.grid.conclude import open_bench
    from skineval.grid.folder import BenchFolder
    from skineval.report.bench.notebook import ShownBench
    from skineval.report.document.notebook import shown

    return shown(ShownBench, open_bench(BenchFolder(Path(folder)), load_catalog()))


def tune(
    recipe: str | Path | None = None,
    *,
    trials: int = 20,
    search: str | Sequence[str] = (),
    out: str | Path | None = None,
    fresh: bool = False,
    **keys: object,
) -> Search:
    """Search the hyper-parameters of one model and one imbalance strategy by validation balanced accuracy.

    `recipe` and `keys` are those of `bench`; the first trial is the recipe's own setting. `search` says what varies, as
    `--search` does: `search=["learning_rate=1e-4..1e-2", "augment=none,basic"]`; by default learning rate, weight
    decay, batch size, augmentation, schedule and epochs around what the recipe says. `trials` counts those that an
    earlier run left in `out`. With one fold the test part is never read; with several folds or repeats the choice sees
    test images too, as `result.caveat` says. The winning recipe is `result.recipe`, and a file in `result.folder`.

    Raises UsageError (optuna is missing, several models, a key that cannot be searched), DataError or PluginError
    before anything is trained, CellError where the recipe's own setting cannot be trained, and Interrupted on Ctrl-C,
    with every finished trial on disk.
    """
    from skineval.report.document.notebook import shown
    from skineval.report.tuning import ShownSearch

    asked = request(recipe, keys)
    texts = [search] if isinstance(search, str) else list(search)
    found = run_search(asked, load_catalog(), ignore_event, trials=trials, search=texts, out=out, fresh=fresh)
    return shown(ShownSearch, found)


def inventory(data: Places, progress: Callable[[int, int], None] | None = None, **keys: object) -> Inventory:
    """What the data set `data` holds: layout, licence, images and lesions of each class, gaps, sizes, baselines.

    `data` is a folder, a file or a name, as for `bench`, or several of them, and `keys` the recipe keys that say how it
    is read: `columns`, `table`, `quarantine`, and `task`, by default as the data is labelled; images that it has no
    class for are left out. `progress(done, total)` is called with numbers of images whose headers were read. Raises
    DataError for data that is not what it should be.
    """
    from skineval.data.groups import grouped
    from skineval.data.layouts.images import read_headers
    from skineval.data.quality.inventory import inventory as count
    from skineval.data.tasks import told_apart
    from skineval.grid.sources import as_labelled, load_data
    from skineval.report.document.notebook import shown
    from skineval.report.inventory import ShownInventory

    found = load_data(as_labelled(data, keys), load_catalog())
    # Lesions are counted as they are; what a bench and an audit record is of images grouped by patient, where known.
    table, benched = (
        told_apart(one, found.task, strict=False)[0] if "task" in keys else one
        for one in (found.table, grouped(found.table))
    )
    headers = read_headers(table.images, len(table), progress)
    return shown(ShownInventory, count(table, headers, benched.fingerprint))


def split(data: Places, **keys: object) -> tuple[LesionTable, Split]:
    """The parts that a bench of `data` would have, and the lesion table that they were made of.

    `keys` are the recipe keys that say how: `protocol`, `folds`, `repeats`, `split_seed`, `split`, `group_by`,
    `groups`, `quarantine`, `limit`, `columns`, `table`, `task`. Raises DataError for data that is not what it should
    be and for a split that leaks.
    """
    found, made = dealt_out(data, keys)
    return found.table, made


def dealt_out(data: Places, keys: Mapping[str, object]) -> tuple[Data, Split]:
    """As `split`, with the task whose classes are told apart."""
    from skineval.grid.leakage import refuse_several
    from skineval.grid.prepare import make_split, with_unused_parts
    from skineval.grid.sources import read_data
    from skineval.values.recipe import make_recipe

    # A recipe is one of models; no part depends on which.
    recipe = make_recipe({**keys, "models": "*", "data": data})
    refuse_several(recipe)
    found = read_data(recipe, load_catalog(), parted=True)
    made = make_split(recipe, found)
    return replace(found, table=with_unused_parts(found.table, recipe)), made


def audit(
    data: Places,
    *,
    test: float = 0.2,
    seed: int = 0,
    draws: int = 50,
    pairs: int = 100,
    progress: Callable[[int, int], None] | None = None,
    **keys: object,
) -> Audited:
    """What leaks from a data set when it is split without regard to lesions, and which of its images are doubled.

    `data` is a data set as for `bench`, or the folder of a bench, whose own split is then audited too. `pairs` is how
    many pairs of similar images are listed, and `keys` the recipe keys that say how data is read: `columns`, `table`,
    `groups`, `quarantine`, and `task`, by default as the data is labelled. `progress(done, total)` is called with
    steps of work.
    Raises DataError for data that is not what it should be, UsageError for settings out of range.
    """
    from skineval.data.quality.audit import Settings
    from skineval.grid.audit import run_audit
    from skineval.report.audit.audit import ShownAudit
    from skineval.report.document.notebook import shown

    found = run_audit(data, load_catalog(), Settings(test, seed, draws, pairs), keys, progress=progress)
    return shown(ShownAudit, found)


def embed(
    model: str | Path,
    data: Places,
    *,
    out: str | Path | None = None,
    progress: Progress = lambda done, total: None,
    **keys: object,
) -> Embeddings:
    """What `model` makes of the images of `data` in front of its head: embeddings, a row an image.

    `model` is an architecture with its initial weights, as in a recipe, or the folder of a trained cell; `keys` are the
    recipe keys `weights`, `image_size`, `fit`, `device`, and those that say how data is read. With `out`, they are
    written there, npz or CSV, as `bench(models="embeddings:file=...")` reads them. Raises UsageError, DataError and
    ModelFileError before anything is written.
    """
    from skineval.grid.embed import embed_to

    return embed_to(None if out is None else Path(out), model, data, keys, load_catalog(), progress)[0]


def explanations(
    model: str | Path,
    *,
    target: str = "predicted",
    scores: str = "outlines",
    images: str | Sequence[str] = (),
    limit: int | None = None,
    out: str | Path | None = None,
    replace: bool = False,
    fresh: bool = False,
    progress: Progress = lambda done, total: None,
    **keys: object,
) -> Explained:
    """Where a trained cell looks: its maps of the test part of its bench, scored.

    `target` is "predicted", "reference", a class, or two, as in "nv-mel"; `scores` are some of "outlines" (how well
    maps agree with those of lesions), "faithfulness", "sanity", "stability" and "controls" (the network on images
    without their lesion), with commas; `images` are ids of test images, `limit` takes so many; `keys` are the recipe
    keys `explainers`, `device` and `replicates`. With `out`, a folder that is new, or empty, or of which files may be
    replaced, scores of each image and galleries are written there, and a page with all of it. What an interrupted
    call has scored is gone on from by the same one, unless it is to be `fresh`. Raises what
    `skineval.grid.explained.explain_cell` does, and UsageError for a folder that holds something.
    """
    from skineval.base.files import refuse_full
    from skineval.grid.explained import Questions, explain_cell
    from skineval.report.document.notebook import shown
    from skineval.report.explained import ShownExplained
    from skineval.report.explained_page import write

    folder = None if out is None else Path(out)
    if folder is not None:
        refuse_full(folder, replace=replace)
    ids = [name.strip() for name in images.split(",") if name.strip()] if isinstance(images, str) else list(images)
    questions = Questions(target, scores, ids, limit, fresh)
    explained = explain_cell(Path(model), keys, load_catalog(), questions, out=folder, progress=progress)
    if folder is not None:
        write(explained, folder)
    return shown(ShownExplained, explained)


def export(
    model: str | Path,
    *,
    out: str | Path,
    limit: int = 200,
    replace: bool = False,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """A trained model as the folder `out`, ready to be published: model.onnx, the weights, README.md as its card.

    The graph takes RGB images (N, H, W, 3) uint8 of any size to the probabilities that `load_model(...).predict_proba`
    returns. Both are compared on `limit` test images of the bench around the model, or on synthetic ones. Raises
    UsageError where the extra `onnx` is missing, or where `out` holds anything, unless `replace`; ModelFileError as
    `load_model`; ExportError where the network cannot be exported, or its graph says something else. Nothing is written
    then.
    """
    from skineval.publish.publish import publish

    return publish(Path(model), Path(out), load_catalog(), limit=limit, replace=replace, progress=progress)


def load_model(path: str | Path, *, device: str = "auto") -> Classifier:
    """A trained model: `load_model("runs/.../cells/RUN_ID").predict_proba(images)`.

    `path` is the folder of a cell, its model.safetensors, or the folder of a bench with a single trained cell. Raises
    ModelFileError where the files are missing, damaged or of another architecture, or no plugin provides that, and
    where `path` is a bench with other cells, naming them; nothing is ever unpickled.
    """
    from skineval.grid.trained import open_trained

    return open_trained(Path(path), load_catalog(), device).classifier


def demo_app(
    model: str | Path,
    *,
    device: str = "auto",
    hosts: Sequence[str] = (),
    any_address: bool = False,
    progress: Progress = lambda done, total: None,
) -> Starlette:
    """The page of `skineval demo` for a trained model, as an ASGI application: `uvicorn.run(demo_app("runs/..."))`.

    `model` is as for `load_model`. Requests to this machine by the names of itself are answered, and those to `hosts`;
    with `any_address` also those to any host that is written as an address. `progress` counts explainers that were
    asked. Raises what `load_model` does, DataError where the bench around the model is damaged, and UsageError where
    the extra `demo` is not installed.
    """
    from skineval.demo.extra import require_server

    require_server()
    from skineval.demo.limits import LOOPBACK
    from skineval.demo.opening import open_model
    from skineval.demo.routes import make_app

    shown, samples = open_model(Path(model), load_catalog(), device=device, progress=progress)
    return make_app(shown, samples, hosts=LOOPBACK.union(hosts), any_address=any_address)
