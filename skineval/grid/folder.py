"""The folder of a bench: where each file lies, and reading and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skineval.base.codec import read_json
from skineval.base.errors import LISTED, ModelFileError
from skineval.base.places import File, Folder
from skineval.values.environment import Environment
from skineval.values.result import ExternalData

FIGURES = "figures"
OF_A_SEARCH = "search.json"  #: what a search leaves in its folder, and a bench does not


@dataclass(frozen=True)
class CellFolder(Folder):
    """`cells/<run_id>/` of a bench."""

    #: written after everything that it tells of; the cell is trained and predicted when it says "done"
    cell = File("cell.json")
    predictions = File("predictions.csv")  #: the border between training and everything after it
    history = File("history.csv")  #: one row an epoch
    weights = File("model.safetensors")  #: the trained network
    model = File("model.json")  #: what the weights are of, and how images are prepared for them
    embedding_space = File("embedding_space.csv")  #: of a strategy that made embeddings: where some lie, for a picture

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

    def map_scores(self, explainer: str) -> Path:
        """How well its maps of some test images agree with the outlines of lesions, where there are some."""
        return self.explanation(explainer) / "scores.csv"


@dataclass(frozen=True)
class NetworkFolder(Folder):
    """`networks/<network_id>/` of a bench, where a network is trained that several cells may share."""

    weights = File("network.safetensors")  #: the trained network
    about = File("network.json")  #: how it was trained; written before the weights are put in their place
    lock = File(".lock")  #: held by the process that trains it


@dataclass(frozen=True)
class ExternalFolder(Folder):
    """`external/<name>/` of a bench: one external test of all cells."""

    about = File("about.json")  #: what the data set is, and what was left out of it
    images = File("images.csv")  #: every image, with the reason why it is left out
    results = File("results.csv")  #: as results.csv of the bench
    comparisons = File("comparisons.csv")  #: as comparisons.csv of the bench


@dataclass(frozen=True)
class BenchFolder(Folder):
    """The folder of one bench."""

    recipe = File("recipe.toml")  #: the resolved recipe; benching it repeats the bench
    environment = File("environment.json")  #: versions, device, fingerprints, command
    split = File("split.csv")  #: which image is in which part of which fold
    attributes = File("attributes.csv")  #: what images differ in beside their class, such as age and sex
    cells = File("cells.csv")  #: one row a cell
    results = File("results.csv")  #: one row a figure
    comparisons = File("comparisons.csv")  #: one row a paired difference
    ladders = File("ladders.csv")  #: the same, of the strategies of each model
    subgroups = File("subgroups.csv")  #: one row a part of the test images: how good the best system is there
    choices = File("choices.csv")  #: one row a figure after something was chosen on validation images
    looks = File("explanations.csv")  #: one row a system and explainer: how well maps agree with outlines of lesions
    markdown = File("report.md")  #: the report, which shows the figures beside it
    html = File("report.html")  #: the report with its figures inside
    figures = File(FIGURES)  #: what the report in Markdown shows
    #: what results and reports were made from; they are made again when it no longer agrees
    receipt = File(".measured")

    def cell(self, run_id: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.path / "cells" / run_id)

    def network(self, network_id: str) -> NetworkFolder:
        """Where a network is trained that several cells may share."""
        return NetworkFolder(self.path / "networks" / network_id)

    def external(self, name: str) -> ExternalFolder:
        """The folder of one external test."""
        return ExternalFolder(self.path / "external" / name)


@dataclass(frozen=True)
class ExperimentFolder(Folder):
    """The folder of an experiment: benches under several protocols, which test the same images."""

    recipe = File("recipe.toml")  #: the resolved recipe, which names several protocols
    leakage = File("leakage.csv")  #: one row a paired difference of two protocols
    markdown = File("report.md")
    html = File("report.html")
    receipt = File(".measured")  #: what leakage.csv was made from

    def bench(self, protocol: str) -> BenchFolder:
        """The bench under one protocol."""
        return BenchFolder(self.path / protocol)


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
        # Of an experiment, those of its benches.
        there = sorted(bench.path.glob("cells/*/model.json")) or sorted(bench.path.glob("*/cells/*/model.json"))
        cells = [file.parent.name for file in there]
        if bench.recipe.is_file() and not {path.name, path.parent.name} & set(cells):
            names = ", ".join(cells[:LISTED]) + (f" and {len(cells) - LISTED} more" if len(cells) > LISTED else "")
            raise ModelFileError(
                f"{path} is no trained model. The cells of the bench {bench.path} are: {names or 'none yet'}.",
                f"Name one: {there[0].parent}." if there else "Run the bench again to go on with it.",
            )
