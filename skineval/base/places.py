"""Where things lie unless somebody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

RUNS = Path("runs")


def cache_folder() -> Path:
    """Where stores and downloads are kept: the environment variable SKINEVAL_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SKINEVAL_CACHE")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("skineval", appauthor=False))
