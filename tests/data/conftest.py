from __future__ import annotations

import os
from pathlib import Path

import pytest

from skineval.data import layouts
from skineval.data.lesions import LesionTable


@pytest.fixture(scope="session")
def real_folder() -> Path:
    folder = os.environ.get("SKINEVAL_TEST_DATA")
    if not folder:
        pytest.skip("SKINEVAL_TEST_DATA does not name a folder with HAM10000")
    return Path(folder)


@pytest.fixture(scope="session")
def real_table(real_folder: Path) -> LesionTable:
    return layouts.load(real_folder)
