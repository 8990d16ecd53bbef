"""What one pastes into a report of a defect."""

from __future__ import annotations

import platform
from importlib.metadata import version

from skineval.base.places import cache_folder
from skineval.catalog.catalog import load_catalog
from skineval.grid.prepare import PACKAGES
from skineval.train.device import choose_device, cpu_threads


def diagnosis() -> dict[str, str | int]:
    """Versions, device, cache and plugins of this installation."""
    catalog = load_catalog()
    device = choose_device("auto")
    facts: dict[str, str | int] = {name: version(name) for name in PACKAGES}
    facts |= {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{device.name} ({device.description}): {device.reason}",
        "threads": cpu_threads(1),
        "cache": str(cache_folder()),
    }
    facts |= {f"plugin {name}": provider.package for name, provider in catalog.plugins.providers.items()}
    facts |= {f"set aside {i}": str(problem) for i, problem in enumerate(catalog.problems, start=1)}
    return facts
