"""Memory that runs out while a network predicts, and how it is told from other errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skineval.base.errors import CellError
from skineval.train.faults import is_out_of_memory
from skineval.train.network import build_network
from skineval.train.predict import embed, predict_logits, predict_probabilities
from skineval.train.weights import NONE, Weights
from tests.train.toys import TOY, images, spec, stage

ROWS = np.arange(40)
ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("could not create a primitive"),  # what a convolution under RLIMIT_AS says
    RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    RuntimeError("Invalid buffer size: 20.00 GiB"),  # Apple's GPU
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
    MemoryError(),
)


class Hungry(nn.Module):
    """A network that cannot hold more than `most` images, and says how many it was given."""

    def __init__(self, network, most, error):
        super().__init__()
        self.network, self.most, self.error = network, most, error
        self.held = []

    def forward(self, images):
        if len(images) > self.most:
            raise self.error
        self.held.append(len(images))
        return self.network(images)


def hungry(most, error=ERRORS[0]):
    network, _ = build_network(TOY, spec().model, 3, Weights(NONE), 16, seed=7)
    return Hungry(network.eval(), most, error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {str(error)[:20]}")
def test_what_says_that_memory_ran_out(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("could not create a primitive descriptor for a convolution forward propagation primitive"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("out of memory"),
    ],
    ids=str,
)
def test_what_says_something_else(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {str(error)[:20]}")
@pytest.mark.parametrize(("most", "size"), [(40, 40), (39, 20), (19, 10), (4, 3), (1, 1)])
def test_predictions_are_those_of_the_batch_size_that_memory_holds(error, most, size):
    store, _ = images()
    notes = []
    model = hungry(most, error)
    found = predict_logits(model, stage(store, on_note=notes.append), ROWS, batch_size=40)
    assert set(model.held) <= {size, 40 % size}
    np.testing.assert_array_equal(found, predict_logits(model.network, stage(store), ROWS, batch_size=size))
    assert notes[-1:] == [f"Memory ran out: {size} images at a time were predicted."][: size < 40]


@pytest.mark.parametrize("most", [40, 7])
def test_embeddings_are_those_of_the_batch_size_that_memory_holds(most):
    store, _ = images()
    model = hungry(most)
    found = embed(model, model.network[8], stage(store), ROWS, batch_size=40)
    np.testing.assert_array_equal(found, embed(model.network, model.network[8], stage(store), ROWS, model.held[-1]))


def test_memory_that_runs_out_halfway_makes_no_mixture_of_batch_sizes():
    store, _ = images()
    model = hungry(40)
    forward = model.forward

    def tired(images):
        model.most = 20 if len(model.held) == 1 else model.most
        return forward(images)

    model.forward = tired
    found = predict_logits(model, stage(store), np.arange(80), batch_size=40)
    assert model.held == [40, 20, 20, 20, 20]
    np.testing.assert_array_equal(found, predict_logits(model.network, stage(store), np.arange(80), batch_size=20))


def test_memory_for_not_a_single_image_is_said():
    store, _ = images()
    with pytest.raises(CellError, match="Memory ran out with a single image"):
        predict_probabilities(hungry(0), stage(store), ROWS)


def test_another_error_is_that_error():
    store, _ = images()
    with pytest.raises(RuntimeError, match="shapes"):
        predict_logits(hungry(1, RuntimeError("shapes do not match")), stage(store), ROWS)
