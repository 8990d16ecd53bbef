"""One cell, from the specification to predictions, model and explanations on disk."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.codec import read_json, write_json
from skineval.base.errors import DataError, ModelFileError
from skineval.base.files import atomic_link, atomic_rename
from skineval.base.terms import DONE
from skineval.catalog.catalog import Catalog
from skineval.catalog.networks import find_head
from skineval.catalog.specs import Architecture, EpochEnded, ImbalanceStrategy
from skineval.data.splits.split import Parts
from skineval.grid.cell.additions import complete
from skineval.grid.cell.record import CellRecord, sealed, standing
from skineval.grid.cell.workspace import Workspace
from skineval.grid.folder import CellFolder
from skineval.grid.tables import write_frame
from skineval.measure.metrics import balanced_accuracy
from skineval.train import checkpoint, determinism
from skineval.train.augment import make_transform, normaliser
from skineval.train.bare_step import bare_step
from skineval.train.checkpoint import EpochRecord, Progress, TrainedNetwork
from skineval.train.classifier import InitialWeights, model_card
from skineval.train.embeddings import fit_head, install_head
from skineval.train.faults import is_out_of_memory
from skineval.train.fit import Step, Task, history_rows, images_per_second, train
from skineval.train.learner import make_learner
from skineval.train.losses import cross_entropy
from skineval.train.network import build_network, classifier_paths
from skineval.train.predict import Stage, embed, predict_probabilities, put_on_device
from skineval.train.weights import NONE, Loaded, Weights, read_tensors, write_tensors
from skineval.values.predictions import Predictions
from skineval.values.runspec import RunSpec, Selection, derive_seed


@dataclass(frozen=True)
class Observer:
    """Who is told how a cell goes, and who may stop it."""

    on_epoch: Callable[[EpochEnded], None]
    on_step: Callable[[Step], None]
    on_phase: Callable[[str], None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True)
class Trained:
    """A network as trained, before anything is done to its head."""

    network: nn.Module
    progress: Progress
    loaded: tuple[Loaded, ...]
    seconds: float  #: spent here and now; 0 where another cell had trained it


def run_cell(
    spec: RunSpec, workspace: Workspace, catalog: Catalog, explainers: tuple[Selection, ...], observer: Observer
) -> CellRecord:
    """Do what is left to do of a cell and return its record, which the caller writes last.

    Once it is trained and predicted it is done, and stays so whatever becomes of external tests and explanations: of
    those that fail the record holds the reason.

    Raises CellError, or whatever a plugin raises, when the cell fails; Interrupted when the observer says stop. What
    is on disk then is complete files only, and running the cell again goes on from them.
    """
    started = time.perf_counter()
    architecture = catalog.architecture(spec.model)
    strategy = catalog.imbalance[spec.imbalance.name]
    folder = workspace.folder.cell(spec.run_id)
    parts = workspace.parts[spec.fold]
    notes = [note for note in (workspace.weights.lacking(architecture),) if note]
    stage = make_stage(spec, workspace, architecture, observer, notes.append)

    trained = train_shared(spec, workspace, architecture, strategy, stage, observer)
    record = standing(folder)
    if record is not None:
        trained.network.load_state_dict(read_tensors(folder.weights))
        keys = {external.key for external in workspace.externals}
        record = replace(record, externals=tuple(key for key in record.externals if key in keys))
    else:
        if strategy.resample is not None:
            observer.on_phase("refitting the head")
            refit_head(spec, workspace, architecture, strategy, stage, trained.network)
        observer.on_phase("predicting")
        write_model(folder, spec, workspace, architecture, trained)
        write_frame(folder.history, pd.DataFrame(history_rows(trained.progress)))
        write_frame(folder.predictions, predict(spec, workspace, stage, trained.network).to_frame())
        record = CellRecord(
            spec,
            DONE,
            " ".join(dict.fromkeys((*trained.progress.notes, *notes))),
            seconds=round(_seconds(trained, started), 3),
            images_per_second=_rounded(images_per_second(trained.progress)),
            device=workspace.device,
            train_counts=tuple(class_counts(workspace, parts).tolist()),
            torch=version("torch"),
            threads=workspace.threads,
        )
        record = sealed(record, folder, *folder.essential)
        started = time.perf_counter()
    record = complete(record, workspace, catalog, explainers, stage, trained.network, observer.on_phase)
    return replace(
        record,
        reason=" ".join(filter(None, (record.reason, *(note for note in notes if note not in record.reason)))),
        seconds=round(record.seconds + time.perf_counter() - started, 3),
    )


def make_stage(
    spec: RunSpec,
    workspace: Workspace,
    architecture: Architecture,
    observer: Observer,
    on_note: Callable[[str], None],
) -> Stage:
    """Put the images where the network will be."""
    device = torch.device(workspace.device)
    normalise = normaliser(architecture.mean, architecture.std, device)
    images = put_on_device(workspace.store, device)
    return Stage(images, device, spec.precision, normalise, observer.should_stop, on_note)


def train_shared(
    spec: RunSpec,
    workspace: Workspace,
    architecture: Architecture,
    strategy: ImbalanceStrategy,
    stage: Stage,
    observer: Observer,
) -> Trained:
    """The trained network of `spec`: made here, or read where another cell of the same network has made it."""
    started = time.perf_counter()
    folder = workspace.folder.network(spec.network_id)
    folder.mkdir(parents=True, exist_ok=True)
    weights = Weights(spec.weights, workspace.weights.path)
    with FileLock(folder / ".lock"):
        found = read_network(spec, workspace)
        initial = weights if found is None else Weights(NONE)
        network, loaded = build_network(
            architecture,
            spec.model,
            len(workspace.classes),
            initial,
            spec.image_size,
            derive_seed("initial weights", spec.model, spec.seed, spec.fold),
        )
        if found is not None:
            checkpoint.discard(folder)  # whoever made it may have been killed right after
            tensors, about = found
            network.load_state_dict(tensors)
            network.to(stage.device).to(memory_format=torch.channels_last)
            return Trained(network, about.progress, about.weights, 0.0)
        notes = cost_of_determinism(spec, workspace, network, stage)
        observer.on_phase("training")
        task = make_task(spec, workspace, architecture, strategy, network, stage.device)
        progress = train(
            network,
            spec,
            task,
            stage,
            folder,
            on_epoch=lambda record: observer.on_epoch(_event(spec, record)),
            on_step=observer.on_step,
        )
        progress = replace(progress, notes=(*progress.notes, *notes))
        write_json(folder / "network.json", TrainedNetwork(progress, loaded, workspace.stamps))
        atomic_rename(checkpoint.best_file(folder, progress.best_epoch), _network_file(spec, workspace))
        checkpoint.discard(folder)
    return Trained(network, progress, loaded, time.perf_counter() - started)


def read_network(spec: RunSpec, workspace: Workspace) -> tuple[dict[str, Tensor], TrainedNetwork] | None:
    """The tensors of the trained network of `spec` and how it was trained; None where it has to be trained (again)."""
    about = workspace.folder.network(spec.network_id) / "network.json"
    try:
        return read_tensors(_network_file(spec, workspace)), read_json(TrainedNetwork, about)
    except (ModelFileError, DataError):
        return None


def cost_of_determinism(spec: RunSpec, workspace: Workspace, network: nn.Module, stage: Stage) -> tuple[str, ...]:
    """A note on what deterministic algorithms cost, where they were asked for and are not what is used anyway."""
    if not workspace.deterministic or stage.device.type != "cuda":
        return ()
    training = spec.training
    learner = make_learner(copy.deepcopy(network), training, stage.device)
    step = bare_step(learner, stage, training.batch_size, len(workspace.classes), training.learning_rate)
    try:
        times = determinism.cost(step, stage.device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return ()  # training will do with parts of a batch what does not fit
    return (f"Deterministic algorithms took {times:.2f} times as long a step as others would have.",)


def make_task(
    spec: RunSpec,
    workspace: Workspace,
    architecture: Architecture,
    strategy: ImbalanceStrategy,
    network: nn.Module,
    device: torch.device,
) -> Task:
    """What the training loop is given. The strategy sees labels of the train part, and nothing else."""
    training = spec.training
    apart = training.freeze_epochs > 0 or training.backbone_rate != 1
    parts = workspace.parts[spec.fold]
    labels = workspace.targets[parts.train]
    parameters = spec.imbalance.parameters
    loss = strategy.loss(class_counts(workspace, parts), **parameters) if strategy.loss else cross_entropy
    draw_weights = strategy.draw_weights(labels, **parameters) if strategy.draw_weights else None
    return Task(
        train=parts.train,
        validation=parts.validation,
        targets=workspace.targets,
        loss=loss,
        draw_weights=draw_weights,
        transform=make_transform(training.augment, architecture.mean, architecture.std, device),
        score=lambda targets, probabilities: score(targets, probabilities, workspace.classes),
        head=classifier_paths(network, architecture, len(workspace.classes)) if apart else None,
    )


def refit_head(
    spec: RunSpec,
    workspace: Workspace,
    architecture: Architecture,
    strategy: ImbalanceStrategy,
    stage: Stage,
    network: nn.Module,
) -> None:
    """Resample the train embeddings and put a head into `network` that is fitted to them."""
    assert strategy.resample is not None
    parts = workspace.parts[spec.fold]
    head = find_head(network, architecture, len(workspace.classes))
    embeddings = embed(network, head, stage, np.concatenate([parts.train, parts.validation]))
    train_embeddings, validation_embeddings = np.split(embeddings, [len(parts.train)])
    resampled, labels = strategy.resample(
        train_embeddings,
        workspace.targets[parts.train],
        seed=derive_seed("resample", spec.model, spec.imbalance, spec.seed, spec.fold),
        **spec.imbalance.parameters,
    )
    fitted = fit_head(
        resampled,
        labels,
        (validation_embeddings, workspace.targets[parts.validation]),
        len(workspace.classes),
        lambda targets, probabilities: score(targets, probabilities, workspace.classes),
    )
    install_head(head, fitted)


def predict(spec: RunSpec, workspace: Workspace, stage: Stage, network: nn.Module) -> Predictions:
    """Predictions for the validation and the test part."""
    parts = workspace.parts[spec.fold]
    rows = np.concatenate([parts.validation, parts.test])
    copied, distinct = pd.factorize(rows)  # an image is looked at once, however many copies were dealt out
    return Predictions(
        classes=workspace.classes,
        image_ids=workspace.image_ids[rows],
        lesion_ids=workspace.lesion_ids[rows],
        groups=workspace.lesion_ids[rows],
        parts=np.repeat(["validation", "test"], [len(parts.validation), len(parts.test)]),
        targets=workspace.targets[rows],
        probabilities=predict_probabilities(network, stage, distinct, spec.tta)[copied],
        fold=spec.fold,
        seed=spec.seed,
    )


def write_model(
    folder: CellFolder, spec: RunSpec, workspace: Workspace, architecture: Architecture, trained: Trained
) -> None:
    """model.safetensors and model.json; the weights are linked to the shared network where they are the same."""
    initial = InitialWeights(spec.weights, trained.loaded, workspace.weights.lacking(architecture))
    if spec.on_embeddings or not atomic_link(_network_file(spec, workspace), folder.weights):
        write_tensors(folder.weights, trained.network.state_dict())
    write_json(folder.model, model_card(spec, architecture, initial, trained.progress, workspace.stamps))


def score(targets: NDArray[np.int64], probabilities: NDArray[np.float64], classes: tuple[str, ...]) -> float:
    """The balanced accuracy by which epochs and heads are chosen, on validation images."""
    return float(balanced_accuracy(targets, probabilities, np.ones((1, len(targets))), classes)[0])


def class_counts(workspace: Workspace, parts: Parts) -> NDArray[np.int64]:
    """Images of the train part per class, (C,)."""
    return np.bincount(workspace.targets[parts.train], minlength=len(workspace.classes))


def _network_file(spec: RunSpec, workspace: Workspace) -> Path:
    return workspace.folder.network(spec.network_id) / "network.safetensors"


def _event(spec: RunSpec, record: EpochRecord) -> EpochEnded:
    return EpochEnded(
        spec.run_id,
        record.epoch,
        spec.training.epochs,
        record.train_loss,
        record.val_loss,
        record.val_balanced_accuracy,
        record.images / record.train_seconds,
    )


def _seconds(trained: Trained, started: float) -> float:
    """What the cell costs: its own work now, and the epochs trained before an interruption, or for another cell."""
    now = time.perf_counter() - started
    epochs = sum(record.seconds for record in trained.progress.history)
    return now - trained.seconds + max(trained.seconds, epochs)


def _rounded(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
