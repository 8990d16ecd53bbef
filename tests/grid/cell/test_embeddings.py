"""The cache of embeddings: taken where the network makes them, and made anew where it does not."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from torch import nn

from skineval.catalog.networks import find_head
from skineval.grid.cell.embeddings import Frozen, embeddings
from tests.train.toys import TOY, build, images, stage


@pytest.fixture
def store(tmp_path):
    """Images that lie in a cache."""
    file = np.memmap(tmp_path / "16px.uint8", np.uint8, "w+", shape=(12, 16, 16, 3))
    file[:] = images(12)[0]
    return file


def frozen(seed=0):
    torch.manual_seed(seed)
    network = build(3, weights=None)
    return Frozen(network, find_head(network, TOY, 3), TOY, {}, "", stage(np.empty((0, 16, 16, 3), np.uint8)))


def made(of, store):
    told = []
    return embeddings(of, store, tell=told.append), told


def doubled(content):
    """A whole file of embeddings that the network does not make."""
    values = load(content)["embeddings"] * 2
    return save({"embeddings": values, "crc32": np.array(zlib.crc32(values.tobytes()))})


@pytest.mark.parametrize("damage", [lambda content: content[:-3] + b"abc", lambda content: content[:40], doubled])
def test_what_is_damaged_or_of_other_code_is_made_anew(store, tmp_path, damage):
    first, told = made(frozen(), store)
    assert told == ["embedding 12 images"]
    assert made(frozen(), store)[1] == ["embeddings are in the cache"]
    (file,) = tmp_path.glob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again, told = made(frozen(), store)
    assert told == ["embedding 12 images"]
    np.testing.assert_array_equal(again, first)
    assert file.read_bytes() == whole


def test_other_weights_and_other_code_under_the_same_name_are_other_embeddings(store):
    first, _ = made(frozen(), store)
    other, told = made(frozen(seed=1), store)
    assert told == ["embedding 12 images"]
    assert not np.allclose(first, other)
    edited = frozen()
    edited.network[4] = nn.Tanh()  # which has no numbers of its own
    _, told = made(replace(edited), store)
    assert told == ["embedding 12 images"]
