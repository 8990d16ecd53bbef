"""The folder of a bench: where each file lies, and reading and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skineval.base.codec import read_json
from skineval.base.errors import LISTED, ModelFileError
from skineval.values.environment import Environment
from skineval.values.result import ExternalData


@dataclass(frozen=True)
class CellFolder:
    """`cells/<run_id>/` of a bench."""

    path: Path

    @property
    def cell(self) -> Path:
        """Written after everything that it tells of; the cell is trained and predicted when it says "done"."""
        return self.path / "cell.json"

    @property
    def predictions(self) -> Path:
        """The border between training and everything after it."""
        return self.path / "predictions.csv"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.path / "model.safetensors"

    @property
    def model(self) -> Path:
        """What the weights are of, and how images are prepared for them."""
        return self.path / "model.json"

    @property
    def essential(self) -> tuple[Path, ...]:
        """What training and predicting leave: all of it is there, or all is written again."""
        return self.weights, self.model, self.history, self.predictions

    def external(self, name: str) -> Path:
        """The predictions of one external test."""
        return self.path / "external" / f"{name}.csv"

    def explanation(self, explainer: str) -> Path:
        """The panels of one explainer."""
        return self.path / "explanations" / explainer.replace(":", "-")


@dataclass(frozen=True)
class NetworkFolder:
    """`networks/<network_id>/` of a bench, where a network is trained that several cells may share."""

    path: Path

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.path / "network.safetensors"

    @property
    def about(self) -> Path:
        """How it was trained; written before the weights are put in their place."""
        return self.path / "network.json"

    @property
    def lock(self) -> Path:
        """Held by the process that trains it."""
        return self.path / ".lock"


@dataclass(frozen=True)
class ExternalFolder:
    """`external/<name>/` of a bench: one external test of all cells."""

    path: Path

    @property
    def about(self) -> Path:
        """What the data set is, and what was left out of it."""
        return self.path / "about.json"

    @property
    def images(self) -> Path:
        """Every image, with the reason why it is left out."""
        return self.path / "images.csv"

    @property
    def results(self) -> Path:
        """As results.csv of the bench."""
        return self.path / "results.csv"

    @property
    def comparisons(self) -> Path:
        """As comparisons.csv of the bench."""
        return self.path / "comparisons.csv"


@dataclass(frozen=True)
class BenchFolder:
    """The folder of one bench."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe; benching it repeats the bench."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """Versions, device, fingerprints, command."""
        return self.path / "environment.json"

    @property
    def split(self) -> Path:
        """Which image is in which part of which fold."""
        return self.path / "split.csv"

    @property
    def cells(self) -> Path:
        """One row a cell."""
        return self.path / "cells.csv"

    @property
    def results(self) -> Path:
        """One row a figure."""
        return self.path / "results.csv"

    @property
    def comparisons(self) -> Path:
        """One row a paired difference."""
        return self.path / "comparisons.csv"

    @property
    def receipt(self) -> Path:
        """What results and reports were made from; they are made again when it no longer agrees."""
        return self.path / ".measured"

    def cell(self, run_id: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.path / "cells" / run_id)

    def network(self, network_id: str) -> NetworkFolder:
        """Where a network is trained that several cells may share."""
        return NetworkFolder(self.path / "networks" / network_id)

    def external(self, name: str) -> ExternalFolder:
        """The folder of one external test."""
        return ExternalFolder(self.path / "external" / name)


def read_environment(folder: BenchFolder) -> Environment:
    """What environment.json says, as far as it is known here: it is told, and changes no figure.

    Raises DataError where it is missing or damaged.
    """
    return read_json(Environment, folder.environment, extra="ignore")


def read_external(folder: ExternalFolder) -> ExternalData:
    """What about.json says, as `read_environment`."""
    return read_json(ExternalData, folder.about, extra="ignore")


def refuse_bench(path: Path) -> None:
    """Raises ModelFileError where `path` is a bench, or a place in one, instead of a trained cell of it."""
    for bench in map(BenchFolder, (path, *path.parents[:2])):
        cells = sorted(file.parent.name for file in bench.path.glob("cells/*/model.json"))
        if bench.recipe.is_file() and not {path.name, path.parent.name} & set(cells):
            names = ", ".join(cells[:LISTED]) + (f" and {len(cells) - LISTED} more" if len(cells) > LISTED else "")
            raise ModelFileError(
                f"{path} is no trained model. The cells of the bench {bench.path} are: {names or 'none yet'}.",
                f"Name one: {bench.cell(cells[0]).path}." if cells else "Run the bench again to go on with it.",
            )
