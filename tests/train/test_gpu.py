"""What only a GPU can show: `nox -s gpu`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skineval.base.errors import Interrupted
from skineval.catalog.catalog import load_catalog
from skineval.train import determinism, fit
from skineval.train.augment import make_transform, normaliser
from skineval.train.checkpoint import Progress
from skineval.train.fit import run_epoch, train
from skineval.train.learner import make_learner
from skineval.train.neighbours import NearestNeighbours
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import Stage, decide, never, predict_probabilities
from skineval.train.remedy import Remedy
from skineval.train.weights import NONE, Weights
from skineval.values.runspec import RunSpec, Selection, Training
from tests.conftest import run_program
from tests.train.toys import CLASSES, images, score, task

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

GPU = torch.device("cuda:0")
SIZE, N = 64, 60
CATALOG = load_catalog()
MODELS = [*map(str, CATALOG.architectures.select(["*"])), "cnn+resnet18", "resnet18:head=conv", "vit_b_16:head=mlp"]


@pytest.fixture
def deterministic(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    determinism.make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


class Trial:
    """A network and its images on the GPU."""

    def __init__(self, model="resnet18", precision="bf16", epochs=2, batch_size=16, augment="strong", should_stop=None):
        (selection,) = CATALOG.architectures.select([model])
        self.architecture = CATALOG.architecture(selection)
        mean, std = self.architecture.mean, self.architecture.std
        training = Training(epochs=epochs, batch_size=batch_size, learning_rate=1e-3, augment=augment, ema=0.9)
        self.spec = RunSpec(selection, Selection("none"), 0, 0, "toy", CLASSES, "", "", SIZE, training, NONE, precision)
        pictures, labels = images(N, SIZE)
        on_gpu = torch.from_numpy(pictures).to(GPU)
        self.stage = Stage(on_gpu, GPU, precision, normaliser(mean, std, GPU), should_stop or never)
        strategy = CATALOG.imbalance["class-weights"]
        weighted = strategy.loss(np.bincount(labels), power=1.0)
        self.task = task(
            labels, transform=make_transform(augment, mean, std, GPU), remedy=Remedy(loss=weighted), score=score
        )
        self.network, _ = build_network(
            Blueprint(self.architecture, selection.parameters, 3, SIZE), Weights(NONE), seed=7
        )

    def train(self, folder):
        """The weights and the notes after training."""
        progress = train(self.network, self.spec, self.task, self.stage, folder, on_epoch=lambda record: None)
        return {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}, progress.notes


def same(one, two):
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("model", MODELS)
def test_no_step_waits_for_the_gpu(model, monkeypatch):
    trial = Trial(model, epochs=1, batch_size=8)
    learner = make_learner(trial.network, trial.spec.training, GPU)
    look_at = fit.look_at

    def on_step(step):
        if step.done > 0:  # the first one may copy constants
            torch.cuda.set_sync_debug_mode("error")

    def look(lost, step, epoch):
        if step + 1 == len(lost):
            torch.cuda.set_sync_debug_mode("default")
            look_at(lost, step, epoch)

    monkeypatch.setattr(fit, "look_at", look)
    try:
        record = run_epoch(learner, trial.spec, trial.task, trial.stage, Progress(), on_step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert np.isfinite([record.train_loss, record.val_loss]).all()


@pytest.mark.parametrize("model", MODELS)
def test_every_architecture_has_deterministic_algorithms(model, deterministic, tmp_path):
    one, _ = Trial(model, epochs=1).train(tmp_path / "one")
    two, _ = Trial(model, epochs=1).train(tmp_path / "two")
    assert same(one, two)


@pytest.mark.parametrize("stop_after_steps", [1, 4, 7])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(stop_after_steps, deterministic, tmp_path):
    whole, _ = Trial().train(tmp_path / "whole")
    calls = iter(range(10**6))
    with pytest.raises(Interrupted):
        Trial(should_stop=lambda: next(calls) >= stop_after_steps).train(tmp_path / "cut")
    resumed, _ = Trial().train(tmp_path / "cut")
    assert same(whole, resumed)


def test_where_memory_runs_out_gradients_are_summed_over_parts(tmp_path):
    trial = Trial("resnet50", "fp32", epochs=1, batch_size=30)
    held = 400 * 2**20  # too little for the activations of all thirty images
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(held / torch.cuda.get_device_properties(GPU).total_memory, GPU)
    try:
        _, notes = trial.train(tmp_path)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert any("memory" in note.lower() for note in notes)


def test_predictions_are_those_of_the_cpu():
    trial = Trial(precision="fp32")
    network = trial.network.eval()
    rows = np.arange(N)
    cpu, architecture = torch.device("cpu"), trial.architecture
    here = Stage(trial.stage.images.cpu(), cpu, "fp32", normaliser(architecture.mean, architecture.std, cpu))
    expected = predict_probabilities(network, here, rows)
    found = predict_probabilities(network.to(GPU), trial.stage, rows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_whole_bench(tmp_path):
    done = run_program(
        "bench",
        "--data=synthetic:images=140",
        "--models=cnn:width=4,resnet18",
        "--imbalance=none,smote",
        "--image-size=32",
        "--epochs=2",
        "--replicates=1000",
        "--device=cuda",
        "--deterministic",
        "--weights=none",
        "--out=out",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Deterministic algorithms took" in (tmp_path / "out" / "cells.csv").read_text()


def test_neighbours_are_those_of_a_cpu():
    generator = np.random.default_rng(0)
    embeddings, questions = (generator.integers(-2, 3, (n, 40)).astype(np.float32) for n in (2000, 300))
    head = NearestNeighbours(torch.from_numpy(embeddings), torch.arange(2000) % 3, torch.ones(2000), 3, k=20)
    expected = decide(head, questions)
    np.testing.assert_allclose(decide(head.to(GPU), questions), expected, atol=1e-6)
