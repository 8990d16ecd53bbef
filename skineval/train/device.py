"""Where a cell is trained, in which precision, and why.

torch takes seconds to import. On a machine that plainly has no accelerator it is not needed for the answer, so that a
bench with nothing left to do ends at once and the parent of the workers stays small.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.errors import UsageError, plural
from skineval.catalog.specs import Architecture
from skineval.data.pixels.threads import at_most, cores

if TYPE_CHECKING:
    import torch

#: Without one of these device files Linux has no GPU that torch could use (NVIDIA, AMD, Windows' subsystem).
ACCELERATORS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
CONTAINER_LIMIT = "/sys/fs/cgroup/memory.max"  #: bytes that Linux lets a container use
#: What /proc/cpuinfo calls native bfloat16 multiplication, on x86 and on ARM.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True)
class Device:
    """A device as chosen."""

    name: str  #: as torch spells it: "cpu", "cuda:0", "mps"
    description: str
    reason: str

    @property
    def torch(self) -> torch.device:
        """The device as torch's value."""
        import torch

        return torch.device(self.name)

    @property
    def kind(self) -> str:
        """ "cpu", "cuda" or "mps"."""
        return self.name.partition(":")[0]


def choose_device(asked: str) -> Device:
    """Resolve `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; raises UsageError for a device that is not there."""
    if asked == "cpu":
        return Device("cpu", "CPU", "asked for")
    if asked == "auto" and not _may_have_accelerator():
        return Device("cpu", "CPU", "no GPU is there")
    import torch

    reason = "asked for"
    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        reason = "a GPU is there" if asked != "cpu" else "no GPU is there"
    if asked.startswith("cuda"):
        index = int(asked.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            there = plural(torch.cuda.device_count(), "CUDA device") if torch.cuda.is_available() else "no CUDA device"
            raise UsageError(f"--device is {asked}, but torch sees {there}.", "Use --device auto or --device cpu.")
        return Device(f"cuda:{index}", torch.cuda.get_device_name(index), reason)
    if asked == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device is mps, but torch sees no Apple GPU.", "Use --device auto or --device cpu.")
    return Device(asked, "Apple GPU" if asked == "mps" else "CPU", reason)


def cpu_threads(jobs: int) -> int:
    """Threads of a cell where `jobs` of them train at the same time: their share of the cores, or as `at_most`."""
    return at_most(max(1, cores() // jobs))


def total_memory(device: Device) -> int:
    """Bytes of memory that the device has: of the GPU, or of this machine as far as we may use it."""
    if device.kind == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(device.torch).total_memory)
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path(CONTAINER_LIMIT).read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return physical


def choose_precision(asked: str, architecture: Architecture, device: Device) -> tuple[str, str]:
    """fp32 or bf16, and the reason.

    `auto` takes bfloat16 where the hardware multiplies it natively and, on CPUs, the architecture gains from it:
    depthwise convolutions have no bfloat16 kernels there and run at half speed.
    """
    if asked != "auto":
        return asked, "asked for"
    if device.kind == "cuda":
        import torch

        with torch.cuda.device(device.torch):  # the question is about the current one
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16", "the GPU supports it") if native else ("fp32", "the GPU has no bfloat16")
    if device.kind == "mps":
        return "fp32", "bfloat16 is not used on Apple GPUs"
    if not _cpu_has_bfloat16():
        return "fp32", "the CPU has no bfloat16 instructions"
    if not architecture.bfloat16_on_cpu:
        return "fp32", f"{architecture.name} is slower in bfloat16 on CPUs"
    return "bf16", "the CPU has bfloat16 instructions"


def _may_have_accelerator() -> bool:
    return platform.system() != "Linux" or any(Path(file).exists() for file in ACCELERATORS)


def _cpu_has_bfloat16() -> bool:
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import torch

        # Older versions cannot tell, and float32 is never wrong.
        if not hasattr(torch.cpu, "get_capabilities"):
            return False
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return not BFLOAT16_FLAGS.isdisjoint(described.split())
