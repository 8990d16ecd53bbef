"""A trained model as a folder that is ready to be published: its graph, its weights, its card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from skineval.base.errors import UsageError
from skineval.base.files import refuse_full
from skineval.base.terms import Progress
from skineval.catalog.catalog import Catalog
from skineval.grid.trained import open_trained
from skineval.publish.card import Known, card, licence, parity_table
from skineval.publish.folder import ModelFolder, write_folder
from skineval.publish.graph import require_onnx, to_onnx
from skineval.publish.origin import bench_of, sample
from skineval.publish.parity import Parity, compare
from skineval.report.document.notebook import fragments
from skineval.train.classifier import Classifier
from skineval.train.cpu import use_cpu


@dataclass(frozen=True, eq=False)
class Exported:
    """A folder with a model, and what it says of it."""

    folder: ModelFolder
    known: Known

    @property
    def parity(self) -> Parity:
        """How far its graph and the network agree."""
        return self.known.parity

    def __repr__(self) -> str:
        return f"<Exported {self.known.name}: {self.folder.path}>"

    def _repr_html_(self) -> str:
        return fragments([parity_table(self.known)])


def publish(model: Path, out: Path, catalog: Catalog, *, limit: int, replace: bool, progress: Progress) -> Exported:
    """Export a trained model to the folder `out`; see `skineval.export`."""
    require_onnx()
    refuse_full(out, replace=replace)
    if limit < 1:
        raise UsageError(f"--limit is {limit}, which should be 1 or more.", "Leave it out for the usual number.")
    use_cpu()
    trained = open_trained(model, catalog, "cpu")
    classifier, bench = trained.classifier, bench_of(trained, catalog)
    images = sample(classifier.about, bench, limit, catalog)
    progress(0, len(images.squares))
    graph = to_onnx(classifier)
    known = Known(classifier, bench, compare(classifier, graph, images, progress))
    files = {
        ModelFolder.graph: graph.SerializeToString(),
        ModelFolder.weights: trained.folder.weights.read_bytes(),
        ModelFolder.about: trained.folder.model.read_bytes(),
        ModelFolder.preprocessing: _preprocessing(classifier).encode(),
        ModelFolder.program: Path(__file__).with_name("predict.py").read_bytes(),
        ModelFolder.licence: licence(known).encode(),
        ModelFolder.card: card(known).encode(),
    }
    write_folder(out, {file.name: content for file, content in files.items()}, replace=replace)
    return Exported(ModelFolder(out), known)


def _preprocessing(classifier: Classifier) -> str:
    """preprocessor_config.json, with the keys of Hugging Face's image processors, as far as these have words for it."""
    about = classifier.about
    values = {
        "do_resize": True,
        "size": {"height": about.image_size, "width": about.image_size},
        "resample": 2,  # Pillow's bilinear, which is antialiased
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": about.normalisation.mean,
        "image_std": about.normalisation.std,
        "fit": about.fit,
        "in_words": about.preprocessing,
    }
    return json.dumps(values, indent=2) + "\n"
