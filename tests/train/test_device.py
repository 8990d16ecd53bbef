"""Device and precision: told without torch where that is plain, and then what torch would have told."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from skineval.base.errors import UsageError
from skineval.builtins.architectures import ARCHITECTURES
from skineval.train import device as devices
from skineval.train.device import Device, choose_device, choose_precision, cpu_threads

CPU = Device("cpu", "CPU", "asked for")
RESNET, EFFICIENTNET = (next(a for a in ARCHITECTURES if a.name == name) for name in ("resnet18", "efficientnet_b0"))


def test_auto_is_what_torch_has():
    found = choose_device("auto").kind
    assert found == ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda:3")


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="this torch cannot tell")
def test_bfloat16_is_what_torch_sees():
    capabilities = torch.cpu.get_capabilities()
    expected = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    assert devices._cpu_has_bfloat16() == expected


def test_precision_goes_by_the_architecture_and_says_why(monkeypatch):
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: True)
    assert choose_precision("auto", RESNET, CPU)[0] == "bf16"
    assert choose_precision("auto", EFFICIENTNET, CPU) == ("fp32", "efficientnet_b0 is slower in bfloat16 on CPUs")
    assert choose_precision("bf16", EFFICIENTNET, CPU) == ("bf16", "asked for")
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: False)
    assert choose_precision("auto", RESNET, CPU)[0] == "fp32"


def test_jobs_share_the_cores():
    assert cpu_threads(1) >= cpu_threads(2) >= cpu_threads(10_000) == 1


def test_bfloat16_is_asked_of_the_gpu_that_was_chosen(monkeypatch):
    current = [0]

    @contextmanager
    def chosen(device):
        current[0] = device.index
        yield
        current[0] = 0

    monkeypatch.setattr(torch.cuda, "device", chosen)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: current[0] == 1)
    old, new = (Device(f"cuda:{index}", "GPU", "asked for") for index in (0, 1))
    assert choose_precision("auto", RESNET, new) == ("bf16", "the GPU supports it")
    assert choose_precision("auto", RESNET, old) == ("fp32", "the GPU has no bfloat16")
