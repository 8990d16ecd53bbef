"""A trained model as people name it, and the bench around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skineval.base.codec import RESTORE
from skineval.base.errors import ModelFileError
from skineval.catalog.catalog import Catalog
from skineval.grid.cell.record import read_cell, stands
from skineval.grid.folder import BenchFolder, CellFolder, refuse_bench
from skineval.grid.reading import read_bench
from skineval.train.classifier import Classifier, load_classifier
from skineval.values.result import BenchResult, CellResult
from skineval.values.runspec import RunSpec


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What is known of a trained cell beside its model."""

    spec: RunSpec
    bench: BenchResult  #: without its measures
    own: CellResult  #: that of the cell


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, and where it lies."""

    folder: CellFolder
    classifier: Classifier

    def surroundings(self) -> Surroundings | None:
        """The bench around it; None where there is none of which it is a cell. Raises DataError for a damaged one."""
        record, around = read_cell(self.folder), BenchFolder(self.folder.path.parent.parent)
        if record is None or not around.recipe.is_file():
            return None
        bench = read_bench(around)
        own = next((cell for cell in bench.finished if cell.run_id == record.spec.run_id), None)
        return None if own is None else Surroundings(record.spec, bench, own)


def open_trained(path: Path, catalog: Catalog, device: str = "auto") -> Trained:
    """The model of a cell, named by its folder, a file in it, or the folder of a bench that has only this one.

    Raises ModelFileError as `refuse_bench` and `load_classifier`, and where model.json is not as its bench wrote it:
    classes in another order would be believed.
    """
    named = _cell(path)
    folder = CellFolder(named.resolve())
    record = read_cell(folder)
    if record is not None and folder.model.is_file() and not stands(record, folder, folder.model):
        raise ModelFileError(f"{folder.model} is not as the bench wrote it.", RESTORE)
    return Trained(folder, load_classifier(named, device=device, catalog=catalog))


def _cell(path: Path) -> Path:
    bench = BenchFolder(path)
    cells = list(path.glob("cells/*/model.json")) if bench.recipe.is_file() else []
    if len(cells) == 1:
        return cells[0].parent
    refuse_bench(path)
    return path.parent if path.is_file() else path
