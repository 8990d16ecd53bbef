"""Initial weights: fitted by name and shape, refused when nothing fits, never unpickled."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from skineval.errors import CellError, ModelFileError, WeightsError
from skineval.networks import find_head
from skineval.specs import Selection
from skineval.train.network import build_network
from skineval.train.weights import Weights, load_into, resolve_weights
from tests.train.toys import TOY, build


@pytest.fixture
def backbone(tmp_path):
    """A file with the toy's tensors, all but those of its head."""
    torch.manual_seed(5)
    state = build(3, weights=None).state_dict()
    path = tmp_path / "backbone.safetensors"
    save_file({name: tensor for name, tensor in state.items() if not name.startswith("8.")}, path)
    return path


def test_a_backbone_is_loaded_and_its_head_stays(backbone):
    torch.manual_seed(1)
    model = build(3, weights=None)
    head = model[8].weight.clone()
    loaded = load_into(model, backbone)
    torch.manual_seed(5)
    assert torch.equal(model[0].weight, build(3, weights=None)[0].weight)
    assert torch.equal(model[8].weight, head)
    assert loaded.missing == ("8.bias", "8.weight")
    assert loaded.unused == ()


def test_a_file_that_fits_nothing_is_refused_with_the_names(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"encoder.weight": torch.zeros(3, 3), "0.weight": torch.zeros(1)}, path)
    with pytest.raises(ModelFileError) as caught:
        load_into(build(3, weights=None), path)
    assert "encoder.weight (3, 3)" in str(caught.value)
    assert "0.weight (1,)" in str(caught.value)


def test_what_fits_nothing_is_said_beside_what_fits(backbone, tmp_path):
    from safetensors.torch import load_file

    path = tmp_path / "more.safetensors"
    save_file({**load_file(backbone), "extra": torch.zeros(2)}, path)
    assert load_into(build(3, weights=None), path).unused == ("extra",)


def test_the_identity_of_a_file_is_its_content(backbone, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(backbone.read_bytes())
    one, two = (resolve_weights(str(path), [TOY]) for path in (backbone, copy))
    assert one.identity == two.identity
    assert one.identity.startswith("sha256:")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 10, (1 << 60).to_bytes(8, "little") + b"{}"])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"damaged\.safetensors"):
        resolve_weights(str(path), [TOY])


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        resolve_weights(str(tmp_path / "none.safetensors"), [TOY])
    with pytest.raises(WeightsError, match="toy has no ImageNet weights"):
        resolve_weights("imagenet", [TOY])


def test_initial_weights_depend_on_the_seed_alone():
    def weight(seed):
        torch.rand(seed)  # whatever was drawn before
        return build_network(TOY, Selection("toy"), 3, Weights("none"), 16, seed)[0][0].weight

    assert torch.equal(weight(3), weight(3))
    assert not torch.equal(weight(3), weight(4))


def test_the_head_is_found_by_name_or_is_the_last_linear_layer():
    import dataclasses

    model = build(3, weights=None)
    assert find_head(model, TOY, 3) is model[8]
    assert find_head(model, dataclasses.replace(TOY, head="8"), 3) is model[8]
    with pytest.raises(CellError, match="not a linear layer"):
        find_head(model, dataclasses.replace(TOY, head="0"), 3)
    with pytest.raises(CellError, match="no linear head"):
        find_head(model, TOY, 5)
