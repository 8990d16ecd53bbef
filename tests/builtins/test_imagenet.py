"""ImageNet weights: found where torch keeps them, downloaded, refused when damaged, and put where they belong."""

from __future__ import annotations

import hashlib
import http.server
import re
import socket
import threading
from functools import partial

import pytest
import torch
from torchvision import models

from skineval.base.errors import WeightsError
from skineval.builtins import imagenet
from skineval.builtins.architectures import ARCHITECTURES
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import Weights, resolve_weights

BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}
RESNET = imagenet.Checkpoint("resnet18", version=1)
HEAD_OF_DENSENET = {"classifier.weight", "classifier.bias"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """torch's cache is empty, and whoever opens a connection fails."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(imagenet, "ATTEMPTS", 1)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Make a file that torchvision would have published: named by its digest. Returns a function of the tensors."""

    def publish(tensors, place=None):
        path = tmp_path / "file.pth"
        torch.save(tensors, path)
        name = f"weights-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
        monkeypatch.setattr(imagenet.Checkpoint, "url", f"https://weights.invalid/{name}")
        target = place or tmp_path / "torch" / "hub" / "checkpoints"
        target.mkdir(parents=True, exist_ok=True)
        return path.replace(target / name)

    return publish


def old_densenet_names(tensors):
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name): value for name, value in tensors.items()
    }


def test_offline_the_error_says_which_file_to_put_where(tmp_path):
    with pytest.raises(WeightsError) as caught:
        resolve_weights("imagenet", [BY_NAME["resnet18"]])
    place = tmp_path / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    assert f"place it as {place}" in caught.value.hint
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in caught.value.hint
    assert "--weights none" in caught.value.hint
    assert "no network in this test" in caught.value.message
    assert caught.value.exit_code == 2


def test_a_file_that_was_put_there_is_used(published):
    path = published({"x": torch.zeros(3)})
    assert RESNET.fetch() == path
    assert RESNET.path() == path


def test_a_damaged_file_is_not_used(published):
    path = published({"x": torch.zeros(3)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"is there, but its SHA-256 does not begin with [0-9a-f]{8}"):
        RESNET.fetch()


def test_what_is_not_there_is_downloaded_once(published, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = published({"x": torch.arange(4.0)}, place=tmp_path / "served")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=path.parent)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(imagenet.Checkpoint, "url", f"http://127.0.0.1:{server.server_port}/{path.name}")
        fetched = RESNET.fetch()
        server.shutdown()
    assert fetched.read_bytes() == path.read_bytes()
    assert RESNET.fetch() == fetched  # with the server gone


def test_a_network_has_them_all_but_its_head(published):
    torch.manual_seed(3)
    theirs = models.resnet18().state_dict()
    path = published(theirs)
    network, (record,) = build_network(Blueprint(BY_NAME["resnet18"], {}, 7, 32), Weights("imagenet"), seed=1)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, theirs[name]) or name.startswith("fc."), name
    assert record.architecture == "resnet18"
    assert record.file == path.name
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(record.missing) == set(record.unused) == {"fc.weight", "fc.bias"}
    assert len(record.loaded) == len(theirs) - 2


def test_the_old_names_of_densenets_are_understood(published):
    with torch.device("meta"):
        shapes = models.densenet121().state_dict()
    theirs = {name: torch.full(tensor.shape, 0.001, dtype=tensor.dtype) for name, tensor in shapes.items()}
    old = old_densenet_names(theirs)
    assert old.keys() != theirs.keys()
    published(old)
    network, (record,) = build_network(Blueprint(BY_NAME["densenet121"], {}, 7, 32), Weights("imagenet"), seed=1)
    assert set(record.missing) == HEAD_OF_DENSENET
    assert all(torch.equal(network.state_dict()[name], theirs[name]) for name in record.loaded)


def test_a_head_of_another_kind_leaves_the_backbone_as_it_is(published):
    with torch.device("meta"):
        shapes = models.mobilenet_v3_small().state_dict()
    published({name: torch.full(tensor.shape, 0.001, dtype=tensor.dtype) for name, tensor in shapes.items()})
    blueprint = Blueprint(BY_NAME["mobilenet_v3_small"], {"head": "conv"}, 7, 32)
    _, (record,) = build_network(blueprint, Weights("imagenet"), seed=1)
    assert all(name.startswith("classifier.") for name in (*record.missing, *record.unused))
    assert all(name.startswith("features.") for name in record.loaded)


def test_beside_one_that_has_none_weights_that_cannot_be_had_are_an_error_all_the_same():
    assert [one.name for one in ARCHITECTURES if not one.has_weights] == ["cnn"]
    with pytest.raises(WeightsError, match="resnet18-f37072fd"):
        resolve_weights("imagenet", [BY_NAME["cnn"], BY_NAME["resnet18"]])
