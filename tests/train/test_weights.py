"""Initial weights: fitted by name and shape, refused when nothing fits, never unpickled."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import struct
import sys
import zipfile
from collections import OrderedDict, UserDict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from skineval.base.codec import from_json, to_json
from skineval.base.errors import CellError, ExitCode, ModelFileError, WeightsError
from skineval.catalog.networks import find_head
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import Loaded, Weights, load_into, read_tensors, recorded, resolve_weights
from tests.conftest import TINY
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


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path):
    header = json.dumps({"0.weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(ModelFileError, match=r"huge\.safetensors"):
        resolve_weights(str(path), [TOY])


class Bomb:
    """What runs code where it is unpickled."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self):
        return os.system, (f"touch {self.flag}",)


class Evaluation(Bomb):
    """The same by a function of Python itself."""

    def __reduce__(self):
        return eval, (f"__import__('os').system('touch {self.flag}')",)


class Settings(UserDict):
    """A class of those who trained."""


class TestTorchFiles:
    @pytest.fixture
    def state(self):
        torch.manual_seed(5)
        return build(3, weights=None).state_dict()

    @pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".pth.tar"])
    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
    @pytest.mark.parametrize(
        "wrap",
        [
            dict,
            lambda state: {"state_dict": state, "epoch": 3, "arch": "toy"},
            lambda state: {"model": state, "optimizer": {"lr": 0.1, "state": {}}},
            lambda state: {"model_state_dict": state, "epoch": 3, "loss": 0.5},
            lambda state: {"net": state, "acc": 80.0},
            lambda state: {"ema": state},
            lambda state: nn.ParameterDict({"a": torch.ones(2)}).state_dict() | state,
        ],
        ids=["plain", "state_dict", "model", "model_state_dict", "net", "ema", "more"],
    )
    def test_a_state_dict_is_read(self, state, tmp_path, suffix, zipped, wrap):
        path = tmp_path / f"weights{suffix}"
        torch.save(wrap(state), path, _use_new_zipfile_serialization=zipped)
        tensors = read_tensors(path)
        assert all(torch.equal(tensors[name], tensor) for name, tensor in state.items())
        model = build(3, weights=None)
        assert load_into(model, path).missing == ()
        assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in state.items())

    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
    @pytest.mark.parametrize("place", ["whole", "beside", "within"])
    @pytest.mark.parametrize("kind", [Bomb, Evaluation])
    def test_code_in_a_file_is_not_run(self, state, tmp_path, zipped, place, kind):
        flag = tmp_path / "flag"
        bomb = kind(flag)
        content = {"whole": bomb, "beside": {"state_dict": state, "args": bomb}, "within": {**state, "x": bomb}}[place]
        path = tmp_path / "evil.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ModelFileError, match=r"evil\.pth") as caught:
            resolve_weights(str(path), [TOY])
        assert not flag.exists()
        assert caught.value.exit_code == ExitCode.REFUSED == 4
        # The bomb is a real one.
        torch.load(path, weights_only=False)
        assert flag.exists()

    def test_the_program_ends_with_4_and_names_the_file(self, tmp_path, skineval_program):
        flag, path = tmp_path / "flag", tmp_path / "evil.pt"
        torch.save(Bomb(flag), path)
        done = skineval_program("bench", *TINY, f"--weights={path}")
        assert done.returncode == 4
        assert str(path) in done.stderr
        assert not flag.exists()
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (torch.zeros(3), "holds Tensor"),
            ([torch.zeros(3)], "holds list"),
            ({}, "holds dict"),
            ({"a": torch.zeros(3), "epoch": 4}, "more than tensors: epoch"),
            ({"state_dict": {"a": 1}}, "more than tensors: a"),
            ({1: torch.zeros(3)}, "more than tensors: 1"),
        ],
    )
    def test_anything_else_is_refused(self, tmp_path, content, reason):
        path = tmp_path / "other.pt"
        torch.save(content, path)
        with pytest.raises(ModelFileError, match=reason):
            read_tensors(path)

    @pytest.mark.parametrize(("zipped", "reason"), [(True, "holds Sequential, not a dict"), (False, "holds more than")])
    def test_a_whole_model_is_refused(self, tmp_path, zipped, reason):
        path = tmp_path / "model.pt"
        torch.save(build(3, weights=None), path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ModelFileError, match=reason):
            read_tensors(path)

    def test_settings_of_any_class_are_passed_over(self, state, tmp_path, monkeypatch):
        """What Lightning keeps beside a network; the class may be one that nobody here has."""
        path = tmp_path / "last.ckpt"
        # As its LightningModule wrote it: a prefix, the weights of the loss, half precision.
        tensors = {f"net.{name}": tensor.half() for name, tensor in state.items()} | {"loss.weight": torch.ones(3)}
        settings = Settings()
        settings["lr"] = Path("data")
        parameters = {"cfg": settings, "loss": nn.CrossEntropyLoss(), "best": np.float64(0.5), "w": np.ones(3)}
        content = {
            "epoch": 4,
            "pytorch-lightning_version": "2.6.0",
            "state_dict": tensors,
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5)}},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}],
            "hyper_parameters": parameters | {"build": functools.partial(build, 3), "when": datetime.now(UTC)},
        }
        torch.save(content, path)
        monkeypatch.delattr(sys.modules[__name__], "Settings")
        model = build(3, weights=None)
        loaded = load_into(model, path)
        assert (loaded.prefix, loaded.missing, loaded.unused) == ("net.", (), ("loss.weight",))
        expected = {name: tensor.half().to(tensor.dtype) for name, tensor in state.items()}
        assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in expected.items())

    def test_an_object_among_the_tensors_is_refused(self, state, tmp_path):
        path = tmp_path / "odd.pt"
        torch.save({"state_dict": {**state, "x": nn.ReLU()}}, path)
        with pytest.raises(ModelFileError, match="holds more than tensors: x"):
            read_tensors(path)

    def test_of_a_network_and_its_average_the_network_is_taken_and_both_are_recorded(self, state, tmp_path):
        path = tmp_path / "timm.pth.tar"
        average = {name: tensor + 1 for name, tensor in state.items()}
        torch.save({"state_dict": state, "state_dict_ema": average, "optimizer": {"state": {}, "lr": 0.1}}, path)
        model = build(3, weights=None)
        loaded = load_into(model, path)
        assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in state.items())
        assert loaded.unused == tuple(sorted(f"state_dict_ema.{name}" for name in average))

    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
    def test_a_file_that_was_cut_anywhere_is_refused(self, state, tmp_path, zipped):
        path = tmp_path / "cut.pt"
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        content = path.read_bytes()
        for length in range(0, len(content) - 1, len(content) // 40):
            path.write_bytes(content[:length])
            with pytest.raises(ModelFileError, match=r"cut\.pt"):
                read_tensors(path)

    def test_a_compressed_file_is_refused_before_it_grows(self, tmp_path):
        plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
        torch.save({"a": torch.zeros(1_000_000)}, plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                target.writestr(name, source.read(name))
        assert packed.stat().st_size < 20_000
        with pytest.raises(ModelFileError, match=r"packed\.pt"):
            read_tensors(packed)

    def test_another_suffix_is_refused(self, tmp_path):
        path = tmp_path / "weights.h5"
        path.touch()
        with pytest.raises(ModelFileError, match=r"ends in '\.h5'"):
            resolve_weights(str(path), [TOY])


class TestPrefixes:
    @pytest.fixture
    def state(self):
        torch.manual_seed(5)
        return build(3, weights=None).state_dict()

    @pytest.mark.parametrize("prefix", ["module.", "backbone.", "encoder.", "_orig_mod.module.", "0."])
    def test_a_prefix_is_taken_off(self, state, tmp_path, prefix):
        path = tmp_path / "prefixed.safetensors"
        save_file({f"{prefix}{name}": tensor for name, tensor in state.items()} | {"loss.weight": torch.ones(9)}, path)
        model = build(3, weights=None)
        loaded = load_into(model, path)
        assert loaded.prefix == prefix
        assert loaded.missing == ()
        assert loaded.unused == ("loss.weight",)
        assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in state.items())

    def test_a_part_of_a_hybrid_can_be_taken_out_of_it(self, state, tmp_path):
        path = tmp_path / "hybrid.safetensors"
        save_file(
            {f"parts.1.{name}": tensor for name, tensor in state.items()} | {"parts.0.0.bias": torch.ones(5)}, path
        )
        assert load_into(build(3, weights=None), path).prefix == "parts.1."

    def test_names_that_fit_as_they_are_stay(self, state, tmp_path):
        path = tmp_path / "both.safetensors"
        save_file(state | {f"ema.{name}": tensor + 1 for name, tensor in state.items()}, path)
        model = build(3, weights=None)
        assert load_into(model, path).prefix == ""
        assert torch.equal(model[0].weight, state["0.weight"])

    def test_two_networks_in_one_file_are_not_chosen_from(self, state, tmp_path):
        path = tmp_path / "two.safetensors"
        save_file(
            {f"{prefix}.{name}": tensor.clone() for prefix in ("student", "teacher") for name, tensor in state.items()},
            path,
        )
        with pytest.raises(ModelFileError, match=r"more than once, under student\., teacher\."):
            load_into(build(3, weights=None), path)


def test_a_head_of_other_classes_stays_as_initialised_and_that_is_recorded(tmp_path):
    path = tmp_path / "five.pt"
    torch.save(build(5, weights=None).state_dict(), path)
    weights = resolve_weights(str(path), [TOY])
    network, (loaded,) = build_network(Blueprint(TOY, {}, 3, 16), weights, seed=0)
    assert loaded.missing == loaded.unused == ("8.bias", "8.weight")
    assert (loaded.architecture, loaded.file, loaded.prefix) == ("toy", "five.pt", "")
    assert f"sha256:{loaded.sha256}" == weights.identity == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert network[8].out_features == 3
    assert from_json(Loaded, to_json(loaded), "here") == loaded


def test_a_file_that_changes_while_a_bench_runs_is_noticed(tmp_path):
    path = tmp_path / "changing.pt"
    torch.save(build(3, weights=None).state_dict(), path)
    weights = resolve_weights(str(path), [TOY])
    torch.save(build(3, weights=None).state_dict(), path)
    with pytest.raises(CellError, match=r"changing\.pt has changed"):
        build_network(Blueprint(TOY, {}, 3, 16), weights, seed=0)


def test_counters_alone_do_not_make_a_file_fit(tmp_path):
    path = tmp_path / "counter.safetensors"
    save_file({"1.num_batches_tracked": torch.tensor(3)}, path)
    with pytest.raises(ModelFileError, match="No tensor"):
        load_into(build(3, weights=None), path)


def test_a_file_of_which_hardly_anything_fits_is_of_another_network(tmp_path):
    """A wider network of the same kind shares a few biases with this one."""
    state = build(3, weights=None).state_dict()
    path = tmp_path / "wider.safetensors"
    save_file(
        {
            name: tensor if tensor.ndim < 2 else tensor.repeat(2, *[1] * (tensor.ndim - 1))
            for name, tensor in state.items()
            if tensor.ndim
        },
        path,
    )
    with pytest.raises(ModelFileError, match=r"Only [\d,]+ of [\d,]+ numbers of the network are in .*wider"):
        load_into(build(3, weights=None), path)


def test_numbers_that_are_not_finite_are_named(tmp_path):
    state = {name: tensor.clone() for name, tensor in build(3, weights=None).state_dict().items()}
    state["0.weight"].view(-1)[3] = torch.nan
    save_file(state, tmp_path / "broken.safetensors")
    with pytest.raises(ModelFileError, match=r"broken.safetensors holds numbers that are not finite: in 0.weight"):
        load_into(build(3, weights=None), tmp_path / "broken.safetensors")


class TestRecordOfWhatAnArchitectureLoadedItself:
    def test_only_what_is_equal_counts(self, tmp_path):
        model = build(3, weights=None)
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        state["0.weight"] += 1
        path = tmp_path / "own.pt"
        torch.save(OrderedDict(state), path)
        record = recorded(model, path, "toy")
        assert record.missing == ("0.weight",)
        assert record.unused == ("0.weight",)
        assert "0.bias" in record.loaded

    def test_of_a_format_nobody_else_reads_file_and_digest_are_kept(self, tmp_path):
        path = tmp_path / "weights.npz"
        path.write_bytes(b"x")
        assert recorded(build(3, weights=None), path, "toy") == Loaded(
            "toy", "weights.npz", hashlib.sha256(b"x").hexdigest(), (), (), ()
        )


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        resolve_weights(str(tmp_path / "none.safetensors"), [TOY])


def test_of_what_there_are_no_imagenet_weights_begins_with_random_values():
    asked = resolve_weights("imagenet", [TOY])
    assert (asked.identity, asked.of(TOY)) == ("imagenet", "none")
    assert asked.lacking(TOY) == "There are no ImageNet weights of toy: it begins with random values."
    assert Weights("none").lacking(TOY) == Weights("sha256:0", Path("w.pt")).lacking(TOY) == ""
    assert Weights("sha256:0", Path("w.pt")).of(TOY) == "sha256:0"


def test_initial_weights_depend_on_the_seed_alone():
    def weight(seed):
        torch.rand(seed)  # whatever was drawn before
        return build_network(Blueprint(TOY, {}, 3, 16), Weights("none"), seed)[0][0].weight

    assert torch.equal(weight(3), weight(3))
    assert not torch.equal(weight(3), weight(4))


def test_the_head_is_found_by_name_or_is_the_last_linear_layer():
    model = build(3, weights=None)
    assert find_head(model, TOY, 3) is model[8]
    assert find_head(model, dataclasses.replace(TOY, head="8"), 3) is model[8]
    with pytest.raises(CellError, match="not a linear layer"):
        find_head(model, dataclasses.replace(TOY, head="0"), 3)
    with pytest.raises(CellError, match="no linear head"):
        find_head(model, TOY, 5)
